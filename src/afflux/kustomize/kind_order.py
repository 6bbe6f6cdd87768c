"""The legacy order of kinds: what others need first, what may stand in others' way last."""

from collections.abc import Mapping, Sequence
from typing import Final

_FIRST: Final = """
    Namespace ResourceQuota StorageClass CustomResourceDefinition ServiceAccount PodSecurityPolicy Role ClusterRole
    RoleBinding ClusterRoleBinding ConfigMap Secret Endpoints Service LimitRange PriorityClass PersistentVolume
    PersistentVolumeClaim Deployment StatefulSet CronJob PodDisruptionBudget
"""
FIRST_KINDS: Final = tuple(_FIRST.split())
LAST_KINDS: Final = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


def kind_weights(first: Sequence[str], last: Sequence[str]) -> Mapping[str, int]:
    """A negative weight for the kinds that come first, a positive one for those that come last; others have 0."""
    weights = {kind: index - len(first) for index, kind in enumerate(first)}
    return weights | {kind: index + 1 for index, kind in enumerate(last)}


KIND_WEIGHTS: Final = kind_weights(FIRST_KINDS, LAST_KINDS)
"""The weights unless a kustomization gives others."""
