"""A resource of a build: the object, where it comes from, and what it was called before."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from afflux.kustomize.resource_id import Gvk, IdKey, ResourceId, split_api_version
from afflux.kustomize.scalars import is_null, text_of, untagged
from afflux.kustomize.sharing import Sharing
from afflux.objects.manifest import Json, Manifest

INTERNAL: Final = "internal.config.kubernetes.io/"
_NOTES: Final = """
    previousKinds previousNames previousNamespaces prefixes suffixes allowNameChange allowKindChange refBy
    generatorBehavior needsHashSuffix path index seqindent id annotations-migration-resource-id helm-generated
"""
BUILD_ANNOTATIONS: Final = frozenset(INTERNAL + name for name in _NOTES.split()) | {
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
}
"""Annotations that are kustomize's own business: gone from every output."""
ORIGIN_ANNOTATION: Final = "config.kubernetes.io/origin"
TRANSFORMATIONS_ANNOTATION: Final = "alpha.config.kubernetes.io/transformations"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a resource was read or generated: a file of the file system, the document in it (from 0), its line."""

    file: str = ""
    document: int = 0
    line: int = 0


class Resource:
    """An object while it is built. ``manifest`` is the resource's own: nothing else shares its collections.

    ``previous`` are the (name, namespace, kind) it had, oldest first; ``prefixes`` and ``suffixes`` what was added
    to its name, first added first. ``position`` orders the resources of a map.
    """

    __slots__ = (
        "allow_kind_change",
        "allow_name_change",
        "behavior",
        "deleted",
        "manifest",
        "needs_hash",
        "origin",
        "origin_note",
        "position",
        "prefixes",
        "previous",
        "sharing",
        "suffixes",
        "transformations",
        "var_names",
    )

    def __init__(self, manifest: Manifest, origin: Origin) -> None:
        self.manifest = manifest
        self.origin = origin
        self.position = 0
        self.previous: list[tuple[str, str, str]] = []
        self.prefixes: list[str] = []
        self.suffixes: list[str] = []
        self.behavior = ""
        self.needs_hash = False
        self.allow_name_change = False
        self.allow_kind_change = False
        self.deleted = False
        self.var_names: list[str] = []
        self.sharing = Sharing()
        self.origin_note: dict[str, Json] | None = None
        self.transformations: list[dict[str, Json]] = []

    def __repr__(self) -> str:
        return f"Resource({self.id})"

    @property
    def gvk(self) -> Gvk:
        """The kind that the object declares now."""
        manifest = self.manifest
        group, version = split_api_version(text_of(manifest.get("apiVersion", "")))
        return Gvk(group, version, text_of(manifest.get("kind", "")))

    @property
    def metadata(self) -> Manifest:
        """The object's metadata; an empty dict (not the object's) where it has none."""
        metadata = self.manifest.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    @property
    def name(self) -> str:
        """``metadata.name`` as text."""
        return _text(self.metadata.get("name"))

    @property
    def namespace(self) -> str:
        """``metadata.namespace`` as text; empty where there is none."""
        return _text(self.metadata.get("namespace"))

    @property
    def id(self) -> ResourceId:
        """What identifies the resource now."""
        return ResourceId(self.gvk, self.name, self.namespace)

    @property
    def previous_ids(self) -> list[ResourceId]:
        """The ids it had, oldest first; always at the present group and version, and with effective namespaces."""
        if not self.previous:
            return []
        gvk = self.gvk
        return [ResourceId(gvk._replace(kind=kind), name, namespace) for name, namespace, kind in self.previous]

    @property
    def original_id(self) -> ResourceId:
        """The id it was read with."""
        return self.previous_ids[0] if self.previous else self.id

    @property
    def keys(self) -> set[IdKey]:
        """The keys of all the ids it has and had."""
        gvk = self.gvk
        keys = {self.id.key}
        keys.update(IdKey(gvk._replace(kind=kind), name, namespace) for name, namespace, kind in self.previous)
        return keys

    @property
    def is_cluster_scoped(self) -> bool:
        """Whether kustomize knows its kind as cluster-scoped."""
        return self.gvk.is_cluster_scoped

    @property
    def has_history(self) -> bool:
        """Whether kustomize would have left notes in the object's annotations."""
        notes = (self.previous, self.prefixes, self.suffixes, self.needs_hash, self.behavior, self.origin_note)
        return any(notes)

    def remember_id(self) -> None:
        """Notes the present id before a change."""
        current = self.id
        self.previous.append((current.name, current.effective_namespace, current.gvk.kind))

    def forget_history(self) -> None:
        """What happens where a patch wipes the annotations that kustomize keeps its notes in."""
        self.previous, self.prefixes, self.suffixes = [], [], []
        self.needs_hash, self.behavior = False, ""

    def rename(self, name: str) -> None:
        """Sets ``metadata.name``, written in the style of the old name."""
        metadata = self._own_metadata()
        metadata["name"] = untagged(metadata.get("name"), name) if "name" in metadata else name

    def set_namespace(self, namespace: str) -> None:
        """Sets ``metadata.namespace``; the empty text takes it away."""
        if not namespace:
            self.metadata.pop("namespace", None)
            return
        metadata = self._own_metadata()
        metadata["namespace"] = untagged(metadata.get("namespace"), namespace)

    @property
    def annotations(self) -> Manifest:
        """``metadata.annotations``; an empty dict (not the object's) where it has none."""
        annotations = self.metadata.get("annotations")
        return annotations if isinstance(annotations, dict) else {}

    def texts(self, field: str) -> dict[str, str]:
        """``metadata.labels`` or ``metadata.annotations`` with every value as text."""
        values = self.metadata.get(field)
        return {key: text_of(value) for key, value in values.items()} if isinstance(values, dict) else {}

    def set_texts(self, field: str, values: Mapping[str, str]) -> None:
        """Replaces labels or annotations; no values take the field away."""
        if values:
            self._own_metadata()[field] = dict(values)
        else:
            self.metadata.pop(field, None)

    def _own_metadata(self) -> Manifest:
        metadata = self.manifest.get("metadata")
        if not isinstance(metadata, dict):
            metadata = self.manifest["metadata"] = {}
        return metadata


def _text(value: Json) -> str:
    return "" if is_null(value) else text_of(value)


def from_manifest(manifest: Manifest, origin: Origin) -> Resource:
    """A resource as it was read; notes that an earlier build left in its annotations are taken over."""
    resource = Resource(manifest, origin)
    metadata = manifest.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if isinstance(annotations, dict) and any(key.startswith(INTERNAL) for key in annotations):
        _take_over_notes(resource, annotations)
    return resource


def _take_over_notes(resource: Resource, annotations: Manifest) -> None:
    def listed(name: str) -> list[str]:
        value = annotations.get(INTERNAL + name)
        return [] if is_null(value) else text_of(value).split(",")

    names, namespaces, kinds = listed("previousNames"), listed("previousNamespaces"), listed("previousKinds")
    if len(names) == len(namespaces) == len(kinds):
        resource.previous = list(zip(names, namespaces, kinds, strict=True))
    resource.prefixes, resource.suffixes = listed("prefixes"), listed("suffixes")
    resource.needs_hash = listed("needsHashSuffix") == ["enabled"]
