"""What becomes of dependents when owners go."""

from __future__ import annotations

from typing import Any

import pytest

from afflux.controlplane.garbage import Owners, decide
from waiting import eventually

PATH = "/api/v1/namespaces/default/configmaps"


async def make(api: Any, name: str, *owners: Any, **metadata: Any) -> Any:
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": one["metadata"]["name"], "uid": one["metadata"]["uid"]}
        | ({"blockOwnerDeletion": True} if metadata.get("blocks") else {})
        for one in owners
    ]
    more = {name: value for name, value in metadata.items() if name != "blocks"}
    reply = await api.post(PATH, {"metadata": {"name": name, "ownerReferences": references, **more}})
    assert reply.status == 201
    return reply.json


async def is_gone(api: Any, name: str) -> bool:
    return bool((await api.get(f"{PATH}/{name}")).status == 404)


async def test_dependents_of_a_deleted_owner_go(api: Any) -> None:
    owner = await make(api, "owner")
    child = await make(api, "child", owner)
    await make(api, "grandchild", child)
    await api.delete(f"{PATH}/owner", {"propagationPolicy": "Background"})

    async def all_gone() -> bool:
        return [await is_gone(api, name) for name in ("owner", "child", "grandchild")] == [True] * 3

    await eventually(all_gone)


async def test_an_orphan_stays_without_its_reference(api: Any) -> None:
    owner = await make(api, "owner")
    await make(api, "child", owner)
    answer = await api.delete(f"{PATH}/owner", {"propagationPolicy": "Orphan"})
    assert answer.json["metadata"]["finalizers"] == ["orphan"]

    async def owner_gone() -> bool:
        return await is_gone(api, "owner")

    await eventually(owner_gone)
    assert "ownerReferences" not in (await api.get(f"{PATH}/child")).json["metadata"]


async def test_in_foreground_an_owner_waits_for_dependents_that_block(api: Any) -> None:
    owner = await make(api, "owner")
    await make(api, "child", owner, blocks=True, finalizers=["x.io/f"])
    answer = await api.delete(f"{PATH}/owner", {"propagationPolicy": "Foreground"})
    assert answer.json["metadata"]["finalizers"] == ["foregroundDeletion"]

    async def child_marked() -> bool:
        return "deletionTimestamp" in (await api.get(f"{PATH}/child")).json["metadata"]

    await eventually(child_marked)
    assert not await is_gone(api, "owner")
    await api.patch(f"{PATH}/child", {"metadata": {"finalizers": None}})

    async def both_gone() -> bool:
        return await is_gone(api, "owner") and await is_gone(api, "child")

    await eventually(both_gone)


async def test_an_owner_that_never_existed_counts_as_gone(api: Any) -> None:
    await make(api, "child", {"metadata": {"name": "nobody", "uid": "00000000-0000-0000-0000-000000000000"}})

    async def gone() -> bool:
        return await is_gone(api, "child")

    await eventually(gone)


async def test_with_one_owner_alive_only_the_dead_reference_goes(api: Any) -> None:
    first, second = await make(api, "first"), await make(api, "second")
    await make(api, "child", first, second)
    await api.delete(f"{PATH}/first", {"propagationPolicy": "Background"})

    async def left() -> Any:
        found = (await api.get(f"{PATH}/child")).json["metadata"].get("ownerReferences") or ()
        return [one["name"] for one in found] == ["second"]

    await eventually(left)


async def test_an_owner_of_the_same_name_but_another_uid_is_not_the_owner(api: Any) -> None:
    owner = await make(api, "owner")
    await make(api, "child", owner)
    await api.delete(f"{PATH}/owner", {"propagationPolicy": "Background"})
    await make(api, "owner")

    async def gone() -> bool:
        return await is_gone(api, "child")

    await eventually(gone)
    assert not await is_gone(api, "owner")


DEAD, ALIVE, WAITING = {"uid": "d"}, {"uid": "a"}, {"uid": "w"}


@pytest.mark.parametrize(
    ("owners", "has_dependents", "expected"),
    [
        (Owners(solid=[ALIVE]), False, None),
        (Owners(solid=[ALIVE], dangling=[DEAD]), False, [ALIVE]),
        (Owners(solid=[ALIVE], waiting=[WAITING]), True, [ALIVE]),
        (Owners(dangling=[DEAD]), True, "Background"),
        (Owners(waiting=[WAITING]), False, "Background"),
        (Owners(waiting=[WAITING], dangling=[DEAD]), True, "Foreground"),
        (Owners(), True, None),
    ],
)
def test_what_happens_to_a_dependent(owners: Owners, has_dependents: bool, expected: Any) -> None:
    assert decide(owners, has_dependents) == expected
