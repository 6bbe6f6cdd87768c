"""Holding an object until we have cleaned up after it."""

from afflux.kube.client import KubeClient, PatchType, Target
from afflux.kube.errors import Conflict, NotFound
from afflux.objects.manifest import Manifest, metadata_of

_TRIES = 5


def has_finalizer(manifest: Manifest, finalizer: str) -> bool:
    """Whether the object is held by ``finalizer``."""
    return finalizer in (metadata_of(manifest).get("finalizers") or ())


async def add_finalizer(client: KubeClient, manifest: Manifest, finalizer: str, field_manager: str) -> Manifest | None:
    """The object, held; None if it is gone or being deleted meanwhile."""
    current: Manifest | None = manifest
    for _ in range(_TRIES):
        if current is None or metadata_of(current).get("deletionTimestamp"):
            return None
        if has_finalizer(current, finalizer):
            return current
        kept = metadata_of(current).get("finalizers") or []
        current = await _write(client, current, [*kept, finalizer], field_manager)
    return current


async def remove_finalizer(client: KubeClient, manifest: Manifest, finalizer: str, field_manager: str) -> None:
    """Let the object go. Nothing happens if it is gone already."""
    current: Manifest | None = manifest
    for _ in range(_TRIES):
        if current is None or not has_finalizer(current, finalizer):
            return
        kept = [name for name in metadata_of(current).get("finalizers") or () if name != finalizer]
        current = await _write(client, current, kept, field_manager)


async def _write(client: KubeClient, manifest: Manifest, finalizers: list[str], field_manager: str) -> Manifest | None:
    """The object as it is after writing its finalizers, or, where somebody was faster, as they left it."""
    target = Target.of(manifest)
    body = {
        "metadata": {
            "resourceVersion": metadata_of(manifest).get("resourceVersion"),
            "uid": metadata_of(manifest).get("uid"),
            "finalizers": finalizers,
        }
    }
    try:
        return await client.patch(target, body, patch_type=PatchType.MERGE, field_manager=field_manager)
    except NotFound:
        return None
    except Conflict:
        try:
            latest = await client.get(target)
        except NotFound:
            return None
        return latest if metadata_of(latest).get("uid") == metadata_of(manifest).get("uid") else None
