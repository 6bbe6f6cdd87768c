"""Dropping what a schema doesn't declare."""

from collections.abc import Mapping

from afflux.controlplane.structural.nodes import SchemaNode
from afflux.objects.manifest import Json, Manifest

_TYPE_META = frozenset({"apiVersion", "kind", "metadata"})
OBJECT_META = frozenset(
    {
        "annotations",
        "clusterName",
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "labels",
        "managedFields",
        "name",
        "namespace",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)


def prune_resource(root: SchemaNode, manifest: Manifest) -> tuple[Manifest, list[str]]:
    """The object without undeclared fields, and their paths. Type and metadata are every object's own."""
    dropped: list[str] = []
    result = _resource(root, manifest, "", dropped)
    return result, sorted(dropped)


def _resource(node: SchemaNode, value: Manifest, path: str, dropped: list[str]) -> Manifest:
    rest = {name: part for name, part in value.items() if name not in _TYPE_META}
    pruned = _object(node, rest, path, dropped)
    own = {name: value[name] for name in _TYPE_META if name in value}
    metadata = own.get("metadata")
    if isinstance(metadata, dict) and not metadata.keys() <= OBJECT_META:
        dropped.extend(f"{path}metadata.{name}" for name in metadata if name not in OBJECT_META)
        own["metadata"] = {name: part for name, part in metadata.items() if name in OBJECT_META}
        return {**own, **pruned}
    return value if pruned is rest else {**own, **pruned}


def _value(node: SchemaNode | None, value: Json, path: str, dropped: list[str]) -> Json:
    if isinstance(value, dict):
        if node is not None and node.embedded:
            return _resource(node, value, f"{path}.", dropped)
        return _object(node, value, f"{path}.", dropped)
    if isinstance(value, list):
        if node is not None and node.preserve and node.items is None:
            return value
        item_node = node.items if node is not None else None
        items = [_value(item_node, item, f"{path}[{index}]", dropped) for index, item in enumerate(value)]
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    return value


def _object(node: SchemaNode | None, value: dict[str, Json], path: str, dropped: list[str]) -> dict[str, Json]:
    result: dict[str, Json] = {}
    changed = False
    properties: Mapping[str, SchemaNode] = node.properties if node is not None else {}
    for name, part in value.items():
        child = properties.get(name)
        if child is None and node is not None and node.allows_additional:
            new = _value(node.additional, part, f"{path}{name}", dropped)
        elif child is not None:
            new = _value(child, part, f"{path}{name}", dropped)
        elif node is not None and node.preserve:
            new = part
        else:
            dropped.append(f"{path}{name}")
            changed = True
            continue
        changed = changed or new is not part
        result[name] = new
    return result if changed else value
