"""What must be in a cluster before controllers run: our CRDs, created if absent and never narrowed."""

import asyncio
from collections.abc import Iterable, Sequence

from afflux.api.crds import crd
from afflux.api.kinds import FluxKind
from afflux.kube.client import KubeClient, PatchType, Target
from afflux.kube.errors import AlreadyExists, Conflict, NotFound
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Json, Manifest

FIELD_MANAGER = "afflux"
CRD = GroupVersionKind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
_ESTABLISHED_WITHIN = 60.0


class InstallFailed(Exception):
    """A CRD did not become usable; the message says which and why."""


async def install_crds(client: KubeClient, kinds: Sequence[FluxKind]) -> None:
    """Creates the CRDs of ``kinds`` that are absent, adds versions that a present one lacks, and waits for them.

    A CRD of Flux that is already there stays as it is but for versions that are missing: nothing is narrowed.
    """
    await asyncio.gather(*(_install(client, crd(kind)) for kind in kinds))


async def _install(client: KubeClient, wanted: Manifest) -> None:
    target = Target.of(wanted)
    try:
        present = await client.get(target)
    except NotFound:
        try:
            await client.create(wanted, field_manager=FIELD_MANAGER)
        except AlreadyExists:
            await _install(client, wanted)
    else:
        try:
            await _widen(client, target, present, wanted)
        except Conflict:  # the server's own controller wrote its status, or another Afflux starts, too
            await _install(client, wanted)
    await _established(client, target)


async def _widen(client: KubeClient, target: Target, present: Manifest, wanted: Manifest) -> None:
    """Adds the versions that ``present`` lacks; where the CRD is our own, its schemas move with us."""
    versions = present["spec"]["versions"]
    ours = any(entry.get("manager") == FIELD_MANAGER for entry in present["metadata"].get("managedFields", []))
    merged = merged_versions(versions, wanted["spec"]["versions"], replace=ours)
    if merged != versions:
        body = {
            "metadata": {"resourceVersion": present["metadata"]["resourceVersion"]},
            "spec": {"versions": merged},
        }
        await client.patch(target, body, patch_type=PatchType.MERGE, field_manager=FIELD_MANAGER)


def merged_versions(present: list[Json], wanted: list[Json], *, replace: bool) -> list[Json]:
    """The versions of a CRD: all that are served stay served, in their order; wanted ones that are absent follow.

    ``replace`` takes the wanted definition of a version that both have. The storage version stays the present one.
    """
    by_name = {version["name"]: version for version in wanted}
    storage = next((version["name"] for version in present if version.get("storage")), None)
    kept = [by_name.get(version["name"], version) if replace else version for version in present]
    added = [version for name, version in by_name.items() if name not in {version["name"] for version in present}]
    return [{**version, "storage": version["name"] == storage} for version in [*kept, *added]]


async def _established(client: KubeClient, target: Target) -> None:
    deadline = asyncio.get_running_loop().time() + _ESTABLISHED_WITHIN
    pause = 0.01
    while True:
        conditions = conditions_of(await client.get(target))
        if any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions):
            return
        if asyncio.get_running_loop().time() > deadline:
            said = "; ".join(_negative(conditions)) or "it has no status"
            raise InstallFailed(f"CustomResourceDefinition {target.name} is not established: {said}")
        await asyncio.sleep(pause)
        pause = min(1.0, pause * 2)


def conditions_of(manifest: Manifest) -> list[Json]:
    """The conditions in status; a new CRD on a real server has ``conditions: null`` for a moment."""
    return (manifest.get("status") or {}).get("conditions") or []


def _negative(conditions: Iterable[Json]) -> list[str]:
    return [
        f"{condition['type']}: {condition.get('message', '')}"
        for condition in conditions
        if condition["status"] != "True"
    ]
