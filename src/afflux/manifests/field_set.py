"""Sets of fields as server-side apply sees them: who set what, and what changed between two objects.

A path is a tuple of elements in the notation of ``fieldsV1``: ``f:name`` (a field or map key), ``k:{"name":"c"}`` (an
item of a list merged by keys), ``v:"x"`` (an item of a set). The rules are those of structured-merge-diff.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

import orjson

from afflux.objects.equality import json_equal
from afflux.objects.manifest import Json
from afflux.schema.openapi import FREE_FORM, Schema

Path: TypeAlias = tuple[str, ...]
FieldSet: TypeAlias = frozenset[Path]
"""Paths that are members; a path's parents need not be."""

NO_FIELDS: FieldSet = frozenset()

_KEPT: Final = 512
"""How many field sets are remembered in each form. Most objects of a kind share theirs; those of Pods, which name their
owner's uid, are some 12 KB each and are not asked for again."""


class Comparison(NamedTuple):
    """How two objects differ: paths that only the new one has, that differ, that only the old one has."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    @property
    def changed(self) -> FieldSet:
        """What the new object sets otherwise than the old one."""
        return self.added | self.modified

    @property
    def is_same(self) -> bool:
        return not (self.added or self.modified or self.removed)


def fieldset_of(value: Json, schema: Schema) -> FieldSet:
    """The fields that ``value`` sets. Granular maps are walked; what is undeclared is free-form."""
    members: set[Path] = set()
    _collect(value, schema, (), members)
    return frozenset(members)


def compare(old: Json, new: Json, schema: Schema) -> Comparison:
    """How ``new`` differs from ``old``; the order of lists merged by key is ignored."""
    comparing = _Comparing()
    comparing.both(old, new, schema, ())
    return Comparison(*map(frozenset, (comparing.added, comparing.modified, comparing.removed)))


def parse_fields_v1(fields: dict[str, Json]) -> FieldSet:
    """Reads ``fieldsV1``. Equal field sets are parsed once. Raises ``ValueError`` where it isn't one."""
    return _parse(orjson.dumps(fields))


_LEAF: Final[dict[str, Json]] = {}
"""All leaves are this one: most of what a server holds of an object's owners would be empty dicts otherwise."""


@lru_cache(maxsize=_KEPT)
def fields_v1(members: FieldSet) -> dict[str, Json]:
    """Writes ``fieldsV1``. The answer is shared: it must not be changed."""
    root: dict[str, Json] = {}
    for path in sorted(members):
        node = root
        for element in path[:-1]:
            child = node.get(element)
            if not child:  # what was a leaf so far is a member with children
                child = node[element] = {} if child is None else {".": _LEAF}
            node = child
        if path:
            node[path[-1]] = _LEAF
    return root


def path_text(path: Path) -> str:
    """A path as Kubernetes prints it: ``.spec.containers[name="c"].image``, ``.metadata.finalizers[="x"]``."""
    return "".join(map(_element_text, path))


def with_named_parents(members: Iterable[Path], schema: Schema) -> FieldSet:
    """The paths and those of their parents that are declared properties (not map keys, not list items)."""
    result, seen = set(members), set()
    for path in tuple(result):
        for end in range(len(path) - 1, 0, -1):
            parent = path[:end]
            if parent in seen:
                break
            seen.add(parent)
            if _is_property(parent, schema):
                result.add(parent)
    return frozenset(result)


def item_element(item: Json, schema: Schema) -> str:
    """The path element of one item of the list that ``schema`` describes (a set, or merged by keys).

    Keys that are absent take their default, or are left out where they have none.
    """
    if schema.list_type != "map" or not isinstance(item, dict):
        return "v:" + orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode()
    keys = {}
    for key in schema.list_map_keys:
        if key in item:
            keys[key] = item[key]
        elif (declared := schema.items.property(key)) is not None and declared.has_default:
            keys[key] = declared.default
    return "k:" + orjson.dumps(keys, option=orjson.OPT_SORT_KEYS).decode()


def is_atomic(value: Json, schema: Schema) -> bool:
    """Whether a value is one field: scalars, atomic maps, lists that aren't merged by item."""
    if isinstance(value, dict):
        return schema.map_type == "atomic"
    if isinstance(value, list):
        return schema.list_type not in ("map", "set")
    if value is None:
        return schema.type not in ("object", "array")
    return True


def _collect(value: Json, schema: Schema, path: Path, members: set[Path]) -> None:
    if is_atomic(value, schema):
        members.add(path)
    elif isinstance(value, dict):
        for name, child in value.items():
            below, declared = (*path, "f:" + name), schema.property(name)
            _collect(child, declared or schema.unnamed or FREE_FORM, below, members)
            if child is None or child == {} or declared is None:
                members.add(below)
    elif value is not None:
        for item in value:
            below = (*path, item_element(item, schema))
            _collect(item, schema.items, below, members)
            members.add(below)


class _Comparing:
    """Two objects walked side by side; equal subtrees are passed over."""

    def __init__(self) -> None:
        self.added: set[Path] = set()
        self.modified: set[Path] = set()
        self.removed: set[Path] = set()

    def both(self, old: Json, new: Json, schema: Schema, path: Path) -> None:
        """What is on both sides."""
        if json_equal(old, new):
            return
        if old is None or new is None:
            present = new if old is None else old
            if is_atomic(present, schema) or not present:
                self.modified.add(path)
            else:
                self._children(old or type(present)(), new or type(present)(), schema, path)
        elif type(old) is not type(new) or is_atomic(new, schema):
            self._changed_kind(old, new, schema, path)
        else:
            self._children(old, new, schema, path)

    def one(self, value: Json, schema: Schema, path: Path, into: set[Path]) -> None:
        """What is on one side only: every node below counts, inner ones too."""
        into.add(path)
        if is_atomic(value, schema) or not value:
            return
        if isinstance(value, dict):
            for name, child in value.items():
                self.one(child, _child(schema, name), (*path, "f:" + name), into)
            return
        for element, items in _by_element(value, schema).items():
            into.add((*path, element))
            if len(items) == 1:
                self.one(items[0], schema.items, (*path, element), into)

    def _changed_kind(self, old: Json, new: Json, schema: Schema, path: Path) -> None:
        """A leaf that differs; where nothing is declared, a scalar and a map are each walked as what they are."""
        if isinstance(old, dict) is isinstance(new, dict) or schema.type:
            self.modified.add(path)
        elif isinstance(new, dict):
            self.one(new, schema, path, self.added)
            self.removed.add(path)
        else:
            self.one(old, schema, path, self.removed)
            self.added.add(path)

    def _children(self, old: Json, new: Json, schema: Schema, path: Path) -> None:
        if isinstance(new, dict):
            for name in {**old, **new}:
                below, child = (*path, "f:" + name), _child(schema, name)
                if name not in new:
                    self.one(old[name], child, below, self.removed)
                elif name not in old:
                    self.one(new[name], child, below, self.added)
                else:
                    self.both(old[name], new[name], child, below)
            return
        before, after = _by_element(old, schema), _by_element(new, schema)
        for element in {**before, **after}:
            self._items(before.get(element, []), after.get(element, []), schema.items, (*path, element))

    def _items(self, before: list[Json], after: list[Json], schema: Schema, path: Path) -> None:
        """Items of one key; several on a side (invalid, but stored once) are compared as a whole."""
        if len(before) <= 1 and len(after) <= 1:
            if not before:
                self.one(after[0], schema, path, self.added)
            elif not after:
                self.one(before[0], schema, path, self.removed)
            else:
                self.both(before[0], after[0], schema, path)
        elif len(before) >= 2 and len(after) >= 2:
            if not json_equal(before, after):
                self.modified.add(path)
        elif len(before) >= 2:
            for item in after:
                self.one(item, schema, path, self.added)
            self.removed.add(path)
        else:
            for item in before:
                self.one(item, schema, path, self.removed)
            self.added.add(path)


def _child(schema: Schema, name: str) -> Schema:
    return schema.child(name) or FREE_FORM


def _by_element(items: Json, schema: Schema) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    for item in items:
        found.setdefault(item_element(item, schema), []).append(item)
    return found


@lru_cache(maxsize=_KEPT)
def _parse(text: bytes) -> FieldSet:
    members: set[Path] = set()
    _gather(orjson.loads(text), (), members)
    return frozenset(members)


def _gather(fields: Json, path: Path, members: set[Path]) -> None:
    for element, below in fields.items():
        _check_element(element, below)
        if element == ".":
            members.add(path)
        elif not below:
            members.add((*path, element))
        else:
            _gather(below, (*path, element), members)


def _check_element(element: str, below: Json) -> None:
    if not isinstance(below, dict) or (element != "." and element[:2] not in ("f:", "k:", "v:", "i:")):
        raise ValueError(f"{element!r} is not an element of fieldsV1")
    if element[:2] == "k:" and not isinstance(orjson.loads(element[2:]), dict):
        raise ValueError(f"{element!r} does not hold the keys of a list's item")


def _is_property(path: Path, schema: Schema) -> bool:
    node: Schema = schema
    for element in path[:-1]:
        node = _child(node, element[2:]) if element[0] == "f" else node.items
    return path[-1][0] == "f" and node.property(path[-1][2:]) is not None


def _element_text(element: str) -> str:
    kind, text = element[0], element[2:]
    if kind == "f":
        return "." + text
    if kind == "k":
        keys = orjson.loads(text)
        return "[" + ",".join(f"{key}={orjson.dumps(keys[key]).decode()}" for key in sorted(keys)) + "]"
    return f"[{text}]" if kind == "i" else f"[={text}]"
