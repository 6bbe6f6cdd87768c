"""Built-in defaulting, by kind: what a real server fills in and stores (embedded-api 2.6).

Here belongs what follows from the object alone. What is allocated or known only at creation (addresses, uids, first
status, the service account's volume) belongs to ``admission``; custom resources take their defaults from their schema
(``structural``).
"""

from afflux.controlplane.defaults import configuration, network, pod, workloads
from afflux.controlplane.defaults.rules import Fields, Rule
from afflux.controlplane.served_kind import ServedKind
from afflux.manifests.quantity import canonical_quantities
from afflux.objects.manifest import Manifest

_ADMISSION = "admissionregistration.k8s.io"
_RBAC = "rbac.authorization.k8s.io"

RULES: dict[tuple[str, str], Rule] = {
    ("", "Pod"): pod.POD,
    ("", "PodTemplate"): Fields(inside={"template": pod.TEMPLATE}),
    ("", "ReplicationController"): workloads.REPLICATION_CONTROLLER,
    ("", "Service"): network.SERVICE,
    ("", "Endpoints"): network.ENDPOINTS,
    ("", "Secret"): configuration.SECRET,
    ("", "Namespace"): configuration.NAMESPACE,
    ("", "PersistentVolumeClaim"): configuration.PERSISTENT_VOLUME_CLAIM,
    ("", "PersistentVolume"): configuration.PERSISTENT_VOLUME,
    ("", "Event"): configuration.EVENT,
    ("", "LimitRange"): configuration.LIMIT_RANGE,
    ("apps", "Deployment"): workloads.DEPLOYMENT,
    ("apps", "StatefulSet"): workloads.STATEFUL_SET,
    ("apps", "DaemonSet"): workloads.DAEMON_SET,
    ("apps", "ReplicaSet"): workloads.REPLICA_SET,
    ("batch", "Job"): workloads.JOB,
    ("batch", "CronJob"): workloads.CRON_JOB,
    ("discovery.k8s.io", "EndpointSlice"): network.ENDPOINT_SLICE,
    ("networking.k8s.io", "NetworkPolicy"): network.NETWORK_POLICY,
    ("networking.k8s.io", "IngressClass"): network.INGRESS_CLASS,
    ("autoscaling", "HorizontalPodAutoscaler"): configuration.HORIZONTAL_POD_AUTOSCALER,
    (_RBAC, "RoleBinding"): configuration.BINDING,
    (_RBAC, "ClusterRoleBinding"): configuration.BINDING,
    ("storage.k8s.io", "StorageClass"): configuration.STORAGE_CLASS,
    ("scheduling.k8s.io", "PriorityClass"): configuration.PRIORITY_CLASS,
    (_ADMISSION, "ValidatingWebhookConfiguration"): configuration.VALIDATING_WEBHOOKS,
    (_ADMISSION, "MutatingWebhookConfiguration"): configuration.MUTATING_WEBHOOKS,
    (_ADMISSION, "ValidatingAdmissionPolicy"): configuration.ADMISSION_POLICY,
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): configuration.ADMISSION_POLICY_BINDING,
    ("apiregistration.k8s.io", "APIService"): configuration.API_SERVICE,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): configuration.CUSTOM_RESOURCE_DEFINITION,
}


def apply_defaults(kind: ServedKind, manifest: Manifest, live: Manifest | None = None) -> Manifest:
    """The object with the defaults of its kind, and quantities in canonical form.

    The input is left alone, and returned as it is if it lacks nothing. Parts that are those of ``live`` themselves,
    the object before, lack nothing.
    """
    gvk = kind.gvk
    if kind.schema is not None:
        manifest = canonical_quantities(manifest, kind.schema, live)
    if live is not None and _is_written_as_before(manifest, live):
        return manifest
    if gvk.kind == "HorizontalPodAutoscaler" and gvk.version == "v1":
        return configuration.HORIZONTAL_POD_AUTOSCALER_V1(manifest)
    rule = RULES.get((gvk.group, gvk.kind))
    return rule(manifest) if rule else manifest


def _is_written_as_before(manifest: Manifest, live: Manifest) -> bool:
    """Whether only metadata that no default depends on, and status, were written: what is wanted is the same."""
    if manifest.keys() - {"status"} != live.keys() - {"status"}:
        return False
    return all(
        value is live[key] or key in ("status", "metadata", "kind", "apiVersion") for key, value in manifest.items()
    ) and manifest["metadata"].get("labels") == live["metadata"].get("labels")
