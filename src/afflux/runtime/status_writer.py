"""Writing status: a merge patch of what changed, that never overwrites what somebody else wrote meanwhile."""

from dataclasses import dataclass

from afflux.kube.client import KubeClient, PatchType, Target
from afflux.kube.errors import Conflict, NotFound
from afflux.objects.manifest import Json, Manifest, metadata_of
from afflux.objects.merge_patch import apply_merge_patch
from afflux.runtime.conditions import merge_foreign
from afflux.runtime.informer import is_newer

_TRIES = 5


def merge_patch_between(before: Manifest, after: Manifest) -> Manifest:
    """The JSON merge patch that makes ``after`` of ``before``; empty where they are equal."""
    patch: Manifest = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name)
        if old == value and name in before:
            continue
        if isinstance(old, dict) and isinstance(value, dict):
            patch[name] = merge_patch_between(old, value)
        else:
            patch[name] = value
    return patch


def status_of(manifest: Manifest) -> Manifest:
    """An object's status; an empty dict where it has none."""
    status = manifest.get("status")
    return status if isinstance(status, dict) else {}


@dataclass(frozen=True, slots=True)
class StatusWriter:
    """Writes the status of one controller's objects under its own field manager."""

    client: KubeClient
    field_manager: str
    owned: frozenset[str]

    async def write(self, manifest: Manifest, status: Manifest) -> Manifest | None:
        """The object with ``status`` (settled from the one in ``manifest``) written; the same where nothing changed.

        None if it is gone, or replaced by another one of the same name. Raises ``ApiError``; ``Conflict`` also for an
        object that the server has set back (restored from a backup), of which ``status`` doesn't speak.
        """
        patch = merge_patch_between(status_of(manifest), status)
        latest = manifest
        for _ in range(_TRIES):
            if not patch:
                return latest
            try:
                return await self._patch(latest, patch)
            except Conflict:
                found = await self._read_again(latest)
                if found is not None and _is_older(found, latest):
                    raise
            except NotFound:
                return None
            if found is None:
                return None
            latest, patch = found, self._rebased(patch, found)
        return await self._patch(latest, patch)

    async def _patch(self, manifest: Manifest, patch: Manifest) -> Manifest:
        version = metadata_of(manifest).get("resourceVersion")
        body = {"metadata": {"resourceVersion": version}, "status": patch}
        return await self.client.patch(
            Target.of(manifest),
            body,
            patch_type=PatchType.MERGE,
            subresource="status",
            field_manager=self.field_manager,
        )

    async def _read_again(self, manifest: Manifest) -> Manifest | None:
        try:
            latest = await self.client.get(Target.of(manifest))
        except NotFound:
            return None
        return latest if metadata_of(latest).get("uid") == metadata_of(manifest).get("uid") else None

    def _rebased(self, patch: Manifest, latest: Manifest) -> Manifest:
        """The same change on what the server has now: everybody else's conditions stay as they are there."""
        current = status_of(latest)
        wanted: Json = apply_merge_patch(current, patch)
        if "conditions" in patch:
            theirs = current.get("conditions") or []
            wanted = {**wanted, "conditions": merge_foreign(patch["conditions"] or [], theirs, self.owned)}
        return merge_patch_between(current, wanted)


def _is_older(found: Manifest, known: Manifest) -> bool:
    """Whether the server has an earlier state of an object than it had told of."""
    before, now = (int(metadata_of(one).get("generation") or 0) for one in (known, found))
    same = metadata_of(known).get("resourceVersion") == metadata_of(found).get("resourceVersion")
    return now < before or not (same or is_newer(known, found))
