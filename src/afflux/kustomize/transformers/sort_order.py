"""The order of the output: as it was built (fifo), or by kind (legacy)."""

from typing import Final

from afflux.kustomize.errors import InvalidKustomization
from afflux.kustomize.kustomization_file import LegacySortOptions, SortOptions
from afflux.kustomize.resource import Resource
from afflux.kustomize.resource_map import ResourceMap

FIFO: Final = "fifo"
LEGACY: Final = "legacy"
_KINDS: Final = """
    Namespace ResourceQuota StorageClass CustomResourceDefinition ServiceAccount PodSecurityPolicy Role ClusterRole
    RoleBinding ClusterRoleBinding ConfigMap Secret Endpoints Service LimitRange PriorityClass PersistentVolume
    PersistentVolumeClaim Deployment StatefulSet CronJob PodDisruptionBudget
"""
FIRST: Final = tuple(_KINDS.split())
LAST: Final = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
"""What legacy order puts first and last unless told otherwise: what others need, and what may stand in others' way."""


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
    weights = _weights(legacy or LegacySortOptions(order_first=list(FIRST), order_last=list(LAST)))
    resources.check_unique()
    resources.keep(sorted(resources, key=lambda resource: _legacy_key(resource, weights)))


def _weights(options: LegacySortOptions) -> dict[str, int]:
    first = {kind: index - len(options.order_first) for index, kind in enumerate(options.order_first)}
    return first | {kind: index + 1 for index, kind in enumerate(options.order_last)}


def _legacy_key(resource: Resource, weights: dict[str, int]) -> tuple[int, bytes, bytes]:
    current = resource.id
    group, version, kind = current.gvk
    by_kind = f"{group or '~G'}_{version or '~V'}_{kind or '~K'}"
    by_name = f"{current.gvk}|{current.namespace or '~X'}|{current.name or '~N'}"
    order = by_kind.encode()
    if kind == "Namespace" and not group:
        # Core namespaces come before what other groups call Namespace.
        order = b"\0"
    return weights.get(kind, 0), order, by_name.encode()
