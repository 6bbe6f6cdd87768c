"""Flux's own components in a repository (``gotk-components.yaml``), which we stand in for.

In `up` their Deployments may stand for our own log Pods, as the simulation runs nothing; on a real cluster they would
run beside us and reconcile the same objects, so they are refused. CRDs of our kinds are never replaced by what a
repository carries: the versions that we serve must stay.
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum, auto

from afflux.api.kinds import KINDS
from afflux.apply.plan import Desired
from afflux.objects.manifest import Manifest, labels_of, metadata_of
from afflux.render.errors import RenderFailed

_CONTROLLERS = frozenset(kind.controller for kind in KINDS) | {
    "source-controller",
    "kustomize-controller",
    "helm-controller",
    "notification-controller",
    "image-reflector-controller",
    "image-automation-controller",
    "source-watcher",
}
_OWN_CRDS = frozenset(f"{kind.plural}.{kind.group}" for kind in KINDS)


class OwnComponents(Enum):
    """What happens to Flux's Deployments in a repository."""

    STAND_IN = auto()
    REFUSE = auto()


def screened(policy: OwnComponents, desired: Sequence[Desired]) -> list[Desired]:
    """What may be applied; CRDs of our own kinds are left alone. Raises `RenderFailed` with what is to be removed."""
    refused = [one for one in desired if is_flux_controller(one.manifest)] if policy is OwnComponents.REFUSE else []
    if refused:
        lines = "\n".join(f"- {one.ref.subject}{one.origin}" for one in refused)
        raise RenderFailed(
            "the repository would start Flux's controllers beside Afflux, and both would reconcile the same objects; "
            f"remove these objects (or the file) from it, or hand the cluster back to Flux:\n{lines}"
        )
    return [replace(one, leave_alone=True) if is_own_crd(one.manifest) else one for one in desired]


def is_flux_controller(manifest: Manifest) -> bool:
    """Whether an object is the Deployment of one of Flux's controllers."""
    if manifest.get("kind") != "Deployment" or labels_of(manifest).get("app.kubernetes.io/part-of") != "flux":
        return False
    return metadata_of(manifest).get("name") in _CONTROLLERS


def is_own_crd(manifest: Manifest) -> bool:
    """Whether an object is the definition of a kind that we serve ourselves."""
    return manifest.get("kind") == "CustomResourceDefinition" and metadata_of(manifest).get("name") in _OWN_CRDS
