"""List types: the items of sets and of list-maps are unique."""

from collections.abc import Iterator

from afflux.controlplane.errors import FieldError
from afflux.controlplane.field_errors import duplicate
from afflux.controlplane.structural.nodes import SchemaNode
from afflux.objects.manifest import Json


def check_lists(node: SchemaNode, value: Json, path: str) -> Iterator[FieldError]:
    """One error for each item that repeats an earlier one."""
    if isinstance(value, dict):
        prefix = f"{path}." if path else ""
        for name, part in value.items():
            child = node.child(name)
            if child is not None and isinstance(part, (dict, list)):
                yield from check_lists(child, part, f"{prefix}{name}")
    elif isinstance(value, list):
        yield from _repeated(node, value, path)
        if node.items is not None:
            for index, item in enumerate(value):
                if isinstance(item, (dict, list)):
                    yield from check_lists(node.items, item, f"{path}[{index}]")


def _repeated(node: SchemaNode, value: list[Json], path: str) -> Iterator[FieldError]:
    if node.list_type not in ("set", "map"):
        return
    seen: list[Json] = []
    for index, item in enumerate(value):
        key = item
        if node.list_type == "map" and isinstance(item, dict):
            key = {name: item[name] for name in node.list_map_keys if name in item}
        if key in seen:
            yield duplicate(f"{path}[{index}]", key)
        seen.append(key)
