import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import orjson
import pytest
from aiohttp import web

from afflux.kube.client import KubeClient, Selection
from afflux.kube.config import parse_config
from afflux.kube.errors import Forbidden, Gone, KubeError
from afflux.kube.watch import WatchEvent, watch
from afflux.objects.identity import GroupVersionKind

THING = GroupVersionKind("x.io", "v1", "Thing")
THINGS = {
    "kind": "APIResourceList",
    "resources": [{"name": "things", "kind": "Thing", "namespaced": True, "verbs": ["list", "watch"]}],
}
NO_GROUPS: dict[str, Any] = {"kind": "APIGroupList", "groups": []}
TOO_OLD = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}


def thing(name: str, version: int, uid: str = "") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ns", "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    return {"apiVersion": "x.io/v1", "kind": "Thing", "metadata": metadata}


def listing(version: int, *items: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": str(version)}, "items": list(items)}


def streaming(*frames: dict[str, Any], piece: int = 10_000) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A watch that sends frames, in pieces of so many bytes, and ends."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        text = b"".join(orjson.dumps(frame) + b"\n" for frame in frames)
        for start in range(0, len(text), piece):
            await response.write(text[start : start + piece])
            await asyncio.sleep(0)
        return response

    return answer


@pytest.fixture
async def client(https_server: Any) -> Any:
    client = KubeClient.connect(parse_config(https_server.kubeconfig()))
    yield client
    await client.close()


async def first(count: int, client: KubeClient, **options: Any) -> list[tuple[str, str, str]]:
    seen: list[tuple[str, str, str]] = []
    async with aclosing(watch(client, THING, Selection(), **options)) as events:
        async for event in events:
            seen.append(shown(event))
            if len(seen) == count:
                break
    return seen


def shown(event: WatchEvent) -> tuple[str, str, str]:
    return event.type, event.object.get("metadata", {}).get("name", ""), event.resource_version


async def test_what_is_there_comes_first_then_synced_then_what_happens(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    frames = ({"type": "MODIFIED", "object": thing("a", 7)}, {"type": "DELETED", "object": thing("a", 8)})
    https_server.answers = [answer_with(THINGS), answer_with(listing(6, thing("a", 5))), streaming(*frames)]
    assert await first(4, client) == [
        ("ADDED", "a", "5"),
        ("SYNCED", "", "6"),
        ("MODIFIED", "a", "7"),
        ("DELETED", "a", "8"),
    ]
    query = https_server.requests[2].query
    assert (query["watch"], query["resourceVersion"], query["allowWatchBookmarks"]) == ("true", "6", "true")


@pytest.mark.parametrize("piece", [1, 7, 4096])
async def test_frames_are_whole_however_the_bytes_arrive(
    https_server: Any, client: KubeClient, answer_with: Any, piece: int
) -> None:
    frames = [{"type": "ADDED", "object": thing(name, number)} for number, name in enumerate("abcde", 10)]
    https_server.answers = [answer_with(THINGS), answer_with(listing(6)), streaming(*frames, piece=piece)]
    assert [name for _, name, _ in await first(6, client)] == ["", *"abcde"]


@pytest.fixture
def short_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams are asked to last so short that they end in time at once."""
    monkeypatch.setattr("afflux.kube.watch.STREAM_SECONDS", (1, 1))


@pytest.mark.usefixtures("short_streams")
async def test_a_stream_that_ended_in_time_is_taken_up_where_it_ended(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}
    https_server.answers = [
        answer_with(THINGS),
        answer_with(listing(6)),
        streaming({"type": "ADDED", "object": thing("a", 7)}, bookmark),
        streaming({"type": "ADDED", "object": thing("b", 10)}),
    ]
    assert await first(3, client) == [("SYNCED", "", "6"), ("ADDED", "a", "7"), ("ADDED", "b", "10")]
    assert https_server.requests[3].query["resourceVersion"] == "9"


async def test_after_a_stream_that_broke_all_is_told_as_it_is_now(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    """Nobody says whether the server at the other end is still the same."""
    https_server.answers = [
        answer_with(THINGS),
        answer_with(listing(6, thing("gone", 5))),
        streaming({"type": "ADDED", "object": thing("a", 7)}),
        answer_with(listing(4, thing("a", 3))),
        streaming(),
    ]
    assert (await first(6, client))[3:] == [("DELETED", "gone", "4"), ("MODIFIED", "a", "3"), ("SYNCED", "", "4")]


async def test_after_a_gap_only_the_differences_are_told(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    https_server.answers = [
        answer_with(THINGS),
        answer_with(listing(6, thing("same", 1), thing("gone", 2), thing("changed", 3), thing("replaced", 4, "old"))),
        streaming(TOO_OLD),
        answer_with(
            listing(20, thing("same", 1), thing("changed", 13), thing("replaced", 14, "new"), thing("new", 15))
        ),
        streaming(),
    ]
    troubles: list[KubeError] = []
    assert (await first(11, client, on_error=troubles.append))[5:] == [
        ("DELETED", "gone", "20"),
        ("MODIFIED", "changed", "13"),
        ("DELETED", "replaced", "14"),
        ("ADDED", "replaced", "14"),
        ("ADDED", "new", "15"),
        ("SYNCED", "", "20"),
    ]
    assert [type(error) for error in troubles] == [Gone]


async def test_a_kind_that_is_not_served_yet_is_waited_for(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    missing = [answer_with({}, 404), answer_with(NO_GROUPS)]
    https_server.answers = [
        *missing,
        *missing,
        answer_with(THINGS),
        answer_with(listing(6, thing("a", 5))),
        streaming(),
    ]
    assert await first(2, client) == [("ADDED", "a", "5"), ("SYNCED", "", "6")]


async def test_objects_of_a_kind_that_is_served_no_longer_are_gone(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    missing = [answer_with({}, 404), answer_with({}, 404), answer_with(NO_GROUPS)]
    https_server.answers = [answer_with(THINGS), answer_with(listing(6, thing("a", 5))), *missing]
    assert (await first(3, client))[2] == ("DELETED", "a", "")


AWAY = [
    (500, "etcdserver: request timed out"),
    (503, "apiserver is shutting down"),
    (504, "Timeout: Too large resource version: 7, current: 3"),
]


@pytest.mark.usefixtures("short_streams")
@pytest.mark.parametrize(("code", "message"), AWAY)
async def test_after_the_server_was_away_all_is_told_as_it_is_now(
    https_server: Any, client: KubeClient, answer_with: Any, code: int, message: str
) -> None:
    """It may have been restored from a backup: objects are older, gone, or others under the versions of before."""
    away = answer_with({"kind": "Status", "message": message, "code": code}, code)
    https_server.answers = [
        answer_with(THINGS),
        answer_with(listing(6, thing("same", 1), thing("older", 5), thing("gone", 6))),
        streaming({"type": "MODIFIED", "object": thing("older", 7)}),
        away,
        answer_with(listing(3, thing("same", 1), thing("older", 2))),
        streaming(),
    ]
    assert (await first(9, client))[5:] == [
        ("DELETED", "gone", "3"),
        ("MODIFIED", "same", "1"),
        ("MODIFIED", "older", "2"),
        ("SYNCED", "", "3"),
    ]


@pytest.mark.usefixtures("short_streams")
async def test_a_throttled_watch_goes_on_where_it_was(https_server: Any, client: KubeClient, answer_with: Any) -> None:
    throttled = answer_with({"kind": "Status", "message": "slow down", "code": 429}, 429)
    https_server.answers = [
        answer_with(THINGS),
        answer_with(listing(6)),
        streaming({"type": "ADDED", "object": thing("a", 7)}),
        throttled,
        streaming({"type": "ADDED", "object": thing("b", 8)}),
    ]
    assert await first(4, client) == [
        ("SYNCED", "", "6"),
        ("ADDED", "a", "7"),
        ("SYNCED", "", "7"),
        ("ADDED", "b", "8"),
    ]
    assert https_server.requests[4].query["resourceVersion"] == "7"


async def test_what_is_no_watch_event_does_not_end_the_watch(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    https_server.answers = [
        answer_with(THINGS),
        answer_with(listing(6)),
        streaming({"hello": "I am a proxy"}),
        answer_with(listing(8, thing("a", 7))),
        streaming(),
    ]
    troubles: list[KubeError] = []
    assert (await first(3, client, on_error=lambda error: troubles.append(error) is None))[1:] == [
        ("ADDED", "a", "7"),
        ("SYNCED", "", "8"),
    ]
    assert "isn't a watch event" in str(troubles[0])


async def test_a_server_that_forgets_at_once_is_not_asked_without_a_pause(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    expired = answer_with({"kind": "Status", "message": "too old", "code": 410}, 410)
    https_server.answers = [answer_with(THINGS), expired]
    troubles: list[KubeError] = []

    def stop(error: KubeError) -> bool:
        troubles.append(error)
        return len(troubles) < 3

    with pytest.raises(Gone):
        await asyncio.wait_for(first(1, client, on_error=stop), 10)
    assert len(https_server.requests) == 4


async def test_whoever_asks_is_told_of_trouble_and_may_stop(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    refused = {"kind": "Status", "message": "things is forbidden", "reason": "Forbidden", "code": 403}
    https_server.answers = [answer_with(THINGS), answer_with(refused, 403)]
    troubles: list[KubeError] = []

    def stop(error: KubeError) -> bool:
        troubles.append(error)
        return len(troubles) < 2

    with pytest.raises(Forbidden, match="things is forbidden"):
        await first(1, client, on_error=stop)
    assert len(troubles) == 2


async def test_an_event_without_end_breaks_the_watch_off(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                await response.write(b"x" * 2**20)
        return response

    problems: list[KubeError] = []
    https_server.answers = [answer_with(THINGS), answer_with(listing(1, thing("a", 1))), endless]
    with pytest.raises(KubeError):
        await first(3, client, on_error=problems.append)
    assert any("an event of more than" in str(problem) for problem in problems)
