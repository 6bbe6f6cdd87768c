"""Deleting objects: preconditions, propagation, finalizers, grace."""

from __future__ import annotations

import calendar
import time
from dataclasses import dataclass
from typing import Final

from afflux.controlplane.access import Propagation
from afflux.controlplane.admission import admit_deletion
from afflux.controlplane.errors import FieldError, conflict, invalid_option
from afflux.controlplane.metadata import arranged
from afflux.controlplane.pipeline import Author, Written
from afflux.controlplane.served_kind import ServedKind, StorageKey
from afflux.controlplane.stored import StoredObject
from afflux.controlplane.writer import Writer
from afflux.objects.manifest import Json, Manifest

_PODS: Final = StorageKey("", "pods")
_PLAINLY_MARKED: Final = frozenset({"Namespace", "CustomResourceDefinition"})
"""Kinds whose deletion sets the timestamp and nothing else."""

_POLICIES: Final = ("Background", "Foreground", "Orphan")
_HOLDING: Final[dict[str, str]] = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}
_JOB_WARNING: Final = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How to delete. An empty ``propagation`` means the kind's default."""

    propagation: Propagation | None = None
    grace_seconds: int | None = None
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


def options_from(body: Manifest) -> DeleteOptions:
    """Read a DeleteOptions body (or the same names gathered from the query)."""
    preconditions = body.get("preconditions") or {}
    return DeleteOptions(
        propagation=_propagation(body),
        grace_seconds=body.get("gracePeriodSeconds"),
        uid=preconditions.get("uid") or "",
        resource_version=preconditions.get("resourceVersion") or "",
        dry_run=bool(body.get("dryRun")),
    )


def _propagation(body: Manifest) -> Propagation | None:
    policy = body.get("propagationPolicy")
    if policy is None:
        orphan = body.get("orphanDependents")
        return None if orphan is None else ("Orphan" if orphan else "Background")
    if policy not in _POLICIES:
        listed = ", ".join(f'"{each}"' for each in (*_POLICIES, "nil"))
        words = f'Unsupported value: "{policy}": supported values: {listed}'
        raise invalid_option("DeleteOptions", [FieldError("FieldValueNotSupported", words, "propagationPolicy")])
    result: Propagation = policy
    return result


def delete(writer: Writer, kind: ServedKind, live: StoredObject, options: DeleteOptions, author: Author) -> Written:
    """Delete an object, or mark it where finalizers or a grace period hold it."""
    _check(kind, live, options)
    storage_kind = writer.registry.storage_kind(kind.storage) or kind
    admitted = admit_deletion(writer.context(storage_kind, "delete", author), live.manifest)
    finalizers = _finalizers(kind, admitted, options, author)
    grace = _grace(live, options)
    held = bool(finalizers or _namespace_finalizers(admitted))
    dry_run = author.dry_run or options.dry_run
    if not held and grace == 0:
        if not dry_run:
            writer.store.remove(live)
        # Only what can have a grace period is shown as it was at the end.
        last = _marked(kind, admitted, finalizers, 0, writer.now()) if live.storage == _PODS else live.manifest
        return Written(last, None, removed=True)
    marked = _marked(kind, admitted, finalizers, grace, writer.now())
    if marked == live.manifest:
        return Written(live.manifest, live)
    if dry_run:
        return Written(marked, None)
    stored = writer.store.put(kind.storage, marked, sort_keys=kind.is_custom)
    return Written(stored.manifest, stored)


def _check(kind: ServedKind, live: StoredObject, options: DeleteOptions) -> None:
    about = kind.kind_named(live.name)
    if options.uid and options.uid != live.uid:
        raise conflict(
            about,
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({live.uid}). "
            "The object might have been deleted and then recreated",
        )
    if options.resource_version and options.resource_version != str(live.version):
        raise conflict(
            about,
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match the ResourceVersion "
            f"in record ({live.version}). The object might have been modified",
        )


def _finalizers(kind: ServedKind, manifest: Manifest, options: DeleteOptions, author: Author) -> list[Json]:
    policy = options.propagation
    present = list(manifest["metadata"].get("finalizers") or ())
    if policy is None:
        if any(each in present for each in _HOLDING.values()):
            return present
        policy = "Background"
        if kind.gvk.group == "batch" and kind.gvk.kind == "Job":
            policy = "Orphan"
            author.warnings.append(_JOB_WARNING)
    wanted = _HOLDING.get(policy)
    kept = [each for each in present if each == wanted or each not in _HOLDING.values()]
    return kept if wanted is None or wanted in kept else [*kept, wanted]


def _namespace_finalizers(manifest: Manifest) -> bool:
    is_namespace = manifest["kind"] == "Namespace" and manifest["apiVersion"] == "v1"
    return is_namespace and bool(manifest["spec"].get("finalizers"))


def _grace(live: StoredObject, options: DeleteOptions) -> int:
    """Seconds until a Pod may be removed; only what runs on a node has any."""
    if live.storage != _PODS:
        return 0
    spec = live.manifest["spec"]
    if not spec.get("nodeName") or (live.manifest.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    if options.grace_seconds is not None:
        return max(options.grace_seconds, 0)
    wanted: int = spec.get("terminationGracePeriodSeconds", 30)
    return wanted


def _marked(kind: ServedKind, manifest: Manifest, finalizers: list[Json], grace: int, now: str) -> Manifest:
    metadata = {**manifest["metadata"], "finalizers": finalizers}
    first = "deletionTimestamp" not in metadata
    if first or grace < metadata.get("deletionGracePeriodSeconds", 0):
        metadata["deletionTimestamp"] = _later(now, grace) if first else metadata["deletionTimestamp"]
        if manifest["kind"] not in _PLAINLY_MARKED:
            metadata["deletionGracePeriodSeconds"] = grace
    if first and kind.has_generation and manifest["kind"] not in _PLAINLY_MARKED:
        metadata["generation"] = metadata.get("generation", 0) + 1
    return arranged(manifest, metadata)


def _later(now: str, seconds: int) -> str:
    if not seconds:
        return now
    moment = calendar.timegm(time.strptime(now, "%Y-%m-%dT%H:%M:%SZ")) + seconds
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
