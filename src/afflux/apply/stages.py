"""In which order objects are applied, and what has to work before the next ones are.

Both tables are Flux's (`pkg/ssa`, ReconcileOrder and ApplyAllStaged). Deletion uses the exact reverse order.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

from afflux.objects.identity import ObjectRef

FIRST_KINDS = (
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ClusterRoleBinding",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
)
LAST_KINDS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")

_RANK = {kind: position - len(FIRST_KINDS) for position, kind in enumerate(FIRST_KINDS)} | {
    kind: position + 1 for position, kind in enumerate(LAST_KINDS)
}

_DEFINITIONS = frozenset(
    {
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("", "Namespace"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
    }
)

GroupKind = tuple[str, str]
"""API group and kind; the core group is the empty string."""

Item = TypeVar("Item")


class Stage(NamedTuple):
    """A set of objects that is applied as a whole; ``waits``: the next stage starts when all of it is ready."""

    name: str
    waits: bool
    holds: Callable[[ObjectRef, frozenset[GroupKind]], bool]


STAGES = (
    Stage("definitions", True, lambda ref, custom: (ref.group, ref.kind) in _DEFINITIONS),
    Stage("classes", True, lambda ref, custom: ref.kind.endswith("Class")),
    Stage("custom", False, lambda ref, custom: (ref.group, ref.kind) in custom),
    Stage("everything else", False, lambda ref, custom: True),
)


def apply_order(ref: ObjectRef) -> tuple[int, str, str, str, str]:
    """Sort key of an object within a stage."""
    return (_RANK.get(ref.kind, 0), ref.group, ref.kind, ref.namespace, ref.name)


def in_stages(
    items: Iterable[Item], ref_of: Callable[[Item], ObjectRef], custom: frozenset[GroupKind] = frozenset()
) -> list[tuple[Stage, list[Item]]]:
    """The items by stage, each stage in the order of apply; stages without items are left out."""
    held: dict[str, list[Item]] = {stage.name: [] for stage in STAGES}
    for item in items:
        ref = ref_of(item)
        held[next(stage.name for stage in STAGES if stage.holds(ref, custom))].append(item)
    return [
        (stage, sorted(held[stage.name], key=lambda item: apply_order(ref_of(item))))
        for stage in STAGES
        if held[stage.name]
    ]
