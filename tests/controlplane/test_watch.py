"""Watches, through the front door."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from afflux.controlplane import store as store_module

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def config_map(name: str, labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels or {}}, "data": data}


async def taken(events: AsyncIterator[Any], count: int) -> list[tuple[str, str]]:
    """The next events as type and name."""
    async with asyncio.timeout(10):
        return [(event["type"], event["object"]["metadata"].get("name", "")) for event in [
            await anext(events) for _ in range(count)
        ]]  # fmt: skip


async def version_of(api: Any) -> str:
    return (await api.get(CONFIG_MAPS)).json["metadata"]["resourceVersion"]


async def test_a_watch_from_a_version_gives_what_came_after_it(api: Any) -> None:
    await api.post(CONFIG_MAPS, config_map("before"))
    version = await version_of(api)
    await api.post(CONFIG_MAPS, config_map("missed"))
    async with api.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion={version}") as events:
        await api.delete(f"{CONFIG_MAPS}/before")
        assert await taken(events, 2) == [("ADDED", "missed"), ("DELETED", "before")]


async def test_selector_transitions_are_additions_and_deletions_with_the_old_object(api: Any) -> None:
    await api.post(CONFIG_MAPS, config_map("w", {"a": "1"}))
    version = await version_of(api)
    async with api.watch(f"{CONFIG_MAPS}?watch=1&labelSelector=a%3D1&resourceVersion={version}") as events:
        changed = await api.patch(f"{CONFIG_MAPS}/w", {"metadata": {"labels": {"a": "2"}}})
        await api.patch(f"{CONFIG_MAPS}/w", {"metadata": {"labels": {"a": "1"}}})
        async with asyncio.timeout(10):
            left, came = await anext(events), await anext(events)
    assert (left["type"], left["object"]["metadata"]["labels"]) == ("DELETED", {"a": "1"})
    assert left["object"]["metadata"]["resourceVersion"] == changed.json["metadata"]["resourceVersion"]
    assert came["type"] == "ADDED"


async def test_a_version_that_is_forgotten_is_410_in_the_stream(api: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(store_module, "EVENTS_KEPT", 5)
    version = await version_of(api)
    for number in range(10):
        await api.post(CONFIG_MAPS, config_map(f"c{number}"))
    async with api.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion={version}") as events:
        event = await anext(events)
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


async def test_table_events_carry_columns_in_the_first_only(api: Any) -> None:
    await api.post(CONFIG_MAPS, config_map("one"))
    async with api.watch(f"{CONFIG_MAPS}?watch=1&fieldSelector=metadata.name%3Done", Accept=TABLE) as events:
        await api.patch(f"{CONFIG_MAPS}/one", {"data": {"a": "b"}})
        async with asyncio.timeout(10):
            first, second = await anext(events), await anext(events)
    assert [column["name"] for column in first["object"]["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert second["object"]["columnDefinitions"] == []
    assert second["object"]["rows"][0]["cells"][:2] == ["one", 1]


async def test_a_timeout_closes_the_stream_after_a_bookmark(api: Any) -> None:
    path = f"{CONFIG_MAPS}?watch=1&timeoutSeconds=3&allowWatchBookmarks=true&resourceVersion={await version_of(api)}"
    async with api.watch(path) as events, asyncio.timeout(10):
        received = [event async for event in events]
    assert [event["type"] for event in received] == ["BOOKMARK"]
    assert received[0]["object"]["kind"] == "ConfigMap"


async def test_initial_events_need_the_right_match(api: Any) -> None:
    reply = await api.get(f"{CONFIG_MAPS}?watch=1&sendInitialEvents=true")
    assert reply.status == 422
    assert "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan" in reply.json["message"]
    assert (await api.get(f"{CONFIG_MAPS}?watch=1&resourceVersion=abc")).status == 500


async def test_the_old_watch_path_watches_one_object(api: Any) -> None:
    await api.post(CONFIG_MAPS, config_map("w1"))
    await api.post(CONFIG_MAPS, config_map("w2"))
    async with api.watch("/api/v1/watch/namespaces/default/configmaps/w2") as events:
        assert await taken(events, 1) == [("ADDED", "w2")]


async def test_every_watcher_sees_every_change_once_and_in_order(api: Any) -> None:
    count, watchers = 60, 20
    version = await version_of(api)

    async def follow() -> list[tuple[str, str]]:
        async with api.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion={version}") as events:
            return await taken(events, count)

    following = [asyncio.create_task(follow()) for _ in range(watchers)]
    await asyncio.gather(*(api.post(CONFIG_MAPS, config_map(f"c{number}")) for number in range(count)))
    seen = await asyncio.gather(*following)
    assert all(each == seen[0] for each in seen)
    assert {name for _, name in seen[0]} == {f"c{number}" for number in range(count)}
