"""Whether values are what a schema says, in the words of kube-openapi's validation.

On an update, parts that did not change are not looked at again: what was stored under an older schema stays usable.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TypeAlias

from afflux.controlplane.errors import FieldError
from afflux.controlplane.field_errors import invalid_value, not_supported, printed, required, too_long, type_invalid
from afflux.controlplane.structural.formats import FORMATS
from afflux.controlplane.structural.nodes import SchemaNode, correlate
from afflux.controlplane.structural.numbers import NUMBER_FORMATS, is_int64, is_integral, number_errors
from afflux.lang.regexp import InvalidPattern, Pattern, compile_pattern
from afflux.objects.manifest import Json

Errors: TypeAlias = Iterator[FieldError]
_NUMBERS = ("integer", "number")


def check(node: SchemaNode, value: Json, old: Json, path: str) -> Errors:
    """What is wrong with a value; ``old`` is its former self or None."""
    if old is not None and value == old:
        return
    if value is None and node.nullable:
        return
    kind = _type_of(value)
    if not _fits(node, value, kind):
        yield _wrong_type(node, path, kind)
        if kind in _NUMBERS and node.type in _NUMBERS:
            yield from number_errors(node.raw, value, path)
        return
    yield from _enumerated(node, value, path)
    match value:
        case dict():
            yield from _object(node, value, old, path)
        case list():
            yield from _array(node, value, old, path)
        case str():
            yield from _string(node, value, path)
        case bool():
            pass
        case int() | float():
            yield from number_errors(node.raw, value, path)
    yield from _combined(node, value, path)


def _type_of(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer" if is_int64(value) else "number"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def _fits(node: SchemaNode, value: Json, kind: str) -> bool:
    if node.int_or_string:
        return kind in ("integer", "string")
    if not node.type or kind == node.type:
        return True
    if node.type == "number":
        return kind == "integer"
    return node.type == "integer" and isinstance(value, float) and is_integral(value)


def _wrong_type(node: SchemaNode, path: str, kind: str) -> FieldError:
    """Numbers of a format are told by it; what may be an integer or a string is told by both."""
    wanted, found = node.type or "integer,string", kind
    if kind == "number" and node.raw.get("format") in NUMBER_FORMATS:
        wanted, found = str(node.raw["format"]), "float64"
    return type_invalid(path, found, f'{path} in body must be of type {wanted}: "{found}"')


def _enumerated(node: SchemaNode, value: Json, path: str) -> Errors:
    allowed = node.raw.get("enum")
    if allowed is not None and value not in allowed:
        yield not_supported(path, value, allowed)


def _object(node: SchemaNode, value: dict[str, Json], old: Json, path: str) -> Errors:
    raw, before = node.raw, old if isinstance(old, dict) else {}
    prefix = f"{path}." if path else ""
    for name in raw.get("required") or ():
        if name not in value:
            yield required(f"{prefix}{name}")
    for name, part in value.items():
        child = node.child(name)
        if child is not None:
            yield from check(child, part, before.get(name), f"{prefix}{name}")
    least, most = raw.get("minProperties"), raw.get("maxProperties")
    if least is not None and len(value) < least:
        yield invalid_value(path, len(value), f"{path} in body should have at least {least} properties")
    if most is not None and len(value) > most:
        yield _too_many(path, len(value), most)


def _too_many(path: str, count: int, most: int) -> FieldError:
    return FieldError("FieldValueTooMany", f"Too many: {count}: must have at most {most} items", path)


def _array(node: SchemaNode, value: list[Json], old: Json, path: str) -> Errors:
    least, most = node.raw.get("minItems"), node.raw.get("maxItems")
    if least is not None and len(value) < least:
        yield invalid_value(path, len(value), f"{path} in body should have at least {least} items")
    if most is not None and len(value) > most:
        yield _too_many(path, len(value), most)
    if node.items is None:
        return
    for index, (item, before) in enumerate(zip(value, correlate(node, value, old), strict=True)):
        yield from check(node.items, item, before, f"{path}[{index}]")


def _string(node: SchemaNode, value: str, path: str) -> Errors:
    raw = node.raw
    least, most, pattern = raw.get("minLength"), raw.get("maxLength"), raw.get("pattern")
    # The first of these that is broken is the only one that is told.
    if most is not None and len(value) > most:
        yield too_long(path, most)
    elif least is not None and len(value) < least:
        yield invalid_value(path, value, f"{path} in body should be at least {least} chars long")
    elif pattern is not None and not _matches(pattern, value):
        yield invalid_value(path, value, f"{path} in body should match '{pattern}'")
    well_formed = FORMATS.get(str(raw.get("format") or ""))
    if well_formed is not None and not well_formed(value):
        yield type_invalid(path, value, f"{path} in body must be of type {raw['format']}: {printed(value)}")


def _matches(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.search(value) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Pattern | None:
    """A pattern that isn't one says nothing, as in a real server."""
    try:
        return compile_pattern(pattern)
    except InvalidPattern:
        return None


def _combined(node: SchemaNode, value: Json, path: str) -> Errors:
    for part in node.all_of:
        yield from check(part, value, None, path)
    if node.any_of and not any(_valid(part, value) for part in node.any_of):
        yield invalid_value(path, value, f"{path} in body must validate at least one schema (anyOf)")
    if node.one_of:
        found = sum(_valid(part, value) for part in node.one_of)
        if found != 1:
            how = "Found none valid" if not found else f"Found {found} valid alternatives"
            yield invalid_value(path, value, f'"{path}" must validate one and only one schema (oneOf). {how}')
    if node.negated is not None and _valid(node.negated, value):
        yield invalid_value(path, value, f'"{path}" must not validate the schema (not)')


def _valid(node: SchemaNode, value: Json) -> bool:
    return next(check(node, value, None, ""), None) is None
