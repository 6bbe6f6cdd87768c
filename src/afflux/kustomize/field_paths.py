"""Paths of replacements and variables: ``spec.containers.[name=web].image``, ``data.[a.b]``, ``ports.0``, ``items.*``.

Two ways of following a path, with kyaml's rules: ``lookup`` finds one value, ``match`` all the places that fit.
"""

import re
from typing import NamedTuple

from afflux.kustomize.documents import read_marked
from afflux.kustomize.errors import InvalidKustomization, TransformationFailed
from afflux.kustomize.field_specs import split_path
from afflux.kustomize.node_kinds import wrong_kind
from afflux.kustomize.scalars import Quoted, is_null, text_of, untagged
from afflux.lang.regexp import InvalidPattern, Pattern, compile_pattern
from afflux.lang.yaml import YamlError
from afflux.objects.manifest import Json

INDEX = re.compile(r"[+-]?[0-9]+")
NOT_NEGATIVE = re.compile(r"\+?[0-9]+|-0+")


class Found(NamedTuple):
    """A place in an object: the collection, and the key or index there."""

    container: Json
    key: Json

    @property
    def value(self) -> Json:
        """What is there now."""
        return self.container[self.key]

    def put(self, value: Json) -> None:
        """Sets what is there."""
        self.container[self.key] = value


class UntypedNew:
    """What a created field holds until it gets its value; its kind is known, its tag isn't."""

    __slots__ = ()


NEW_SCALAR = UntypedNew()


def split_field_path(path: str) -> list[str]:
    """A path's parts; dots within brackets belong to their part, brackets without ``=`` are only quotes."""
    parts: list[str] = []
    split = list(split_path(path, "."))
    while split:
        part = split.pop(0)
        if part.startswith("[") and not part.endswith("]"):
            inside = [part]
            while split:
                inside.append(split.pop(0))
                if inside[-1].endswith("]"):
                    break
            joined = ".".join(inside)
            parts.append(joined if "=" in joined else joined.strip("[]"))
        else:
            parts.append(part)
    return parts


def is_list_match(part: str) -> bool:
    """Whether a part is ``[...]``."""
    return part.startswith("[") and part.endswith("]")


def split_match(part: str) -> tuple[str, str]:
    """The field and the value of ``[field=value]``."""
    name, separator, value = part.removesuffix("]").removeprefix("[").partition("=")
    if not separator:
        raise InvalidKustomization("list path element must contain fieldName=fieldValue for element to match")
    return name, value


def lookup(root: Json, path: list[str]) -> Found | None:
    """The place of the one value at a path, or None where there is none. Raises where a part doesn't fit."""
    found = Found([root], 0)
    for raw in path:
        part = raw.strip()
        if not part:
            continue
        step = _step(found.value, part)
        if step is None:
            return None
        found = step
    return found


def _step(value: Json, part: str) -> Found | None:
    if INDEX.fullmatch(part) or part == "-":
        return _element_at(value, part)
    if part == "*":
        raise InvalidKustomization("wildcard is not supported in PathGetter")
    if is_list_match(part):
        return _element_with(value, *split_match(part))
    if is_null(value):
        return None
    if not isinstance(value, dict):
        raise wrong_kind("MappingNode", value)
    return Found(value, part) if part in value else None


def _element_at(value: Json, part: str) -> Found | None:
    if is_null(value):
        return None
    index = -1 if part == "-" else int(part)
    if index < 0 and part != "-":
        raise InvalidKustomization(f"array index {index} cannot be negative")
    if not isinstance(value, list):
        raise wrong_kind("SequenceNode", value)
    if not value or index >= len(value):
        return None
    return Found(value, len(value) - 1 if index < 0 else index)


def _element_with(value: Json, name: str, wanted: str) -> Found | None:
    if is_null(value):
        return None
    if not isinstance(value, list):
        raise wrong_kind("SequenceNode", value)
    for index, element in enumerate(value):
        if not name:
            if not isinstance(element, dict | list) and text_of(element) == wanted:
                return Found(value, index)
        elif isinstance(element, dict) and name in element and text_of(element[name]) == wanted:
            return Found(value, index)
    return None


class PathMatcher:
    """Finds every place that a path fits. ``created``: what a missing field becomes, None for no creation."""

    def __init__(self, created: Json = None) -> None:
        self._created = created

    def match(self, root: Json, path: list[str]) -> list[Found]:
        """The places in an object. Raises where a part doesn't fit what it meets."""
        return self._places(Found([root], 0), path)

    def _places(self, place: Found, path: list[str]) -> list[Found]:
        if not path:
            return [place]
        part = path[0]
        if NOT_NEGATIVE.fullmatch(part):
            return self._indexed(place.value, path)
        if is_list_match(part):
            return self._matching(place.value, path)
        if part == "*":
            return self._every(_elements(place.value), path)
        return self._field(place.value, path)

    def _every(self, elements: list[Json], path: list[str]) -> list[Found]:
        return [found for index in range(len(elements)) for found in self._places(Found(elements, index), path[1:])]

    def _field(self, value: Json, path: list[str]) -> list[Found]:
        if not is_null(value) and not isinstance(value, dict):
            raise wrong_kind("MappingNode", value)
        name = path[0]
        if is_null(value) or name not in value:
            if self._created is None or is_null(value):
                return []
            value[name] = self._new(path[1:])
        if len(path) > 1 and not isinstance(value[name], dict | list):
            return self._within_text(value[name], path[1:])
        return self._places(Found(value, name), path[1:])

    def _within_text(self, scalar: Json, path: list[str]) -> list[Found]:
        """The places in a scalar that is YAML itself: in a copy, so that what is put there is lost, as in kustomize."""
        try:
            documents = read_marked(text_of(scalar), "")
        except YamlError as error:
            raise TransformationFailed(error.problem) from None
        value = documents[0].value if documents else scalar
        if is_null(value) and text_of(scalar) and self._created is not None:
            return [Found([self._created], 0)]
        return self._places(Found([value], 0), path) if isinstance(value, dict | list) else self._field(value, path)

    def _new(self, rest: list[str]) -> Json:
        if not rest:
            return self._created if not isinstance(self._created, dict | list) else type(self._created)()
        return [] if is_list_match(rest[0]) or NOT_NEGATIVE.fullmatch(rest[0]) else {}

    def _indexed(self, value: Json, path: list[str]) -> list[Found]:
        elements, index = _elements(value), int(path[0])
        if len(elements) == index and self._created is not None:
            elements.append(self._new(path[1:]))
        if len(elements) <= index:
            raise TransformationFailed(f"index {index} specified but only {len(elements)} elements found")
        return self._places(Found(elements, index), path[1:])

    def _matching(self, value: Json, path: list[str]) -> list[Found]:
        name, pattern = split_match(path[0])
        elements = _elements(value)
        search = _compiled(pattern)
        found = self._matched(elements, name, search, path[1:])
        if not found and self._created is not None and isinstance(value, list):
            elements.append({name: untagged(None, pattern)} if name else untagged(None, pattern))
            found = self._matched(elements, name, search, path[1:])
        return found

    def _matched(self, elements: list[Json], name: str, pattern: Pattern, rest: list[str]) -> list[Found]:
        found: list[Found] = []
        for index, element in enumerate(elements):
            if not name:
                if pattern.search(shown(element)):
                    found.append(Found(elements, index))
            elif isinstance(element, dict) and name in element and pattern.search(shown(element[name])):
                found.extend(self._places(Found(elements, index), rest))
        return found


def shown(value: Json) -> str:
    """A scalar as YAML shows it: patterns of paths are matched against that."""
    return f'"{value}"' if type(value) is Quoted else text_of(value)


def _elements(value: Json) -> list[Json]:
    if is_null(value):
        return []
    if not isinstance(value, list):
        raise wrong_kind("SequenceNode", value)
    return value


def _compiled(pattern: str) -> Pattern:
    try:
        return compile_pattern(pattern)
    except InvalidPattern as error:
        raise InvalidKustomization(f"error parsing regexp: {error}") from None
