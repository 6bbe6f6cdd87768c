"""The built-in kinds as they are served."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from afflux.controlplane.served_kind import ServedKind, StorageKey
from afflux.objects.identity import GroupVersionKind
from afflux.schema.openapi import Schema, builtin_schemas
from afflux.schema.resources import Resource, builtin_resources

_STORED_ELSEWHERE: Final = {
    GroupVersionKind("events.k8s.io", "v1", "Event"): (StorageKey("", "events"), GroupVersionKind("", "v1", "Event")),
    GroupVersionKind("autoscaling", "v1", "HorizontalPodAutoscaler"): (
        StorageKey("autoscaling", "horizontalpodautoscalers"),
        GroupVersionKind("autoscaling", "v2", "HorizontalPodAutoscaler"),
    ),
}
"""Kinds that are another view on what is stored as something else."""

_WITHOUT_GENERATION: Final = frozenset(
    {("", kind) for kind in ("ConfigMap", "Secret", "ServiceAccount", "Service", "Namespace", "Node", "LimitRange")}
    | {("", kind) for kind in ("PersistentVolume", "PersistentVolumeClaim", "ResourceQuota", "Endpoints", "Event")}
    | {("events.k8s.io", "Event"), ("coordination.k8s.io", "Lease"), ("storage.k8s.io", "VolumeAttributesClass")}
    | {("networking.k8s.io", "IPAddress"), ("networking.k8s.io", "ServiceCIDR")}
    | {("resource.k8s.io", "ResourceClaim"), ("resource.k8s.io", "ResourceClaimTemplate")}
    | {("rbac.authorization.k8s.io", kind) for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")}
    | {("storage.k8s.io", kind) for kind in ("StorageClass", "CSINode", "VolumeAttachment", "CSIStorageCapacity")}
    | {("apiregistration.k8s.io", "APIService"), ("certificates.k8s.io", "CertificateSigningRequest")}
    | {("apps", "ControllerRevision"), ("node.k8s.io", "RuntimeClass"), ("autoscaling", "HorizontalPodAutoscaler")}
)


def builtin_served_kinds(minor: str) -> Iterator[ServedKind]:
    """Every kind and version that a server of this Kubernetes minor serves."""
    for resource in builtin_resources(minor):
        yield _served(resource, minor)


def _served(resource: Resource, minor: str) -> ServedKind:
    gvk = resource.gvk
    storage, storage_gvk = _STORED_ELSEWHERE.get(gvk, (StorageKey(resource.group, resource.plural), gvk))
    return ServedKind(
        gvk=gvk,
        plural=resource.plural,
        singular=resource.singular,
        list_kind=f"{resource.kind}List",
        namespaced=resource.namespaced,
        verbs=frozenset(resource.verbs),
        short_names=resource.short_names,
        categories=resource.categories,
        paths=resource.subresources,
        storage=storage,
        storage_gvk=storage_gvk,
        has_generation=(resource.group, resource.kind) not in _WITHOUT_GENERATION,
        zero=resource.zero,
        load_schema=partial(_schema, gvk, minor),
    )


def _schema(gvk: GroupVersionKind, minor: str) -> Schema | None:
    return builtin_schemas(minor).for_kind(gvk)
