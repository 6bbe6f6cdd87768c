"""Bells: rung by events, once, when a wait is decided."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from afflux.apply.health import Watched
from afflux.apply.health_tracker import HealthTracker
from afflux.kube.client import KubeClient, Target
from afflux.kube.errors import Forbidden
from afflux.manifests.readiness import Readiness, readiness
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Manifest
from waiting import eventually

LABEL = "kustomize.toolkit.fluxcd.io/name"
CONFIG_MAP = GroupVersionKind("", "v1", "ConfigMap")


def by_phase(manifest: Manifest) -> Readiness:
    """Ready when the test says so."""
    phase = (manifest.get("data") or {}).get("phase")
    return Readiness("Current", "") if phase == "up" else Readiness("Failed" if phase == "down" else "InProgress", "")


@pytest.fixture
async def tracker() -> AsyncIterator[HealthTracker]:
    one = HealthTracker(LABEL)
    yield one
    await one.close()


async def create(client: KubeClient, namespace: str, name: str, phase: str = "", label: str = "apps") -> Watched:
    metadata = {"name": name, "namespace": namespace, "labels": {LABEL: label} if label else {}}
    manifest: Manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"phase": phase}}
    created = await client.create(manifest)
    return Watched(Target(CONFIG_MAP, namespace, name), owned=bool(label), uid=created["metadata"]["uid"])


async def change(client: KubeClient, watched: Watched, phase: str) -> None:
    await client.patch(watched.target, {"data": {"phase": phase}})


async def test_the_bell_rings_when_the_last_object_is_ready(
    kube_client: KubeClient, namespace: str, tracker: HealthTracker
) -> None:
    one, two = [await create(kube_client, namespace, name) for name in ("one", "two")]
    rung = asyncio.Event()
    tracker.expect("apps", kube_client, [one, two], by_phase, rung.set)
    await change(kube_client, one, "up")

    async def seen() -> bool:
        return (tracker.statuses("apps") or {})[one].status == "Current"

    await eventually(seen)
    assert not rung.is_set()
    await change(kube_client, two, "up")
    await asyncio.wait_for(rung.wait(), 10)


async def test_the_bell_rings_at_the_first_failure(
    kube_client: KubeClient, namespace: str, tracker: HealthTracker
) -> None:
    one, two = [await create(kube_client, namespace, name) for name in ("one", "two")]
    rung = asyncio.Event()
    tracker.expect("apps", kube_client, [one, two], by_phase, rung.set)
    await change(kube_client, two, "down")
    await asyncio.wait_for(rung.wait(), 10)


async def test_what_is_ready_before_anybody_watches_rings_too(
    kube_client: KubeClient, namespace: str, tracker: HealthTracker
) -> None:
    rungs = [asyncio.Event(), asyncio.Event()]
    for number, rung in enumerate(rungs):
        watched = await create(kube_client, namespace, f"c{number}", "up")
        tracker.expect(f"waiter-{number}", kube_client, [watched], by_phase, rung.set)
        await asyncio.wait_for(rung.wait(), 10)


async def test_an_object_without_our_label_is_watched_by_name(
    kube_client: KubeClient, namespace: str, tracker: HealthTracker
) -> None:
    absent = Watched(Target(CONFIG_MAP, namespace, "foreign"), owned=False)
    rung = asyncio.Event()
    tracker.expect("apps", kube_client, [absent], readiness, rung.set)

    async def missing() -> bool:
        return (tracker.statuses("apps") or {})[absent].status == "NotFound"

    await eventually(missing)
    await create(kube_client, namespace, "foreign", label="")
    await asyncio.wait_for(rung.wait(), 10)


async def test_a_forgotten_wait_ends_its_watches(
    kube_client: KubeClient, namespace: str, tracker: HealthTracker
) -> None:
    watched = await create(kube_client, namespace, "one")
    before = asyncio.all_tasks()
    tracker.expect("apps", kube_client, [watched], by_phase, lambda: None)
    [follower] = asyncio.all_tasks() - before
    tracker.forget("apps")
    await asyncio.wait([follower], timeout=10)
    assert follower.cancelled()
    assert tracker.statuses("apps") is None


async def test_an_identity_that_may_not_watch_polls(
    kube_client: KubeClient, namespace: str, tracker: HealthTracker
) -> None:
    group = "rbac.authorization.k8s.io"
    metadata = {"name": "reader", "namespace": namespace}
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
    await kube_client.create({"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules})
    binding = {
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "reader"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "tenant"}],
    }
    await kube_client.create({"apiVersion": f"{group}/v1", "kind": "RoleBinding", "metadata": metadata, **binding})
    watched = await create(kube_client, namespace, "one")
    rung = asyncio.Event()
    tenant = kube_client.impersonating("tenant")
    with pytest.raises(Forbidden):
        await tenant.list(CONFIG_MAP)
    tracker.expect("apps", tenant, [watched], by_phase, rung.set)

    async def seen() -> bool:
        return (tracker.statuses("apps") or {})[watched].status == "InProgress"

    await eventually(seen)
    await change(kube_client, watched, "up")
    await asyncio.wait_for(rung.wait(), 10)
