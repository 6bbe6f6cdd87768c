"""Which kind to name when the plane's own controllers act on a stored object."""

from afflux.controlplane.kind_registry import KindRegistry
from afflux.controlplane.stored import StoredObject
from afflux.objects.identity import GroupVersionKind, gvk_of


def served_gvk(registry: KindRegistry, stored: StoredObject) -> GroupVersionKind:
    """The object's own version where it is served, else one that is: definitions may stop serving old versions."""
    gvk = gvk_of(stored.manifest)
    if registry.for_gvk(gvk) is not None:
        return gvk
    kind = registry.storage_kind(stored.storage)
    return kind.gvk if kind is not None else gvk
