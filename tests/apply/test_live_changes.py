"""Objects that are known not to have changed since they were read."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import pytest

from afflux.apply import live_changes
from afflux.apply.live_changes import LiveChanges, Look
from afflux.kube.client import KubeClient, Target
from afflux.kube.config import load_config
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Manifest
from cluster_option import Cluster
from recording_proxy import RecordingProxy
from waiting import eventually

LABEL = "kustomize.toolkit.fluxcd.io/name"
CONFIG_MAP = GroupVersionKind("", "v1", "ConfigMap")


@pytest.fixture
async def changes(kube_client: KubeClient) -> AsyncIterator[LiveChanges]:
    one = LiveChanges(kube_client, LABEL)
    yield one
    await one.close()


async def create(client: KubeClient, namespace: str, name: str) -> Target:
    metadata = {"name": name, "namespace": namespace, "labels": {LABEL: "apps"}}
    await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}})
    return Target(CONFIG_MAP, namespace, name)


async def looked(changes: LiveChanges, gvk: GroupVersionKind = CONFIG_MAP) -> Look:
    async def look() -> Look | None:
        return changes.look(gvk)

    return await eventually(look)


def known(changes: LiveChanges, target: Target, look: Look, version: str) -> Callable[[], Awaitable[bool]]:
    async def is_unchanged() -> bool:
        return changes.is_unchanged(target, look, version)

    return is_unchanged


def unknown(changes: LiveChanges, target: Target, look: Look, version: str) -> Callable[[], Awaitable[bool]]:
    async def may_have_changed() -> bool:
        return not changes.is_unchanged(target, look, version)

    return may_have_changed


def version_of(live: Manifest) -> str:
    return str(live["metadata"]["resourceVersion"])


async def test_nothing_is_known_before_the_watch_has_begun(
    kube_client: KubeClient, namespace: str, changes: LiveChanges
) -> None:
    target = await create(kube_client, namespace, "one")
    assert changes.look(CONFIG_MAP) is None
    assert not changes.is_unchanged(target, object(), "1")


@pytest.mark.parametrize("what", ["data", "label", "deleted"])
async def test_an_object_is_unchanged_until_somebody_touches_it(
    kube_client: KubeClient, namespace: str, changes: LiveChanges, what: str
) -> None:
    target, other = [await create(kube_client, namespace, name) for name in ("one", "other")]
    look = await looked(changes)
    version, others = [version_of(await kube_client.get(one)) for one in (target, other)]
    await eventually(known(changes, target, look, version))
    await eventually(known(changes, other, look, others))
    if what == "deleted":
        await kube_client.delete(target)
    elif what == "label":
        await kube_client.patch(target, {"metadata": {"labels": {LABEL: None}}})
    else:
        await kube_client.patch(target, {"data": {"a": "c"}})
    await eventually(unknown(changes, target, look, version))
    assert changes.is_unchanged(other, look, others)
    assert not changes.is_unchanged(other, look, version)


async def test_a_change_is_followed_to_the_next_look(
    kube_client: KubeClient, namespace: str, changes: LiveChanges
) -> None:
    target = await create(kube_client, namespace, "one")
    look = await looked(changes)
    changed = await kube_client.patch(target, {"data": {"a": "c"}})
    await eventually(known(changes, target, look, version_of(changed)))


async def test_a_kind_that_may_not_be_watched_is_not_known_until_it_may(
    kube_client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = f"user-{uuid4().hex[:8]}"
    changes = LiveChanges(kube_client.impersonating(user), LABEL)
    before = asyncio.all_tasks()
    assert changes.look(CONFIG_MAP) is None
    [refused] = asyncio.all_tasks() - before
    await asyncio.wait([refused], timeout=10)
    assert refused.done()
    assert changes.look(CONFIG_MAP) is None
    group = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch"]}]
    head = {"apiVersion": f"{group}/v1", "metadata": {"name": user}}
    await kube_client.create({**head, "kind": "ClusterRole", "rules": rules})
    role = {"apiGroup": group, "kind": "ClusterRole", "name": user}
    subjects = [{"apiGroup": group, "kind": "User", "name": user}]
    await kube_client.create({**head, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": subjects})
    monkeypatch.setattr(live_changes, "_UNTIL_TRIED_AGAIN", 0.0)
    await looked(changes)
    await changes.close()


async def test_after_a_gap_nothing_is_known_of_what_was_read_before(
    cluster: Cluster, kube_client: KubeClient, namespace: str, tmp_path: Path
) -> None:
    target = await create(kube_client, namespace, "one")
    version = version_of(await kube_client.get(target))
    async with RecordingProxy(cluster.kubeconfig, tmp_path) as proxy:
        client = KubeClient.connect(load_config(proxy.kubeconfig, None))
        changes = LiveChanges(client, LABEL)
        look = await looked(changes)
        assert changes.is_unchanged(target, look, version)

        async def is_cut() -> bool:
            return proxy.cut_watches() > 0

        await eventually(is_cut)
        await eventually(unknown(changes, target, look, version))
        later = await looked(changes)
        assert later is not look
        assert changes.is_unchanged(target, later, version)
        await changes.close()
        await client.close()
