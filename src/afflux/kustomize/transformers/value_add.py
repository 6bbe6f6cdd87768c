"""``ValueAddTransformer``: a value set in fields, or put into the paths that fields hold."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from afflux.kustomize.errors import InvalidKustomization, TransformationFailed
from afflux.kustomize.field_paths import Found, lookup
from afflux.kustomize.field_specs import FieldSpecs, split_path
from afflux.kustomize.kustomization_file import Selector
from afflux.kustomize.node_kinds import wrong_kind
from afflux.kustomize.resource import Resource
from afflux.kustomize.resource_map import ResourceMap
from afflux.kustomize.scalars import EMPTY_NULL, is_null, text_of, untagged
from afflux.kustomize.selection import select
from afflux.kustomize.transformers.namespace import NamespaceTransformer


class ValueTarget(msgspec.Struct, frozen=True, rename="camel"):
    """A field of selected resources. ``file_path_position``: where in the path that it holds the value goes."""

    selector: Selector | None = None
    field_path: str = ""
    file_path_position: int = 0


@dataclass(frozen=True, slots=True)
class ValueAddTransformer:
    """Adds one value to several targets."""

    value: str
    targets: Sequence[ValueTarget]

    def __post_init__(self) -> None:
        if not self.targets:
            raise InvalidKustomization("must specify at least one target")
        for target in self.targets:
            if not target.field_path:
                raise InvalidKustomization("fieldPath cannot be empty")
            if target.file_path_position < 0:
                raise InvalidKustomization(
                    f"value of FilePathPosition ({target.file_path_position}) cannot be negative"
                )

    def transform(self, resources: ResourceMap) -> None:
        """Adds the value."""
        for target in self.targets:
            chosen = list(resources) if target.selector is None else select(resources, target.selector)
            for resource in chosen:
                if target.field_path == "metadata/namespace":
                    NamespaceTransformer(self.value, FieldSpecs(())).apply(resource)
                else:
                    self._add(resource, target)
        resources.invalidate()

    def _add(self, resource: Resource, target: ValueTarget) -> None:
        place = _created_place(resource, list(split_path(target.field_path)))
        old = place.value
        if isinstance(old, dict | list):
            raise wrong_kind("ScalarNode", old)
        text = self.value
        if target.file_path_position > 0:
            before = "" if is_null(old) else text_of(old)
            text = inserted_path_part(before, target.file_path_position - 1, self.value)
        place.put(untagged(old, text))


def _created_place(resource: Resource, path: list[str]) -> Found:
    """The place at a path, its last parts made where they are absent."""
    for length in range(len(path)):
        found = lookup(resource.manifest, path[:length])
        if found is not None and isinstance(found.value, dict) and is_null(found.value.get(path[length])):
            found.value[path[length]] = EMPTY_NULL if length + 1 == len(path) else {}
    place = lookup(resource.manifest, path)
    if place is None:
        raise TransformationFailed(f"no field '{'/'.join(path)}' in {resource.id}")
    return place


def inserted_path_part(path: str, position: int, part: str) -> str:
    """A file path with a part put in; a leading slash stays in front."""
    parts = path.split("/") if path else []
    position = min(position, len(parts))
    if parts and parts[0] == "" and position < len(parts):
        position += 1
    return "/".join([*parts[:position], part, *parts[position:]])
