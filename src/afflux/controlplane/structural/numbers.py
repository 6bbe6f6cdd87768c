"""Whether numbers fit their type, format and bounds, in the words and the order of kube-openapi's validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from afflux.controlplane.errors import FieldError
from afflux.controlplane.field_errors import invalid_value
from afflux.objects.manifest import Json

_INTEGERS: Final[Mapping[str, tuple[int, int]]] = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
_INT64: Final = (-(2**63), 2**63 - 1)
_LARGEST_FLOAT32: Final = 3.4028234663852886e38
_EXACT: Final = 2**53 - 1
"""The largest number up to which a number with a fraction of zero counts as an integer."""

NUMBER_FORMATS: Final = frozenset(("int32", "int64", "float", "double"))


def is_int64(value: int) -> bool:
    """Whether Go reads it as an integer; larger ones become floating-point numbers."""
    return _INT64[0] <= value <= _INT64[1]


def is_integral(value: float) -> bool:
    """Whether a number that isn't written as an integer counts as one."""
    return value.is_integer() and abs(value) <= _EXACT


def number_errors(raw: Mapping[str, Json], value: float, path: str) -> Iterator[FieldError]:
    """What is wrong with a number under a schema that says ``integer``, ``number`` or nothing of its type."""
    if not _in_range(raw, value):
        format_ = f"with format {raw['format']}" if raw.get("format") else "(default format)"
        words = f'Invalid value: "": Checked value must be of type {raw["type"]} {format_} in {path}'
        yield FieldError("FieldValueInvalid", words, "<nil>")
    step, most, least = raw.get("multipleOf"), raw.get("maximum"), raw.get("minimum")
    if step and not (value / step).is_integer():
        yield invalid_value(path, value, f"{path} in body should be a multiple of {step}")
    if most is not None:
        exclusive = bool(raw.get("exclusiveMaximum"))
        if value > most or (exclusive and value == most):
            words = "less than" if exclusive else "less than or equal to"
            yield invalid_value(path, value, f"{path} in body should be {words} {most}")
    if least is not None:
        exclusive = bool(raw.get("exclusiveMinimum"))
        if value < least or (exclusive and value == least):
            words = "greater than" if exclusive else "greater than or equal to"
            yield invalid_value(path, value, f"{path} in body should be {words} {least}")


def _in_range(raw: Mapping[str, Json], value: float) -> bool:
    """Whether the text of a number can be read back as its type and format."""
    if raw.get("type") == "integer":
        least, most = _INTEGERS.get(str(raw.get("format")), _INT64)
        return (isinstance(value, int) or value.is_integer()) and least <= value <= most
    if raw.get("type") == "number" and raw.get("format") == "float":
        return abs(value) <= _LARGEST_FLOAT32
    return True
