"""Built-in validation that clients notice, with the server's own words (embedded-api 2.7).

Here belongs what is wrong with an object of a built-in kind on its own, or compared with its previous version. Metadata
is checked by ``metadata``, types and unknown fields by ``typed``, custom resources by ``structural``.
"""

from collections.abc import Callable, Iterator

from afflux.controlplane.errors import FieldError
from afflux.controlplane.served_kind import ServedKind
from afflux.controlplane.validation import access, configuration, pods, services, workloads
from afflux.controlplane.validation.custom_resource_definitions import validate_crd
from afflux.objects.manifest import Json, Manifest

Check = Callable[[Manifest, Manifest | None], Iterator[FieldError]]

_RBAC = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"

CHECKS: dict[tuple[str, str], Check] = {
    ("", "ConfigMap"): configuration.validate_config_map,
    ("", "Secret"): configuration.validate_secret,
    ("", "Pod"): pods.validate_pod,
    ("", "PodTemplate"): pods.validate_pod_template,
    ("", "Service"): services.validate_service,
    ("", "ReplicationController"): workloads.validate_replication_controller,
    ("", "PersistentVolumeClaim"): configuration.validate_claim,
    ("", "PersistentVolume"): configuration.validate_volume,
    ("apps", "Deployment"): workloads.validate_deployment,
    ("apps", "ReplicaSet"): workloads.validate_replica_set,
    ("apps", "StatefulSet"): workloads.validate_stateful_set,
    ("apps", "DaemonSet"): workloads.validate_daemon_set,
    ("batch", "Job"): workloads.validate_job,
    ("batch", "CronJob"): workloads.validate_cron_job,
    ("networking.k8s.io", "Ingress"): services.validate_ingress,
    ("networking.k8s.io", "NetworkPolicy"): services.validate_network_policy,
    ("autoscaling", "HorizontalPodAutoscaler"): configuration.validate_autoscaler,
    ("policy", "PodDisruptionBudget"): configuration.validate_disruption_budget,
    ("scheduling.k8s.io", "PriorityClass"): configuration.validate_priority_class,
    ("storage.k8s.io", "StorageClass"): configuration.validate_storage_class,
    ("coordination.k8s.io", "Lease"): configuration.validate_lease,
    ("discovery.k8s.io", "EndpointSlice"): configuration.validate_endpoint_slice,
    ("events.k8s.io", "Event"): configuration.validate_event,
    (_ADMISSION, "ValidatingWebhookConfiguration"): configuration.validate_webhooks,
    (_ADMISSION, "MutatingWebhookConfiguration"): configuration.validate_webhooks,
    (_RBAC, "Role"): access.validate_role,
    (_RBAC, "ClusterRole"): access.validate_cluster_role,
    (_RBAC, "RoleBinding"): access.validate_role_binding,
    (_RBAC, "ClusterRoleBinding"): access.validate_cluster_role_binding,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): validate_crd,
}


def validate(kind: ServedKind, new: Manifest, old: Manifest | None) -> list[FieldError]:
    """What is wrong with an object in its defaulted form, in the server's order; ``old`` is None for a create.

    An update that changes nothing outside metadata and status was valid before and is not looked at again.
    """
    check = CHECKS.get((kind.gvk.group, kind.gvk.kind))
    if check is None or (old is not None and _same_content(new, old)):
        return []
    return list(check(new, old))


def _same_content(new: Manifest, old: Manifest) -> bool:
    names = (new.keys() | old.keys()) - {"metadata", "status", "apiVersion", "kind"}
    return all(new.get(name) == old.get(name) for name in names) and _stored_versions(new) == _stored_versions(old)


def _stored_versions(manifest: Manifest) -> Json:
    """The one part of a status that is validated against its spec: a definition's."""
    status = manifest.get("status")
    return status.get("storedVersions") if isinstance(status, dict) else None
