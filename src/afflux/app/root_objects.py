"""The objects that `up` makes: the root of the sync, and Deployments that stand for our controllers.

Pure: builds manifests, applies nothing.
"""

from dataclasses import dataclass

from afflux import __version__
from afflux.objects.manifest import Json, Manifest

NAMESPACE = "flux-system"
ROOT_NAME = "flux-system"
_KEEP = {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}
"""A repository's own gotk-sync.yaml does not redirect the root (docs/decisions/0004)."""


@dataclass(frozen=True, repr=False)
class Root:
    """What the root follows: a repository and the path in it. Without a ``password`` there is no Secret."""

    url: str
    branch: str
    path: str
    username: str | None = None
    password: str | None = None
    interval: str = "1m"


def namespace() -> Manifest:
    """The namespace of the controllers and the root."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": _part_of_flux()}}


def root_objects(root: Root) -> list[Manifest]:
    """Secret (where there is a password), GitRepository and Kustomization ``flux-system``, in order of creation."""
    objects = [] if root.password is None else [_secret(root.username or "git", root.password)]
    return [*objects, _git_repository(root), _kustomization(root)]


def stand_in(controller: str) -> Manifest:
    """A Deployment named like Flux's own, whose Pod shows our log of that controller (docs/decisions/0003)."""
    labels = {**_part_of_flux(), "app.kubernetes.io/component": controller, "control-plane": "controller"}
    container = {"name": "manager", "image": f"afflux:{__version__}", "ports": [{"containerPort": 8080}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": controller, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": controller}},
            "template": {"metadata": {"labels": {"app": controller}}, "spec": {"containers": [container]}},
        },
    }


def _part_of_flux() -> dict[str, str]:
    return {"app.kubernetes.io/part-of": "flux", "app.kubernetes.io/instance": NAMESPACE}


def _metadata() -> dict[str, Json]:
    return {"name": ROOT_NAME, "namespace": NAMESPACE, "annotations": _KEEP}


def _secret(username: str, password: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata(),
        "type": "Opaque",
        "stringData": {"username": username, "password": password},
    }


def _git_repository(root: Root) -> Manifest:
    spec: dict[str, Json] = {"interval": root.interval, "url": root.url, "ref": {"branch": root.branch}}
    if root.password is not None:
        spec["secretRef"] = {"name": ROOT_NAME}
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": _metadata(),
        "spec": spec,
    }


def _kustomization(root: Root) -> Manifest:
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": _metadata(),
        "spec": {
            "interval": "10m",
            "retryInterval": "1m",
            "path": root.path,
            "prune": True,
            "sourceRef": {"kind": "GitRepository", "name": ROOT_NAME},
        },
    }
