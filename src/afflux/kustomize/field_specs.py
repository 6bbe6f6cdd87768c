"""Field specifications: which field of which kinds a transformer touches.

A path is names joined by slashes (``\\/`` is a slash within a name); lists on the way are walked through, whether the
name carries ``[]`` or not. Specifications are compiled once and grouped by kind, so that a resource meets only those
that are its own.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from afflux.kustomize.errors import InvalidKustomization, TransformationFailed
from afflux.kustomize.resource_id import Gvk
from afflux.kustomize.scalars import EMPTY_NULL, is_null
from afflux.objects.manifest import Json


class FieldSpec(NamedTuple):
    """A field of the kinds that ``gvk`` selects. ``create``: made where it is absent."""

    gvk: Gvk
    path: str
    create: bool = False

    def effectively_equals(self, other: "FieldSpec") -> bool:
        """Whether a merge takes the other for this one."""
        return self.path == other.path and self.gvk.is_selected(other.gvk)


def merge_specs(known: Sequence[FieldSpec], incoming: Iterable[FieldSpec]) -> tuple[FieldSpec, ...]:
    """The known specifications and those of the incoming ones that aren't among them."""
    merged = list(known)
    by_path: dict[str, list[FieldSpec]] = {}
    for spec in merged:
        by_path.setdefault(spec.path, []).append(spec)
    for spec in incoming:
        same = by_path.setdefault(spec.path, [])
        twin = next((each for each in same if each.effectively_equals(spec)), None)
        if twin is None:
            merged.append(spec)
            same.append(spec)
        elif twin.create != spec.create:
            raise InvalidKustomization(f"conflicting fieldspecs: '{spec.path}' is given with and without create")
    return tuple(merged)


def split_path(path: str, delimiter: str = "/") -> tuple[str, ...]:
    """A path's names; a delimiter after a backslash belongs to the name."""
    parts = path.split(delimiter)
    if len(parts) > 1 and not parts[0]:
        parts = parts[1:]
    names = [parts[0]]
    for part in parts[1:]:
        if names[-1].endswith("\\"):
            names[-1] = names[-1][:-1] + delimiter + part
        else:
            names.append(part)
    return tuple(names)


class Making(Enum):
    """What a transformer puts in the place of a field that is absent (and may be created) or null."""

    NOTHING = "nothing"
    SCALAR = "scalar"
    MAPPING = "mapping"


Visit = Callable[[Json, Json], None]
"""Called with a collection and the key or index of the field found in it."""


class Step(NamedTuple):
    """One name of a compiled path. ``listed``: it was written with ``[]``."""

    name: str
    listed: bool


@dataclass(frozen=True, slots=True)
class CompiledSpec:
    """A specification ready to be applied."""

    spec: FieldSpec
    steps: tuple[Step, ...]

    def visit(self, manifest: Json, visit: Visit, making: Making) -> None:
        """Calls ``visit`` for every field of the object that the specification means."""
        self._walk(manifest, 0, visit, making)

    def _walk(self, node: Json, depth: int, visit: Visit, making: Making) -> None:
        if isinstance(node, dict):
            self._walk_mapping(node, depth, visit, making)
        elif isinstance(node, list):
            for item in node:
                self._walk(item, depth, visit, making)
        elif not is_null(node):
            raise TransformationFailed("expected sequence or mapping node")

    def _walk_mapping(self, node: Json, depth: int, visit: Visit, making: Making) -> None:
        name, listed = self.steps[depth]
        if not name:
            raise TransformationFailed("cannot set or create an empty field name")
        is_last = depth + 1 == len(self.steps)
        value = node.get(name, node)
        if value is node:
            if not self.spec.create or making is Making.NOTHING or listed:
                return
            node[name] = _made(is_last, making)
        elif is_null(value):
            self._fill_null(node, name, is_last, listed, making)
        if is_last:
            visit(node, name)
        else:
            self._walk(node[name], depth + 1, visit, making)

    def _fill_null(self, node: Json, name: str, is_last: bool, listed: bool, making: Making) -> None:
        if listed:
            node[name] = []
        elif self.spec.create and making is not Making.NOTHING:
            node[name] = _made(is_last, making)


def _made(is_last: bool, making: Making) -> Json:
    return EMPTY_NULL if is_last and making is Making.SCALAR else {}


def compile_spec(spec: FieldSpec) -> CompiledSpec:
    """The specification with its path taken apart."""
    names = split_path(spec.path)
    steps = tuple(Step(name.removesuffix("[]").strip(), name.endswith("[]")) for name in names)
    return CompiledSpec(spec, steps)


@dataclass(frozen=True, slots=True)
class FieldSpecs:
    """Some transformer's specifications, grouped by the kind of the resource as they are asked for."""

    specs: tuple[FieldSpec, ...]
    _matching: dict[Gvk, tuple[CompiledSpec, ...]] = field(default_factory=dict, compare=False, repr=False)

    def matching(self, gvk: Gvk) -> tuple[CompiledSpec, ...]:
        """The specifications for a kind, compiled, in order."""
        found = self._matching.get(gvk)
        if found is None:
            found = tuple(compile_spec(spec) for spec in self.specs if gvk.is_selected(spec.gvk))
            self._matching[gvk] = found
        return found
