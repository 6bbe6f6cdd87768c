"""Filling in a schema's defaults, and what becomes of nulls."""

import copy

from afflux.controlplane.structural.nodes import MISSING, SchemaNode
from afflux.objects.manifest import Json, Manifest

_TYPE_META = frozenset({"apiVersion", "kind", "metadata"})


def default_resource(root: SchemaNode, manifest: Manifest) -> Manifest:
    """The object with the schema's defaults.

    A null where null isn't allowed takes the default; without one it is dropped.
    """
    changes: Manifest = {}
    dropped: set[str] = set()
    for name, node in root.properties.items():
        if name not in _TYPE_META:
            _property(name, node, manifest, changes, dropped)
    return _changed(manifest, changes, dropped)


def _changed(value: dict[str, Json], changes: dict[str, Json], dropped: set[str]) -> dict[str, Json]:
    if not changes and not dropped:
        return value
    return {name: part for name, part in {**value, **changes}.items() if name not in dropped}


def _property(name: str, node: SchemaNode, value: dict[str, Json], changes: dict[str, Json], dropped: set[str]) -> None:
    present = name in value
    part = value.get(name)
    if present and (part is not None or node.nullable):
        if (new := _value(node, part)) is not part:
            changes[name] = new
    elif node.default is not MISSING:
        changes[name] = _value(node, copy.deepcopy(node.default))
    elif present:
        dropped.add(name)


def _value(node: SchemaNode, value: Json) -> Json:
    if isinstance(value, dict):
        changes: dict[str, Json] = {}
        dropped: set[str] = set()
        for name, child in node.properties.items():
            _property(name, child, value, changes, dropped)
        if node.additional is not None:
            for name in value.keys() - node.properties.keys():
                _property(name, node.additional, value, changes, dropped)
        return _changed(value, changes, dropped)
    if isinstance(value, list) and node.items is not None:
        items = [_item(node.items, item) for item in value]
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    return value


def _item(node: SchemaNode, item: Json) -> Json:
    if item is None and not node.nullable and node.default is not MISSING:
        return _value(node, copy.deepcopy(node.default))
    return _value(node, item)
