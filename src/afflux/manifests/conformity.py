"""Whether a value is of the shape its schema gives it, as server-side apply checks what it is sent."""

from collections.abc import Callable, Iterator
from typing import Final

from afflux.manifests.field_set import Path, item_element, path_text
from afflux.manifests.go_text import go_value
from afflux.objects.manifest import Json
from afflux.schema.openapi import Schema


def schema_errors(value: Json, schema: Schema) -> list[str]:
    """What is wrong with a value, each error beginning with its field; the texts are structured-merge-diff's.

    Found: undeclared fields, wrong types, list items without their keys, and items whose keys are equal.
    """
    return list(_errors(value, schema, ()))


def _errors(value: Json, schema: Schema, path: Path) -> Iterator[str]:
    if value is None or (not schema.type and schema.preserve_unknown and not schema.names):
        return
    if schema.type == "object":
        yield from _object_errors(value, schema, path)
    elif schema.type == "array":
        yield from _list_errors(value, schema, path)
    elif problem := _scalar_problem(value, schema):
        yield f"{path_text(path)}: {problem}"


def _object_errors(value: Json, schema: Schema, path: Path) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path_text(path)}: expected map, got &{{{go_value(value)}}}"
        return
    for name, child in value.items():
        declared, below = schema.child(name), (*path, "f:" + name)
        if declared is None:
            yield f"{path_text(below)}: field not declared in schema"
        else:
            yield from _errors(child, declared, below)


def _list_errors(value: Json, schema: Schema, path: Path) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{path_text(path)}: expected list, got &{{{go_value(value)}}}"
        return
    counts: dict[str, int] = {}
    for index, item in enumerate(value):
        element = f"i:{index}"
        if schema.list_type == "map" and (problem := _key_problem(item, schema)):
            yield f"{path_text(path)}: element {index}: {problem}"
            continue
        if schema.list_type in ("map", "set"):
            element = item_element(item, schema)
            counts[element] = counts.get(element, 0) + 1
        yield from _errors(item, schema.items, (*path, element))
    for element, count in counts.items():
        if count > 1:
            yield f"{path_text(path)}: duplicate entries for key {path_text((element,))}"


def _key_problem(item: Json, schema: Schema) -> str:
    if item is None:
        return "associative list with keys may not have a null element"
    if not isinstance(item, dict):
        return "associative list with keys may not have non-map elements"
    keys = schema.list_map_keys
    if not keys or any(key in item or _has_default(schema.items, key) for key in keys):
        return ""
    listed = " ".join(f'"{key}"' for key in keys)
    return (
        f"associative list with keys has an element that omits all key fields [{listed}] "
        "(and doesn't have default values for any key fields)"
    )


def _has_default(items: Schema, key: str) -> bool:
    declared = items.property(key)
    return declared is not None and declared.has_default


def _scalar_problem(value: Json, schema: Schema) -> str:
    if schema.int_or_string or schema.format == "quantity" or schema.type not in _SCALARS:
        return f"expected any scalar, got &{{{go_value(value)}}}" if isinstance(value, dict | list) else ""
    fits, expected = _SCALARS[schema.type]
    if fits(value):
        return ""
    if expected == "numeric (int or float)":
        return f"expected {expected}, got {_go_type(value)}"
    return f"expected {expected}, got &value.valueUnstructured{{Value:{_go_literal(value)}}}"


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_SCALARS: Final[dict[str, tuple[Callable[[Json], bool], str]]] = {
    "string": (lambda value: isinstance(value, str), "string"),
    "boolean": (lambda value: isinstance(value, bool), "boolean"),
    "integer": (_is_number, "numeric (int or float)"),
    "number": (_is_number, "numeric (int or float)"),
}


def _go_type(value: Json) -> str:
    names = {str: "string", bool: "bool", dict: "map[string]interface {}", list: "[]interface {}"}
    return names.get(type(value), "interface {}")


def _go_literal(value: Json) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return go_value(value) if isinstance(value, int | float) else f"{_go_type(value)}{{...}}"
