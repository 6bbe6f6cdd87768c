"""What new volumes, claims and nodes get."""

from __future__ import annotations

from afflux.controlplane.pipeline import WriteContext
from afflux.controlplane.served_kind import StorageKey
from afflux.objects.manifest import Manifest

_STORAGE_CLASSES = StorageKey("storage.k8s.io", "storageclasses")
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def create_claim(context: WriteContext, new: Manifest) -> Manifest:
    """The protection finalizer, and the default storage class where one is marked and none is asked for."""
    new = _protected(new, "kubernetes.io/pvc-protection")
    spec = new.get("spec") or {}
    if spec.get("storageClassName") is not None:
        return new
    name = _default_class(context)
    return {**new, "spec": {**spec, "storageClassName": name}} if name else new


def update_claim(context: WriteContext, new: Manifest, old: Manifest) -> Manifest:
    """A PUT that leaves out what binding chose keeps it."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    chosen = ("volumeName", "storageClassName", "volumeMode")
    kept = {name: before[name] for name in chosen if name in before and name not in spec}
    return {**new, "spec": {**spec, **kept}} if kept else new


def create_volume(context: WriteContext, new: Manifest) -> Manifest:
    """The protection finalizer."""
    return _protected(new, "kubernetes.io/pv-protection")


def create_node(context: WriteContext, new: Manifest) -> Manifest:
    """A new node is tainted until it says that it is ready."""
    spec = new.get("spec") or {}
    taints = spec.get("taints") or []
    if any(taint.get("key") == _NOT_READY["key"] for taint in taints):
        return new
    return {**new, "spec": {**spec, "taints": [*taints, dict(_NOT_READY)]}}


def _protected(new: Manifest, finalizer: str) -> Manifest:
    metadata = new["metadata"]
    finalizers = metadata.get("finalizers") or []
    if finalizer in finalizers:
        return new
    return {**new, "metadata": {**metadata, "finalizers": [*finalizers, finalizer]}}


def _default_class(context: WriteContext) -> str:
    marked = [
        stored.name
        for stored in context.store.list(_STORAGE_CLASSES)
        if (stored.manifest["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
    ]
    return marked[0] if marked else ""
