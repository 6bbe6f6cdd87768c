"""The namespace life cycle, as seen from writes."""

from __future__ import annotations

from afflux.controlplane.errors import Named, forbidden, not_found
from afflux.controlplane.pipeline import WriteContext
from afflux.controlplane.served_kind import StorageKey
from afflux.objects.manifest import Manifest

NAMESPACES = StorageKey("", "namespaces")
PROTECTED = frozenset({"default", "kube-system", "kube-public"})


def require_active(context: WriteContext, new: Manifest) -> None:
    """Nothing is created in a namespace that is absent (404) or being terminated (403)."""
    if not context.kind.namespaced:
        return
    name = new["metadata"].get("namespace", "")
    stored = context.store.get(NAMESPACES, "", name)
    if stored is None:
        raise not_found(Named("", "namespaces", name))
    if not stored.manifest["metadata"].get("deletionTimestamp"):
        return
    why = f"unable to create new content in namespace {name} because it is being terminated"
    message = f"namespace {name} is being terminated"
    cause = {"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}
    raise forbidden(context.kind.named(new["metadata"].get("name", "")), why, causes=[cause])


def create(context: WriteContext, new: Manifest) -> Manifest:
    """A new namespace is held by ``spec.finalizers`` until it is empty."""
    return {**new, "spec": {"finalizers": ["kubernetes"]}}


def update(context: WriteContext, new: Manifest, old: Manifest) -> Manifest:
    """Only ``/finalize`` changes ``spec.finalizers``."""
    if context.subresource == "finalize" or new.get("spec") == old.get("spec"):
        return new
    return {**new, "spec": old.get("spec") or {}}


def delete(context: WriteContext, old: Manifest) -> Manifest:
    """The phase changes with the mark; the namespaces that a cluster stands on stay."""
    name = old["metadata"]["name"]
    if name in PROTECTED:
        raise forbidden(context.kind.named(name), "this namespace may not be deleted")
    return {**old, "status": {**(old.get("status") or {}), "phase": "Terminating"}}
