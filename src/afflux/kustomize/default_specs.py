"""kustomize's own field specifications: which fields of the built-in kinds its transformers touch.

A table of facts. Kinds are written ``Kind``, ``Kind group`` or ``Kind version group`` (``-`` where one is empty);
a ``+`` before a path means that the field is created where it is absent.
"""

from typing import Final

from afflux.kustomize.field_specs import FieldSpec
from afflux.kustomize.resource_id import Gvk

POD_TEMPLATES: Final = {
    "Deployment": "spec/template",
    "ReplicaSet": "spec/template",
    "DaemonSet": "spec/template",
    "StatefulSet": "spec/template",
    "Job": "spec/template",
    "CronJob": "spec/jobTemplate/spec/template",
}
"""Where the workload kinds have their pod template."""


def kind_of(text: str) -> Gvk:
    """A kind as this table writes it."""
    parts = [part if part != "-" else "" for part in text.split()]
    match parts:
        case []:
            return Gvk()
        case [kind]:
            return Gvk(kind=kind)
        case [kind, group]:
            return Gvk(group=group, kind=kind)
    kind, version, group = parts
    return Gvk(group, version, kind)


def specs(table: dict[str, str]) -> tuple[FieldSpec, ...]:
    """Specifications from kinds to paths, several paths separated by spaces."""
    return tuple(
        FieldSpec(kind_of(kind), path.removeprefix("+"), path.startswith("+"))
        for kind, paths in table.items()
        for path in paths.split()
    )


_AFFINITY: Final = " ".join(
    f"spec/template/spec/affinity/{which}/{when}"
    for which in ("podAffinity", "podAntiAffinity")
    for when in (
        "preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels",
        "requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels",
    )
)
_SPREAD: Final = "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels"

TEMPLATE_LABELS: Final = specs(
    {
        "": "+metadata/labels",
        "ReplicationController v1 -": "+spec/template/metadata/labels",
        "Deployment": "+spec/template/metadata/labels",
        "ReplicaSet": "+spec/template/metadata/labels",
        "DaemonSet": "+spec/template/metadata/labels",
        "StatefulSet apps": "+spec/template/metadata/labels +spec/volumeClaimTemplates[]/metadata/labels",
        "Job batch": "+spec/template/metadata/labels",
        "CronJob batch": "+spec/jobTemplate/metadata/labels +spec/jobTemplate/spec/template/metadata/labels",
    }
)

COMMON_LABELS: Final = (
    *specs(
        {
            "Service v1 -": "+spec/selector",
            "ReplicationController v1 -": "+spec/selector",
            "Deployment": "+spec/selector/matchLabels",
            "Deployment apps": f"{_AFFINITY} {_SPREAD}",
            "ReplicaSet": "+spec/selector/matchLabels",
            "DaemonSet": "+spec/selector/matchLabels",
            "StatefulSet apps": f"+spec/selector/matchLabels {_AFFINITY} {_SPREAD}",
            "Job batch": "spec/selector/matchLabels",
            "CronJob batch": "spec/jobTemplate/spec/selector/matchLabels",
            "PodDisruptionBudget policy": "spec/selector/matchLabels",
            "NetworkPolicy networking.k8s.io": (
                "spec/podSelector/matchLabels spec/ingress/from/podSelector/matchLabels"
                " spec/egress/to/podSelector/matchLabels"
            ),
        }
    ),
    *TEMPLATE_LABELS,
)

COMMON_ANNOTATIONS: Final = specs(
    {
        "": "+metadata/annotations",
        "ReplicationController v1 -": "+spec/template/metadata/annotations",
        "Deployment": "+spec/template/metadata/annotations",
        "ReplicaSet": "+spec/template/metadata/annotations",
        "DaemonSet": "+spec/template/metadata/annotations",
        "StatefulSet": "+spec/template/metadata/annotations",
        "Job batch": "+spec/template/metadata/annotations",
        "CronJob batch": "+spec/jobTemplate/metadata/annotations +spec/jobTemplate/spec/template/metadata/annotations",
    }
)

NAMES: Final = specs({"": "metadata/name"})

NAMESPACES: Final = specs(
    {
        "Namespace": "+metadata/name",
        "APIService apiregistration.k8s.io": "+spec/service/namespace",
        "CustomResourceDefinition apiextensions.k8s.io": "spec/conversion/webhook/clientConfig/service/namespace",
    }
)

IMAGES: Final = specs(
    {
        "": (
            "+spec/containers[]/image +spec/initContainers[]/image +spec/volumes[]/image/reference"
            " +spec/template/spec/containers[]/image +spec/template/spec/initContainers[]/image"
            " +spec/template/spec/volumes[]/image/reference"
        )
    }
)

REPLICAS: Final = specs(
    dict.fromkeys(("Deployment", "ReplicationController", "ReplicaSet", "StatefulSet"), "+spec/replicas")
)


def _in_pods(fields: str) -> dict[str, str]:
    """Paths below a pod's ``spec``, for every workload kind."""
    return {
        kind: " ".join(f"{template}/spec/{path}" for path in fields.split()) for kind, template in POD_TEMPLATES.items()
    }


_VARIABLE_FIELDS: Final = "args command env/value volumeMounts/mountPath"
_VARIABLES_IN_POD: Final = " ".join(
    f"{containers}/{path}" for containers in ("containers", "initContainers") for path in _VARIABLE_FIELDS.split()
)


def _variables() -> dict[str, str]:
    found = _in_pods(_VARIABLES_IN_POD)
    for kind in found:
        found[kind] += {
            "CronJob": " spec/jobTemplate/spec/template/volumes/nfs/server",
            "StatefulSet": " spec/volumeClaimTemplates/spec/nfs/server",
            "Deployment": " spec/template/spec/volumes/nfs/server spec/template/metadata/annotations",
        }.get(kind, " spec/template/spec/volumes/nfs/server")
    found["Pod"] = " ".join(f"spec/{path}" for path in [*_VARIABLES_IN_POD.split(), "volumes/nfs/server"])
    found["Ingress"] = "spec/rules/host spec/tls/hosts spec/tls/secretName"
    found["Service"] = "spec/ports/port spec/ports/targetPort"
    found["PersistentVolume"] = "spec/nfs/server"
    found[""] = "metadata/labels metadata/annotations"
    return found


VARIABLES: Final = specs(_variables())


def _pod_references(fields: str) -> dict[str, str]:
    """Paths below a pod's ``spec`` for pods, pod templates and every workload kind."""
    return {
        "Pod v1 -": " ".join(f"spec/{path}" for path in fields.split()),
        "PodTemplate": " ".join(f"template/spec/{path}" for path in fields.split()),
        **_in_pods(fields),
    }


_CONFIG_MAPS: Final = (
    "volumes/configMap/name containers/env/valueFrom/configMapKeyRef/name"
    " initContainers/env/valueFrom/configMapKeyRef/name containers/envFrom/configMapRef/name"
    " initContainers/envFrom/configMapRef/name volumes/projected/sources/configMap/name"
)
_SECRETS: Final = (
    "volumes/secret/secretName containers/env/valueFrom/secretKeyRef/name"
    " initContainers/env/valueFrom/secretKeyRef/name containers/envFrom/secretRef/name"
    " initContainers/envFrom/secretRef/name imagePullSecrets/name volumes/projected/sources/secret/name"
)
_INGRESS_ANNOTATION: Final = "metadata/annotations/"


def _in_long_running(field: str) -> dict[str, str]:
    """A path below a pod's ``spec``, for pods and the kinds that make them, but for replica sets."""
    kinds = {kind: template for kind, template in POD_TEMPLATES.items() if kind != "ReplicaSet"}
    kinds["ReplicationController"] = "spec/template"
    return {"Pod": f"spec/{field}", **{kind: f"{template}/spec/{field}" for kind, template in kinds.items()}}


_SCALED: Final = {"HorizontalPodAutoscaler": "spec/scaleTargetRef/name"}
_RBAC: Final = "rbac.authorization.k8s.io"
_ADMISSION: Final = "admissionregistration.k8s.io"

NAME_REFERENCES: Final[tuple[tuple[Gvk, tuple[FieldSpec, ...]], ...]] = tuple(
    (kind_of(target), specs(referrers))
    for target, referrers in (
        ("Deployment", _SCALED),
        ("ReplicationController", _SCALED),
        ("ReplicaSet", _SCALED),
        ("StatefulSet", _SCALED),
        (
            "ConfigMap v1 -",
            {
                **_pod_references(_CONFIG_MAPS),
                "Node": "spec/configSource/configMap",
                "Role": "rules/resourceNames",
                "ClusterRole": "rules/resourceNames",
                "Ingress": _INGRESS_ANNOTATION + r"nginx.ingress.kubernetes.io\/fastcgi-params-configmap",
            },
        ),
        (
            "Secret v1 -",
            {
                **_pod_references(_SECRETS),
                "Ingress": "spec/tls/secretName "
                + " ".join(
                    _INGRESS_ANNOTATION + name
                    for name in (
                        r"ingress.kubernetes.io\/auth-secret",
                        r"nginx.ingress.kubernetes.io\/auth-secret",
                        r"nginx.ingress.kubernetes.io\/auth-tls-secret",
                    )
                ),
                "ServiceAccount": "imagePullSecrets/name",
                "StorageClass": (
                    "parameters/secretName parameters/adminSecretName parameters/userSecretName parameters/secretRef"
                ),
                "Role": "rules/resourceNames",
                "ClusterRole": "rules/resourceNames",
                "Service v1 serving.knative.dev": "spec/template/spec/containers/env/valueFrom/secretKeyRef/name",
                "PersistentVolume": "spec/azureFile/secretName",
            },
        ),
        (
            "Service v1 -",
            {
                "StatefulSet apps": "spec/serviceName",
                "Ingress": (
                    "spec/rules/http/paths/backend/serviceName spec/backend/serviceName"
                    " spec/rules/http/paths/backend/service/name spec/defaultBackend/service/name"
                ),
                "APIService apiregistration.k8s.io": "spec/service/name",
                f"ValidatingWebhookConfiguration {_ADMISSION}": "webhooks/clientConfig/service",
                f"MutatingWebhookConfiguration {_ADMISSION}": "webhooks/clientConfig/service",
            },
        ),
        (f"Role {_RBAC}", {f"RoleBinding {_RBAC}": "roleRef/name"}),
        (
            f"ClusterRole {_RBAC}",
            {f"RoleBinding {_RBAC}": "roleRef/name", f"ClusterRoleBinding {_RBAC}": "roleRef/name"},
        ),
        (
            "ServiceAccount v1 -",
            {
                f"RoleBinding {_RBAC}": "subjects",
                f"ClusterRoleBinding {_RBAC}": "subjects",
                **_in_long_running("serviceAccountName"),
            },
        ),
        ("PersistentVolumeClaim v1 -", _in_long_running("volumes/persistentVolumeClaim/claimName")),
        (
            "PersistentVolume v1 -",
            {"PersistentVolumeClaim": "spec/volumeName", "ClusterRole": "rules/resourceNames"},
        ),
        (
            "StorageClass v1 storage.k8s.io",
            {
                "PersistentVolume": "spec/storageClassName",
                "PersistentVolumeClaim": "spec/storageClassName",
                "StatefulSet": "spec/volumeClaimTemplates/spec/storageClassName",
            },
        ),
        ("PriorityClass v1 scheduling.k8s.io", _in_long_running("priorityClassName")),
        ("IngressClass v1 networking.k8s.io/v1", {"Ingress": "spec/ingressClassName"}),
        (
            f"ValidatingAdmissionPolicy {_ADMISSION}",
            {f"ValidatingAdmissionPolicyBinding {_ADMISSION}": "spec/policyName"},
        ),
    )
)
"""Which fields name resources of a kind: the kind referred to, and the fields of the kinds that refer to it."""
