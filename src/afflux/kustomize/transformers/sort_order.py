"""The order of the output: as it was built (fifo), or by kind (legacy)."""

from collections.abc import Mapping
from typing import Final

from afflux.kustomize.errors import InvalidKustomization
from afflux.kustomize.kind_order import KIND_WEIGHTS, kind_weights
from afflux.kustomize.kustomization_file import SortOptions
from afflux.kustomize.resource import Resource
from afflux.kustomize.resource_map import ResourceMap

FIFO: Final = "fifo"
LEGACY: Final = "legacy"


def sort_resources(resources: ResourceMap, options: SortOptions) -> None:
    """Puts the resources in the order that the options ask for. Raises where the options contradict themselves."""
    if options.order not in (FIFO, LEGACY):
        raise InvalidKustomization(f"the field 'sortOptions.order' must be one of [{FIFO}, {LEGACY}]")
    if options.order == FIFO:
        if options.legacy_sort_options is not None:
            raise InvalidKustomization(
                "the field 'sortOptions.legacySortOptions' is set"
                f" but the selected sort order is '{FIFO}', not 'legacy'"
            )
        return
    legacy = options.legacy_sort_options
    weights = KIND_WEIGHTS if legacy is None else kind_weights(legacy.order_first, legacy.order_last)
    resources.check_unique()
    resources.keep(sorted(resources, key=lambda resource: _legacy_key(resource, weights)))


def _legacy_key(resource: Resource, weights: Mapping[str, int]) -> tuple[int, bytes, bytes]:
    current = resource.id
    group, version, kind = current.gvk
    by_kind = f"{group or '~G'}_{version or '~V'}_{kind or '~K'}"
    by_name = f"{current.gvk}|{current.namespace or '~X'}|{current.name or '~N'}"
    order = by_kind.encode()
    if kind == "Namespace" and not group:
        # Core namespaces come before what other groups call Namespace.
        order = b"\0"
    return weights.get(kind, 0), order, by_name.encode()
