import asyncio
from typing import Any

import pytest
from aiohttp import web

from afflux.kube.client import KubeClient
from afflux.kube.config import parse_config
from afflux.kube.errors import ApiError, Unreachable, is_away


@pytest.fixture
async def client(https_server: Any) -> Any:
    client = KubeClient.connect(parse_config(https_server.kubeconfig()))
    yield client
    await client.close()


async def test_nobody_waits_for_a_server_that_was_not_missed(https_server: Any, client: KubeClient) -> None:
    await asyncio.wait_for(client.presence.until_back(), 1)
    client.presence.missed(ApiError(409, "Conflict", "the object has been modified"))
    await asyncio.wait_for(client.presence.until_back(), 1)
    assert https_server.requests == []


async def test_a_server_that_was_missed_is_back_when_it_says_that_it_is_ready(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    starting = answer_with({"kind": "Status", "message": "starting", "code": 500}, 500)

    async def ok(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    https_server.is_ready = False
    https_server.answers = [starting, starting, ok]
    client.presence.missed(Unreachable("no answer"))
    await asyncio.wait_for(client.presence.until_back(), 10)
    assert [request.path for request in https_server.requests] == ["/readyz"] * 3


async def test_a_server_that_does_not_tell_us_whether_it_is_ready_is_there(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    https_server.is_ready = False
    https_server.answers = [answer_with({"kind": "Status", "message": "forbidden", "code": 403}, 403)]
    client.presence.missed(Unreachable("no answer"))
    await asyncio.wait_for(client.presence.until_back(), 5)
    assert len(https_server.requests) == 1


async def test_a_server_that_never_says_that_it_is_ready_is_tried_all_the_same(
    https_server: Any, client: KubeClient, answer_with: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afflux.kube.presence.LONGEST_WAIT", 0.2)
    https_server.is_ready = False
    https_server.answers = [answer_with({"kind": "Status", "message": "hook failed", "code": 500}, 500)]
    client.presence.missed(Unreachable("no answer"))
    await asyncio.wait_for(client.presence.until_back(), 5)
    asked = len(https_server.requests)
    await asyncio.wait_for(client.presence.until_back(), 5)
    assert len(https_server.requests) == asked


@pytest.mark.parametrize(("code", "away"), [(0, True), (500, True), (503, True), (429, False), (404, False)])
def test_only_what_is_no_answer_of_its_own_says_that_a_server_is_away(code: int, away: bool) -> None:
    assert is_away(ApiError(code, "", "")) is away
