"""What identifies an object: its kind, and its place."""

from typing import NamedTuple

from afflux.objects.manifest import Manifest, metadata_of


class GroupVersionKind(NamedTuple):
    """A kind at a version. The core group is the empty string."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """``group/version``, or ``version`` alone for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version


class ObjectRef(NamedTuple):
    """One object, whatever its version. ``namespace`` is empty for cluster-scoped objects."""

    group: str
    kind: str
    namespace: str
    name: str

    @property
    def subject(self) -> str:
        """``Kind/namespace/name`` or ``Kind/name``, as Flux prints objects."""
        return f"{self.kind}/{self.namespace}/{self.name}" if self.namespace else f"{self.kind}/{self.name}"


def parse_api_version(api_version: str) -> tuple[str, str]:
    """``(group, version)`` of an ``apiVersion``; the core group is the empty string."""
    group, _, version = api_version.rpartition("/")
    return group, version


def gvk_of(manifest: Manifest) -> GroupVersionKind:
    """The kind a manifest declares; fields that are absent or not strings are empty."""
    api_version, kind = manifest.get("apiVersion"), manifest.get("kind")
    group, version = parse_api_version(api_version if isinstance(api_version, str) else "")
    return GroupVersionKind(group, version, kind if isinstance(kind, str) else "")


def ref_of(manifest: Manifest) -> ObjectRef:
    """The identity a manifest declares; fields that are absent or not strings are empty."""
    gvk, metadata = gvk_of(manifest), metadata_of(manifest)
    namespace, name = metadata.get("namespace"), metadata.get("name")
    return ObjectRef(
        gvk.group,
        gvk.kind,
        namespace if isinstance(namespace, str) else "",
        name if isinstance(name, str) else "",
    )
