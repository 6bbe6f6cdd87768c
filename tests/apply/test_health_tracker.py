"""Bells: rung by events, once, when a wait is decided."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

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
    metadata = created["metadata"]
    target = Target(CONFIG_MAP, namespace, name)
    return Watched(target, owned=bool(label), uid=metadata["uid"], version=metadata["resourceVersion"])


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


async def test_what_we_own_is_watched_from_our_own_write_on_and_never_listed(
    kube_client: KubeClient, namespace: str, tracker: HealthTracker
) -> None:
    watched = await create(kube_client, namespace, "one")
    verbs: list[str] = []
    kube_client.transport.observer = lambda request, _: verbs.append(request.verb)
    for phase in ("up", "down", "up"):
        rung = asyncio.Event()
        tracker.expect("apps", kube_client, {watched: Readiness("InProgress", "")}, by_phase, rung.set)
        await change(kube_client, watched, phase)
        await asyncio.wait_for(rung.wait(), 10)
        tracker.forget("apps")
    kube_client.transport.observer = None
    assert [verb for verb in verbs if verb != "patch"] == ["watch"]


async def test_a_state_from_before_the_watch_began_is_looked_up(
    kube_client: KubeClient, namespace: str, tracker: HealthTracker
) -> None:
    early = await create(kube_client, namespace, "early")
    await change(kube_client, early, "up")
    late = await create(kube_client, namespace, "late")
    tracker.expect("late", kube_client, [late], by_phase, lambda: None)
    rung = asyncio.Event()
    tracker.expect("early", kube_client, {early: Readiness("InProgress", "")}, by_phase, rung.set)
    await asyncio.wait_for(rung.wait(), 10)


async def test_what_was_deleted_before_somebody_waits_is_absent(
    kube_client: KubeClient, namespace: str, tracker: HealthTracker
) -> None:
    other, doomed = [await create(kube_client, namespace, name) for name in ("other", "doomed")]
    tracker.expect("other", kube_client, [other], by_phase, lambda: None)
    await kube_client.delete(doomed.target)
    await change(kube_client, other, "")
    marker = await create(kube_client, namespace, "marker", "up")
    rung = asyncio.Event()
    tracker.expect("marker", kube_client, [marker], by_phase, rung.set)
    await change(kube_client, marker, "down")
    await asyncio.wait_for(rung.wait(), 10)
    tracker.expect("doomed", kube_client, [doomed], by_phase, lambda: None)
    assert (tracker.statuses("doomed") or {})[doomed].status == "NotFound"


async def test_a_gap_in_a_watch_that_began_late_is_filled_by_a_list(
    kube_client: KubeClient, namespace: str, tracker: HealthTracker
) -> None:
    watched = await create(kube_client, namespace, "one", "up")
    outdated = replace(watched, version="1")
    rung = asyncio.Event()
    tracker.expect("apps", kube_client, {outdated: Readiness("InProgress", "")}, by_phase, rung.set)
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
    tracker.expect("apps", kube_client, {watched: Readiness("InProgress", "")}, by_phase, lambda: None)
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
