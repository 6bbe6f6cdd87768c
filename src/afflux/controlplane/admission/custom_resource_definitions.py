"""What a CRD's status and finalizers get from writes; names are accepted by ``crds``."""

from __future__ import annotations

from afflux.controlplane.errors import ApiStatusError
from afflux.controlplane.pipeline import WriteContext
from afflux.controlplane.served_kind import StorageKey
from afflux.objects.manifest import Json, Manifest

_CRDS = StorageKey("apiextensions.k8s.io", "customresourcedefinitions")
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


def require_living_definition(context: WriteContext) -> None:
    """Nothing new is created while its definition is being deleted (405)."""
    name = f"{context.kind.plural}.{context.kind.gvk.group}"
    stored = context.store.get(_CRDS, "", name)
    if stored is not None and stored.manifest["metadata"].get("deletionTimestamp"):
        message = "create not allowed while custom resource definition is terminating"
        raise ApiStatusError(405, "MethodNotAllowed", message, context.kind.named())


def create(context: WriteContext, new: Manifest) -> Manifest:
    """No conditions yet, and the storage version noted."""
    names = {"plural": "", "kind": ""}
    status = {"conditions": None, "acceptedNames": names, "storedVersions": _storage_versions(new) or None}
    return {**new, "status": status}


def update(context: WriteContext, new: Manifest, old: Manifest) -> Manifest:
    """A version once used for storage stays noted until somebody migrates and removes it."""
    status = new.get("status") or {}
    noted = list(status.get("storedVersions") or ())
    missing = [version for version in _storage_versions(new) if version not in noted]
    return {**new, "status": {**status, "storedVersions": noted + missing}} if missing else new


def delete(context: WriteContext, old: Manifest) -> Manifest:
    """The definition stays until its objects are gone."""
    metadata = old["metadata"]
    finalizers = metadata.get("finalizers") or []
    if CLEANUP not in finalizers:
        old = {**old, "metadata": {**metadata, "finalizers": [*finalizers, CLEANUP]}}
    return _terminating(old, context.now)


def _terminating(crd: Manifest, now: str) -> Manifest:
    status = crd.get("status") or {}
    conditions = [entry for entry in status.get("conditions") or () if entry.get("type") != "Terminating"]
    condition = {
        "type": "Terminating",
        "status": "True",
        "lastTransitionTime": now,
        "reason": "InstanceDeletionPending",
        "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
    }
    return {**crd, "status": {**status, "conditions": [*conditions, condition]}}


def _storage_versions(crd: Manifest) -> list[Json]:
    versions = (crd.get("spec") or {}).get("versions") or ()
    return [version.get("name") for version in versions if version.get("storage")]
