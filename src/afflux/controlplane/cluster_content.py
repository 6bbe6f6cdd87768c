"""What every cluster has from the start, and every namespace."""

from collections.abc import Iterator

from afflux.objects.manifest import Json, Manifest

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_RBAC = "rbac.authorization.k8s.io"
_READ = ["get", "list", "watch"]
_WRITE = [*_READ, "create", "update", "patch", "delete", "deletecollection"]
_GROUPS = ["", "apps", "batch", "autoscaling", "networking.k8s.io", "policy", "discovery.k8s.io", "coordination.k8s.io"]
_EVERYTHING: list[Json] = [
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
]
_ROLES: dict[str, list[Json]] = {
    "cluster-admin": _EVERYTHING,
    "admin": [
        {"apiGroups": _GROUPS, "resources": ["*"], "verbs": _WRITE},
        {"apiGroups": [_RBAC], "resources": ["roles", "rolebindings"], "verbs": _WRITE},
    ],
    "edit": [{"apiGroups": _GROUPS, "resources": ["*"], "verbs": _WRITE}],
    "view": [{"apiGroups": _GROUPS, "resources": ["*"], "verbs": _READ}],
}


def system_content() -> Iterator[Manifest]:
    """The API's own Service, and the roles that users bind to."""
    labels = {"component": "apiserver", "provider": "kubernetes"}
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
        "spec": {
            "clusterIP": "10.96.0.1",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
        },
    }
    bootstrap = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    for name, rules in _ROLES.items():
        yield {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name, "labels": bootstrap},
            "rules": rules,
        }
    yield {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "cluster-admin", "labels": bootstrap},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": _RBAC, "kind": "Group", "name": "system:masters"}],
    }


def default_content(namespace: str, root_ca: str) -> Iterator[Manifest]:
    """The service account that Pods run as, and the certificate that they trust."""
    yield {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": namespace},
    }
    description = (
        "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
        "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of "
        "Kubernetes clusters."
    )
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "kube-root-ca.crt",
            "namespace": namespace,
            "annotations": {"kubernetes.io/description": description},
        },
        "data": {"ca.crt": root_ca},
    }
