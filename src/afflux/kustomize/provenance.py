"""``buildMetadata``: annotations that say where a resource came from and what changed it."""

import posixpath
from dataclasses import dataclass, replace
from typing import Final

from afflux.kustomize.resource import ORIGIN_ANNOTATION, TRANSFORMATIONS_ANNOTATION, Resource
from afflux.kustomize.resource_map import ResourceMap
from afflux.kustomize.scalars import Quoted
from afflux.lang.yaml import dump
from afflux.objects.manifest import Json

ORIGINS: Final = "originAnnotations"
TRANSFORMATIONS: Final = "transformerAnnotations"
MANAGED_BY: Final = "managedByLabel"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGED_BY_VALUE: Final = "kustomize-v5.8.1"

Note = dict[str, Json]
"""An origin as the annotation shows it: its fields in order."""


@dataclass(frozen=True, slots=True)
class Trail:
    """Where in the tree of kustomizations the build is: the path from the directory that is built."""

    path: str = ""

    def to(self, path: str) -> "Trail":
        """The trail one step further."""
        return replace(self, path=posixpath.normpath(posixpath.join(self.path, path)))

    def file_note(self, path: str) -> Note:
        """The note of a file's resources."""
        return {"path": self.to(path).path}

    def builtin_note(self, kustomization: str, kind: str) -> Note:
        """The note of what a field of the kustomization generated or changed."""
        return {
            "configuredIn": self.to(kustomization).path,
            "configuredBy": {"apiVersion": "builtin", "kind": kind},
        }


def plugin_note(config: Resource) -> Note | None:
    """The note of what a transformer or generator of a file did."""
    if config.origin_note is None:
        return None
    current = config.id
    by = {"apiVersion": current.gvk.api_version, "kind": current.gvk.kind, "name": current.name}
    if current.namespace:
        by["namespace"] = current.namespace
    return {"configuredIn": config.origin_note.get("path", ""), "configuredBy": by}


def note_transformed(resources: ResourceMap, note: Note | None) -> None:
    """Notes a transformation of every resource: kustomize doesn't ask which ones it changed."""
    if note is None:
        return
    for resource in resources:
        if resource.origin_note is None:
            resource.origin_note = note
        else:
            resource.transformations.append(note)
        # kustomize writes its note among the annotations, all of which become texts on the way.
        if any(type(value) not in (str, Quoted) for value in resource.annotations.values()):
            resource.set_texts("annotations", resource.texts("annotations"))


def annotate(resource: Resource, wanted: list[str]) -> None:
    """Writes the annotations that are wanted, and takes away those that aren't."""
    resource.manifest.setdefault("metadata", {})
    annotations = resource.texts("annotations")
    annotations.pop(ORIGIN_ANNOTATION, None)
    if ORIGINS in wanted and resource.origin_note is not None:
        annotations[ORIGIN_ANNOTATION] = shown(resource.origin_note)
    if TRANSFORMATIONS not in wanted:
        annotations.pop(TRANSFORMATIONS_ANNOTATION, None)
    elif resource.transformations:
        annotations[TRANSFORMATIONS_ANNOTATION] = "".join(_item(note) for note in resource.transformations)
    resource.set_texts("annotations", annotations)


def shown(note: Note, indent: str = "") -> str:
    """A note as YAML, its fields in their own order; empty ones are left out."""
    lines = []
    for key, value in note.items():
        if isinstance(value, dict):
            lines.append(f"{indent}{key}:\n{shown(value, indent + '  ')}")
        elif value:
            lines.append(f"{indent}{dump({key: value})}")
    return "".join(lines)


def _item(note: Note) -> str:
    return "- " + shown(note, "  ")[2:]
