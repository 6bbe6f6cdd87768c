"""Data as types, read as Go reads JSON: names in any case, nulls as if they weren't there, its words for errors."""

import re
from typing import Final, TypeVar

import msgspec
from msgspec import inspect

from afflux.kustomize.errors import InvalidKustomization, Place
from afflux.objects.manifest import Json

STRING_MAPS: Final = frozenset(("commonLabels", "commonAnnotations", "pairs", "labels", "annotations", "openapi"))

T = TypeVar("T", bound=msgspec.Struct)

_UNKNOWN: Final = re.compile(r"Object contains unknown field `([^`]*)`")
_EXPECTED: Final = re.compile(r"Expected `([^`]*)`, got `([^`]*)`")
_AT: Final = re.compile(r" - at `\$\.?([^`]*)`$")
_GO_TYPES: Final = {"str": "string", "int": "number", "float": "number", "bool": "bool", "array": "array"}


def converted(value: Json, struct: type[T], source: str) -> T:
    """A plugin's configuration as a type: unknown fields are passed over, numbers are texts where texts are wanted.

    Raises ``InvalidKustomization`` naming the file and the field.
    """
    try:
        return msgspec.convert(_fitted(without_nulls(value), inspect.type_info(struct), True), struct)
    except msgspec.ValidationError as error:
        problem, field = go_problem(error)
        raise InvalidKustomization(f"{problem} in {source}", Place(file=source, field=field)) from None


def recased(value: Json, struct: type[msgspec.Struct]) -> Json:
    """The value with its fields' names in the case that the type has, which Go's decoder doesn't look at."""
    return _fitted(value, inspect.type_info(struct), False)


def _fitted(value: Json, kind: inspect.Type, lenient: bool) -> Json:
    if isinstance(kind, inspect.UnionType):
        kind = next(each for each in kind.types if not isinstance(each, inspect.NoneType))
    match kind:
        case inspect.StructType() if isinstance(value, dict):
            return _fitted_struct(value, kind, lenient)
        case inspect.ListType(item_type=item_type) if isinstance(value, list):
            return [_fitted(item, item_type, lenient) for item in value]
        case inspect.DictType(value_type=value_type) if isinstance(value, dict):
            return {key: _fitted(item, value_type, lenient) for key, item in value.items()}
        case inspect.StrType() if lenient and isinstance(value, bool):
            return "true" if value else "false"
        case inspect.StrType() if lenient and isinstance(value, int | float):
            return str(value)
    return value


def _fitted_struct(value: dict[str, Json], kind: inspect.StructType, lenient: bool) -> dict[str, Json]:
    known = {field.encode_name.lower(): field for field in kind.fields}
    fitted: dict[str, Json] = {}
    for key, item in value.items():
        field = known.get(key.lower())
        if field is not None:
            fitted[field.encode_name] = _fitted(item, field.type, lenient)
        elif not lenient:
            fitted[key] = item
    return fitted


def without_nulls(value: Json, key: str = "") -> Json:
    """The value as Go's JSON decoder takes it: a null leaves a field as if it weren't there, and is an empty text in
    lists and maps of texts."""
    if isinstance(value, dict):
        if key in STRING_MAPS:
            return {name: "" if item is None else item for name, item in value.items()}
        return {name: without_nulls(item, name) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return ["" if item is None else without_nulls(item) for item in value]
    return value


def go_problem(error: msgspec.ValidationError) -> tuple[str, str]:
    """A validation error in the words of Go's JSON decoder, and the path of the field it is about."""
    message = str(error)
    at = _AT.search(message)
    path = at.group(1) if at else ""
    unknown = _UNKNOWN.search(message)
    if unknown:
        name = unknown.group(1)
        return f'json: unknown field "{name}"', f"{path}.{name}" if path else name
    expected = _EXPECTED.search(message)
    if expected:
        wanted, got = expected.group(1).split(" ")[0], expected.group(2)
        return (
            f"json: cannot unmarshal {_GO_TYPES.get(got, got) if got != 'str' else 'string'} into Go struct field"
            f" Kustomization.{path} of type {'string' if wanted == 'str' else wanted}",
            path,
        )
    return f"json: {message}", path
