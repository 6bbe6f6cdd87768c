"""The client and its watch against an API server."""

import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from afflux.kube.client import KubeClient, PatchType, Preconditions, Selection, Target
from afflux.kube.errors import AlreadyExists, Conflict, Invalid, NotFound
from afflux.kube.watch import WatchEvent, watch
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Manifest

CONFIG_MAP = GroupVersionKind("", "v1", "ConfigMap")


@pytest.fixture
def client(kube_client: KubeClient) -> KubeClient:
    return kube_client


def config_map(namespace: str, name: str, labels: dict[str, str] | None = None, **data: str) -> Manifest:
    metadata = {"name": name, "namespace": namespace, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def test_an_object_goes_through_its_life(client: KubeClient, namespace: str) -> None:
    created = await client.create(config_map(namespace, "a", x="1"), field_manager="test")
    with pytest.raises(AlreadyExists, match='configmaps "a" already exists'):
        await client.create(config_map(namespace, "a"))
    target = Target.of(created)
    patched = await client.patch(target, {"data": {"y": "2"}})
    assert patched["data"] == {"x": "1", "y": "2"}
    with pytest.raises(Conflict, match="the object has been modified"):
        await client.update({**created, "data": {}})
    replaced = await client.update({**patched, "data": {"z": "3"}})
    assert (await client.get(target))["data"] == replaced["data"] == {"z": "3"}
    operations = [{"op": "replace", "path": "/data/z", "value": "4"}]
    assert (await client.patch(target, operations, patch_type=PatchType.JSON))["data"] == {"z": "4"}
    with pytest.raises(Conflict):
        await client.delete(target, preconditions=Preconditions(uid=str(uuid.uuid4())))
    await client.delete(target, preconditions=Preconditions(uid=created["metadata"]["uid"]))
    with pytest.raises(NotFound, match='configmaps "a" not found'):
        await client.get(target)


async def test_applying_says_who_is_in_the_way(client: KubeClient, namespace: str) -> None:
    await client.apply(config_map(namespace, "a", x="1"), field_manager="one")
    with pytest.raises(Conflict) as caught:
        await client.apply(config_map(namespace, "a", x="2"), field_manager="two", force=False)
    assert [(cause.reason, cause.field) for cause in caught.value.causes] == [("FieldManagerConflict", ".data.x")]
    dry = await client.apply(config_map(namespace, "a", x="2"), field_manager="two", dry_run=True)
    assert dry["data"] == {"x": "2"}
    assert (await client.get(Target(CONFIG_MAP, namespace, "a")))["data"] == {"x": "1"}


async def test_what_is_invalid_is_told_in_the_servers_words(client: KubeClient, namespace: str) -> None:
    with pytest.raises(Invalid, match="Invalid value") as caught:
        await client.create(config_map(namespace, "Not_a_name"))
    assert caught.value.causes[0].field == "metadata.name"


async def test_a_list_selects_by_namespace_labels_and_fields(client: KubeClient, namespace: str) -> None:
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        await client.create(config_map(namespace, name, {"app": label}, big="data"))

    async def names(**selection: Any) -> list[str]:
        items = (await client.list(CONFIG_MAP, Selection(namespace, **selection))).items
        return [item["metadata"]["name"] for item in items if item["metadata"]["name"] in "abc"]

    assert await names() == ["a", "b", "c"]
    assert await names(label_selector="app=x") == ["a", "b"]
    assert await names(field_selector="metadata.name=c") == ["c"]
    (slim, *_) = (await client.list(CONFIG_MAP, Selection(namespace, "app=x", metadata_only=True))).items
    assert (slim["kind"], slim["metadata"]["name"], "data" in slim) == ("ConfigMap", "a", False)


async def taken(events: AsyncIterator[WatchEvent], count: int) -> list[tuple[str, str]]:
    seen = []
    async for event in events:
        seen.append((event.type, event.object.get("metadata", {}).get("name", "")))
        if len(seen) == count:
            break
    return seen


@pytest.mark.parametrize("metadata_only", [False, True])
async def test_a_watch_tells_what_happens_to_what_is_selected(
    client: KubeClient, namespace: str, metadata_only: bool
) -> None:
    await client.create(config_map(namespace, "a", {"app": "x"}))
    selection = Selection(namespace, "app=x", metadata_only=metadata_only)
    async with aclosing(watch(client, CONFIG_MAP, selection)) as events:
        assert await taken(events, 2) == [("ADDED", "a"), ("SYNCED", "")]
        await client.create(config_map(namespace, "b", {"app": "y"}))
        await client.patch(Target(CONFIG_MAP, namespace, "b"), {"metadata": {"labels": {"app": "x"}}})
        await client.patch(Target(CONFIG_MAP, namespace, "a"), {"data": {"k": "v"}})
        await client.patch(Target(CONFIG_MAP, namespace, "b"), {"metadata": {"labels": {"app": "z"}}})
        await client.delete(Target(CONFIG_MAP, namespace, "a"))
        assert await taken(events, 4) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b"), ("DELETED", "a")]
