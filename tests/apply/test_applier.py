"""Applying to a cluster: stages, dry runs first, drift, ownership, pruning."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from afflux.apply.applier import Applier, ApplyOptions
from afflux.apply.changes import Action, ChangeSet
from afflux.apply.errors import ApplyError, DryRunFailed
from afflux.apply.fingerprint import Fingerprints
from afflux.apply.inventory import Inventory
from afflux.apply.ownership import Owner
from afflux.apply.plan import Desired
from afflux.apply.prune import prune
from afflux.kube.client import KubeClient, PatchType, Target
from afflux.kube.errors import NotFound
from afflux.objects.identity import ObjectRef, gvk_of, ref_of
from afflux.objects.manifest import Json, Manifest

OWNER = Owner("kustomize-controller", "kustomize.toolkit.fluxcd.io", "apps", "flux-system")
GROUP = "kustomize.toolkit.fluxcd.io"


async def ignored(_: Inventory) -> None:
    return None


def config(namespace: str, name: str = "one", *, annotations: dict[str, str] | None = None, **data: str) -> Manifest:
    metadata = {"name": name, "namespace": namespace, "labels": dict(OWNER.labels), "annotations": annotations or {}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data or {"a": "b"}}


def deployment(namespace: str, name: str = "web", *, app: str | None = None, **spec: Json) -> Manifest:
    template = {
        "metadata": {"labels": {"app": app or name}},
        "spec": {"containers": [{"name": "web", "image": "nginx:1"}]},
    }
    metadata = {"name": name, "namespace": namespace, "labels": dict(OWNER.labels)}
    selector = {"matchLabels": {"app": name}}
    whole = {"replicas": 1, "selector": selector, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": whole}


async def applied(client: KubeClient, *manifests: Manifest, force: bool = False) -> ChangeSet:
    desired = [Desired(manifest, " (from a.yaml, document 1, line 1)") for manifest in manifests]
    return await Applier(client, OWNER, ApplyOptions(force=force)).apply(desired, ignored)


def actions(changes: ChangeSet) -> list[str]:
    return [f"{change.ref.kind}/{change.ref.name} {change.action}" for change in changes]


async def test_objects_are_created_then_unchanged_then_configured(kube_client: KubeClient, namespace: str) -> None:
    assert actions(await applied(kube_client, config(namespace))) == ["ConfigMap/one created"]
    before = await kube_client.get(Target.of(config(namespace)))
    assert actions(await applied(kube_client, config(namespace))) == ["ConfigMap/one unchanged"]
    assert await kube_client.get(Target.of(config(namespace))) == before
    changes = await applied(kube_client, config(namespace, a="changed"))
    assert actions(changes) == ["ConfigMap/one configured"]
    assert next(iter(changes)).drift == ("/data/a",)


async def test_definitions_are_ready_before_what_needs_them_is_applied(kube_client: KubeClient) -> None:
    group = f"g{uuid4().hex[:8]}.example.com"
    namespace = f"fresh-{uuid4().hex[:8]}"
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    crd: Manifest = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gizmos.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Gizmo", "plural": "gizmos", "singular": "gizmo", "listKind": "GizmoList"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    gizmo: Manifest = {
        "apiVersion": f"{group}/v1",
        "kind": "Gizmo",
        "metadata": {"name": "one", "namespace": namespace},
        "spec": {"size": 1},
    }
    home: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    changes = await applied(kube_client, gizmo, config(namespace), home, crd)
    assert actions(changes) == [
        f"CustomResourceDefinition/gizmos.{group} created",
        f"Namespace/{namespace} created",
        "ConfigMap/one created",
        "Gizmo/one created",
    ]


async def test_one_refused_object_keeps_the_whole_stage_from_being_applied(
    kube_client: KubeClient, namespace: str
) -> None:
    with pytest.raises(DryRunFailed) as refused:
        await applied(kube_client, config(namespace), deployment(namespace, app="other"))
    message = str(refused.value)
    assert message.startswith(f'Deployment/{namespace}/web dry-run failed (Invalid): Deployment.apps "web" is invalid')
    assert message.endswith(" (from a.yaml, document 1, line 1)")
    with pytest.raises(NotFound):
        await kube_client.get(Target.of(config(namespace)))


async def test_earlier_stages_are_named_in_a_failure(kube_client: KubeClient) -> None:
    name = f"stage-{uuid4().hex[:8]}"
    home: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    with pytest.raises(ApplyError) as failed:
        await applied(kube_client, home, deployment(name, app="other"))
    assert str(failed.value).endswith(f"\nNamespace/{name} created")


async def test_what_is_written_is_announced_before(kube_client: KubeClient, namespace: str) -> None:
    announced: list[list[ObjectRef]] = []

    async def announce(created: Inventory) -> None:
        announced.append(list(created))
        with pytest.raises(NotFound):
            await kube_client.get(Target.of(config(namespace)))

    await Applier(kube_client, OWNER).apply([Desired(config(namespace))], announce)
    assert announced == [[ref_of(config(namespace))]]
    await Applier(kube_client, OWNER).apply([Desired(config(namespace))], announce)
    assert len(announced) == 1


async def test_a_namespace_that_is_missing_is_told_as_flux_tells_it(kube_client: KubeClient) -> None:
    homeless = config("")
    del homeless["metadata"]["namespace"]
    with pytest.raises(DryRunFailed, match="ConfigMap/one namespace not specified: "):
        await applied(kube_client, homeless)
    with pytest.raises(DryRunFailed, match='ConfigMap/nowhere/one not found: namespaces "nowhere" not found'):
        await applied(kube_client, config("nowhere"))


async def test_a_kind_that_is_not_served_is_named(kube_client: KubeClient, namespace: str) -> None:
    strange = {**config(namespace), "apiVersion": "example.com/v9", "kind": "Strange"}
    with pytest.raises(DryRunFailed, match=r'no matches for kind "Strange" in version "example\.com/v9"'):
        await applied(kube_client, strange)


async def test_fields_set_with_kubectl_are_taken_over_and_removed(kube_client: KubeClient, namespace: str) -> None:
    await applied(kube_client, config(namespace))
    target = Target.of(config(namespace))
    await kube_client.patch(
        target, {"data": {"by-hand": "x"}}, patch_type=PatchType.MERGE, field_manager="kubectl-edit"
    )
    await kube_client.patch(target, {"data": {"by-mesh": "y"}}, patch_type=PatchType.MERGE, field_manager="mesh")
    assert actions(await applied(kube_client, config(namespace))) == ["ConfigMap/one configured"]
    assert (await kube_client.get(target))["data"] == {"a": "b", "by-mesh": "y"}


async def test_an_object_that_is_to_be_merged_keeps_fields_of_kubectl(kube_client: KubeClient, namespace: str) -> None:
    merging = config(namespace, annotations={f"{GROUP}/ssa": "Merge"})
    await applied(kube_client, merging)
    target = Target.of(merging)
    await kube_client.patch(
        target, {"data": {"by-hand": "x"}}, patch_type=PatchType.MERGE, field_manager="kubectl-edit"
    )
    await applied(kube_client, merging)
    assert (await kube_client.get(target))["data"] == {"a": "b", "by-hand": "x"}


@pytest.mark.parametrize("value", ["IfNotPresent", "Ignore"])
async def test_objects_that_are_left_alone_are_skipped(kube_client: KubeClient, namespace: str, value: str) -> None:
    await applied(kube_client, config(namespace))
    changed = config(namespace, annotations={f"{GROUP}/ssa": value}, a="changed")
    changes = await applied(kube_client, changed)
    assert [change.action for change in changes] == [Action.SKIPPED]
    assert (await kube_client.get(Target.of(changed)))["data"] == {"a": "b"}


async def test_an_immutable_field_is_refused_or_with_force_recreated(kube_client: KubeClient, namespace: str) -> None:
    await applied(kube_client, deployment(namespace))
    changed = deployment(namespace)
    labels = {"app": "other"}
    changed["spec"] = {**changed["spec"], "selector": {"matchLabels": labels}}
    changed["spec"]["template"] = {**changed["spec"]["template"], "metadata": {"labels": labels}}
    with pytest.raises(DryRunFailed, match="field is immutable"):
        await applied(kube_client, changed)
    before = await kube_client.get(Target.of(changed))
    await applied(kube_client, changed, force=True)
    after = await kube_client.get(Target.of(changed))
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["spec"]["selector"] == {"matchLabels": labels}


async def test_what_is_known_to_be_clean_is_only_looked_at(kube_client: KubeClient, namespace: str) -> None:
    clean = Fingerprints()
    desired = [Desired(config(namespace))]
    for expected in (Action.CREATED, Action.UNCHANGED, Action.UNCHANGED):
        [change] = await Applier(kube_client, OWNER, None, clean).apply(desired, ignored)
        assert change.action is expected
    live = await kube_client.get(Target.of(config(namespace)))
    assert clean.is_clean(ref_of(live), config(namespace), live)
    await kube_client.patch(Target.of(config(namespace)), {"data": {"a": "drift"}}, field_manager="kubectl-edit")
    [change] = await Applier(kube_client, OWNER, None, clean).apply(desired, ignored)
    assert change.action is Action.CONFIGURED


@contextmanager
def verbs_of(client: KubeClient) -> Iterator[list[str]]:
    """What is asked of the server during the block."""
    verbs: list[str] = []
    client.transport.observer = lambda request, _: verbs.append(request.verb)
    try:
        yield verbs
    finally:
        client.transport.observer = None


async def test_a_new_object_is_not_read_before_it_is_created(kube_client: KubeClient, namespace: str) -> None:
    await kube_client.mapper.resource_for(gvk_of(config(namespace)))
    with verbs_of(kube_client) as verbs:
        assert actions(await applied(kube_client, config(namespace))) == ["ConfigMap/one created"]
    assert verbs == ["dry-run", "apply"]


async def test_an_object_that_nobody_touched_since_our_write_is_not_read(
    kube_client: KubeClient, namespace: str
) -> None:
    fingerprints = Fingerprints()

    async def run(manifest: Manifest) -> ChangeSet:
        return await Applier(kube_client, OWNER, None, fingerprints).apply([Desired(manifest)], ignored)

    await run(config(namespace))
    with verbs_of(kube_client) as verbs:
        assert actions(await run(config(namespace))) == ["ConfigMap/one unchanged"]
        assert actions(await run(config(namespace, a="changed"))) == ["ConfigMap/one configured"]
    assert verbs == ["dry-run", "dry-run", "apply"]
    await kube_client.patch(Target.of(config(namespace)), {"data": {"a": "by hand"}}, field_manager="kubectl-edit")
    with verbs_of(kube_client) as verbs:
        changes = await run(config(namespace, a="changed"))
    assert verbs == ["dry-run", "get", "patch", "apply"]
    assert next(iter(changes)).drift == ("/data/a",)


async def test_an_object_that_asks_to_be_left_alone_is_left_alone_even_where_a_dry_run_is_refused(
    kube_client: KubeClient, namespace: str
) -> None:
    keep = {f"{GROUP}/reconcile": "disabled"}
    await kube_client.create(deployment(namespace))
    await kube_client.patch(Target.of(deployment(namespace)), {"metadata": {"annotations": keep}})
    changed = deployment(namespace, selector={"matchLabels": {"app": "other"}}, app="other")
    assert actions(await applied(kube_client, changed)) == ["Deployment/web skipped"]


async def test_only_what_the_owner_still_owns_is_pruned(kube_client: KubeClient, namespace: str) -> None:
    kept = config(namespace, "kept", annotations={f"{GROUP}/prune": "disabled"})
    foreign = config(namespace, "foreign")
    foreign["metadata"]["labels"] = {}
    changes = await applied(kube_client, config(namespace), kept, foreign, deployment(namespace))
    gone = Inventory.of([(ObjectRef("", "ConfigMap", namespace, "never-was"), "v1")])
    deleted = await prune(kube_client, OWNER, changes.inventory().union(gone))
    assert actions(deleted) == [
        "Deployment/web deleted",
        "ConfigMap/one deleted",
        "ConfigMap/never-was deleted",
        "ConfigMap/kept skipped",
        "ConfigMap/foreign skipped",
    ]
    for name in ("kept", "foreign"):
        assert await kube_client.get(Target.of(config(namespace, name)))


async def test_many_objects_are_applied_in_order(kube_client: KubeClient, namespace: str) -> None:
    manifests = [config(namespace, f"c{number:03}") for number in range(50)]
    async with asyncio.timeout(30):
        changes = await applied(kube_client, *reversed(manifests))
    assert [change.ref.name for change in changes] == [f"c{number:03}" for number in range(50)]
