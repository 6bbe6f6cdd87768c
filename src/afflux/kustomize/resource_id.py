"""What identifies a resource in a build: group, version, kind, name and namespace, then and now.

The scope of a kind comes from the table that kustomize carries (Kubernetes 1.21's kinds): what isn't in it counts
as namespaced.
"""

from contextvars import ContextVar
from typing import Final, NamedTuple

NOT_NAMESPACED: Final = "_non_namespaceable_"
"""Stands for the namespace of a cluster-scoped resource."""
DEFAULT_NAMESPACE: Final = "default"


def _kinds(api_version: str, kinds: str) -> set[tuple[str, str]]:
    return {(api_version, kind) for kind in kinds.split()}


CLUSTER_SCOPED: Final = frozenset().union(
    *(
        _kinds(f"{group}/{version}", kinds)
        for group, kinds in (
            ("admissionregistration.k8s.io", "MutatingWebhookConfiguration ValidatingWebhookConfiguration"),
            ("apiextensions.k8s.io", "CustomResourceDefinition"),
            ("apiregistration.k8s.io", "APIService"),
            ("certificates.k8s.io", "CertificateSigningRequest"),
            ("networking.k8s.io", "IngressClass"),
            ("node.k8s.io", "RuntimeClass"),
            ("rbac.authorization.k8s.io", "ClusterRole ClusterRoleBinding"),
            ("scheduling.k8s.io", "PriorityClass"),
            ("storage.k8s.io", "CSIDriver CSINode StorageClass VolumeAttachment"),
        )
        for version in ("v1", "v1beta1")
    ),
    _kinds("flowcontrol.apiserver.k8s.io/v1beta1", "FlowSchema PriorityLevelConfiguration"),
    _kinds("policy/v1beta1", "PodSecurityPolicy"),
    _kinds("v1", "ComponentStatus Namespace Node NodeProxyOptions PersistentVolume"),
)
"""``(apiVersion, kind)`` of every kind that kustomize knows to be cluster-scoped."""

NAMESPACED: Final = frozenset().union(
    _kinds("apps/v1", "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet"),
    _kinds("autoscaling/v1", "HorizontalPodAutoscaler Scale"),
    _kinds("autoscaling/v2beta1", "HorizontalPodAutoscaler"),
    _kinds("autoscaling/v2beta2", "HorizontalPodAutoscaler"),
    _kinds("batch/v1", "CronJob Job"),
    _kinds("batch/v1beta1", "CronJob"),
    _kinds("coordination.k8s.io/v1", "Lease"),
    _kinds("coordination.k8s.io/v1beta1", "Lease"),
    _kinds("discovery.k8s.io/v1", "EndpointSlice"),
    _kinds("discovery.k8s.io/v1beta1", "EndpointSlice"),
    _kinds("events.k8s.io/v1", "Event"),
    _kinds("events.k8s.io/v1beta1", "Event"),
    _kinds("extensions/v1beta1", "Ingress"),
    _kinds("networking.k8s.io/v1", "Ingress NetworkPolicy"),
    _kinds("networking.k8s.io/v1beta1", "Ingress"),
    _kinds("policy/v1", "PodDisruptionBudget"),
    _kinds("policy/v1beta1", "PodDisruptionBudget"),
    _kinds("rbac.authorization.k8s.io/v1", "Role RoleBinding"),
    _kinds("rbac.authorization.k8s.io/v1beta1", "Role RoleBinding"),
    _kinds("storage.k8s.io/v1beta1", "CSIStorageCapacity"),
    _kinds(
        "v1",
        "ConfigMap Endpoints Event LimitRange PersistentVolumeClaim Pod PodAttachOptions PodExecOptions "
        "PodPortForwardOptions PodProxyOptions PodTemplate ReplicationController ResourceQuota Secret Service "
        "ServiceAccount ServiceProxyOptions",
    ),
)
"""``(apiVersion, kind)`` of every kind that kustomize knows to be namespaced, without reading a schema."""

ALSO_CLUSTER_SCOPED: Final[ContextVar[frozenset[tuple[str, str]]]] = ContextVar(
    "ALSO_CLUSTER_SCOPED", default=frozenset()
)
"""What the OpenAPI document of the kustomization that is being built says to be cluster-scoped."""


class Gvk(NamedTuple):
    """A kind at a version, or a selector of kinds where empty parts match everything."""

    group: str = ""
    version: str = ""
    kind: str = ""

    @property
    def api_version(self) -> str:
        """``group/version``, or the version alone."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def is_cluster_scoped(self) -> bool:
        """Whether kustomize knows the kind as cluster-scoped."""
        key = (self.api_version, self.kind)
        return key in CLUSTER_SCOPED or (key in ALSO_CLUSTER_SCOPED.get() and key not in NAMESPACED)

    @property
    def is_known(self) -> bool:
        """Whether kustomize knows the kind's scope without reading a schema."""
        key = (self.api_version, self.kind)
        return key in NAMESPACED or key in CLUSTER_SCOPED

    def is_selected(self, selector: "Gvk") -> bool:
        """Whether the selector's non-empty parts are this kind's."""
        return (
            (not selector.group or selector.group == self.group)
            and (not selector.version or selector.version == self.version)
            and (not selector.kind or selector.kind == self.kind)
        )

    def __str__(self) -> str:
        return f"{self.kind or '[noKind]'}.{self.version or '[noVer]'}.{self.group or '[noGrp]'}"


class ResourceId(NamedTuple):
    """``namespace`` is what the resource says (empty if it says nothing); compare by ``key``."""

    gvk: Gvk
    name: str
    namespace: str = ""

    @property
    def effective_namespace(self) -> str:
        """The namespace that counts: cluster-scoped kinds and the default namespace have names of their own."""
        if self.gvk.is_cluster_scoped:
            return NOT_NAMESPACED
        return self.namespace or DEFAULT_NAMESPACE

    @property
    def key(self) -> "IdKey":
        """What two ids must share to be the same resource's."""
        return IdKey(self.gvk, self.name, self.effective_namespace)

    def __str__(self) -> str:
        return f"{self.gvk}/{self.name or '[noName]'}.{self.namespace or '[noNs]'}"


class IdKey(NamedTuple):
    """An id with its effective namespace, for look-ups."""

    gvk: Gvk
    name: str
    namespace: str


def split_api_version(api_version: str) -> tuple[str, str]:
    """``(group, version)``: everything before the first slash is the group."""
    group, slash, version = api_version.partition("/")
    return (group, version) if slash else ("", api_version)
