"""The source of a Kustomization: where it is, what it offers, and what is said when it doesn't."""

from __future__ import annotations

from dataclasses import dataclass

from afflux.api.kinds import InvalidObject, decode_as
from afflux.api.kustomization import Kustomization
from afflux.api.meta import Artifact
from afflux.kube.client import Target
from afflux.objects.identity import GroupVersionKind, ObjectRef
from afflux.objects.manifest import Manifest

SOURCE_GROUP = "source.toolkit.fluxcd.io"
_ORIGIN_REVISION = "org.opencontainers.image.revision"


@dataclass(frozen=True, slots=True)
class Offer:
    """What a source offers to build from."""

    source: ObjectRef
    artifact: Artifact
    suspended: bool = False

    @property
    def revision(self) -> str:
        return self.artifact.revision

    @property
    def origin_revision(self) -> str:
        """The revision of what the artifact was made from, where the source knows it."""
        return self.artifact.metadata.get(_ORIGIN_REVISION, "")


def source_of(kustomization: Kustomization) -> ObjectRef:
    """The source that a Kustomization names; in its own namespace where it names none."""
    reference = kustomization.spec.source_ref
    namespace = reference.namespace or kustomization.metadata.namespace
    return ObjectRef(SOURCE_GROUP, reference.kind, namespace, reference.name)


def named_source(kustomization: Kustomization) -> str:
    """The source as the spec spells it, for messages: ``Kind/[namespace/]name``."""
    reference = kustomization.spec.source_ref
    return "/".join(filter(None, (reference.kind, reference.namespace, reference.name)))


def source_target(source: ObjectRef) -> Target:
    """The source as the API server knows it."""
    return Target(GroupVersionKind(SOURCE_GROUP, "v1", source.kind), source.namespace, source.name)


def offer_of(source: ObjectRef, manifest: Manifest) -> Offer | None:
    """What a source object offers now; None where it has no artifact yet. Raises `InvalidObject`."""
    artifact = (manifest.get("status") or {}).get("artifact")
    if artifact is None:
        return None
    try:
        return Offer(source, decode_as(Artifact, artifact), (manifest.get("spec") or {}).get("suspend") is True)
    except InvalidObject as error:
        raise InvalidObject("status.artifact", f"of {source.subject} can't be read: {error}") from error


def same_revision(left: str, right: str) -> bool:
    """Whether two revisions are the same; older Flux wrote ``branch/sha`` for ``branch@sha1:sha``."""
    return bool(left) and _digest_of(left) == _digest_of(right) and _named(left) == _named(right)


def _digest_of(revision: str) -> str:
    return revision.rpartition("@")[2].rpartition("/")[2].rpartition(":")[2]


def _named(revision: str) -> str:
    if "@" in revision:
        return revision.rpartition("@")[0]
    return revision.rpartition("/")[0]
