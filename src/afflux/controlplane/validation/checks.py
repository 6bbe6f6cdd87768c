"""Checks that many kinds share. Each yields the ``FieldError``s of one thing; paths are as the server prints them."""

from collections.abc import Callable, Collection, Iterator
from typing import TypeAlias

from afflux.controlplane.errors import FieldError
from afflux.controlplane.field_errors import duplicate, immutable, invalid_value, not_supported, required
from afflux.controlplane.validation.formats import not_negative
from afflux.objects.manifest import Json
from afflux.objects.selectors import InvalidSelector, LabelSelector, label_selector

Node: TypeAlias = dict[str, Json]
Errors: TypeAlias = Iterator[FieldError]


def well_formed(field: str, value: Json, problems: Callable[[str], list[str]]) -> Errors:
    """One error for each problem that a format finds in a string."""
    for problem in problems(value if isinstance(value, str) else ""):
        yield invalid_value(field, value, problem)


def present(node: Node, path: str, *names: str) -> Errors:
    """The fields must be there and not empty."""
    for name in names:
        if not node.get(name):
            yield required(f"{path}.{name}" if path else name)


def one_of(field: str, value: Json, supported: Collection[Json]) -> Errors:
    """A value that was given must be among those that are supported."""
    if value is not None and value not in supported:
        yield not_supported(field, value, supported)


def counts(node: Node, path: str, *names: str) -> Errors:
    """The numbers, where given, must not be negative."""
    for name in names:
        for problem in not_negative(node.get(name)):
            yield invalid_value(f"{path}.{name}", node.get(name), problem)


def unchanged(new: Node, old: Node, path: str, *names: str) -> Errors:
    """The fields can't be changed once set."""
    for name in names:
        if new.get(name) != old.get(name):
            yield immutable(f"{path}.{name}" if path else name, new.get(name))


def unique_names(items: list[Node], path: str, key: str = "name") -> Errors:
    """No two items may have the same name."""
    seen: set[Json] = set()
    for index, item in enumerate(items):
        name = item.get(key)
        if name and name in seen:
            yield duplicate(f"{path}[{index}].{key}", name)
        seen.add(name)


def readable_selector(selector: Node, path: str) -> LabelSelector | FieldError:
    """The selector, or the error that says why it isn't one."""
    try:
        return label_selector(selector)
    except InvalidSelector as problem:
        return invalid_value(path, selector, str(problem))


def nodes(value: Json) -> list[Node]:
    """A list of structs as found in a manifest; empty where there is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def node(value: Json) -> Node:
    """A struct as found in a manifest; empty where there is none."""
    return value if isinstance(value, dict) else {}
