"""Making ``FieldError``s in the words of Kubernetes' field package: the value printed as JSON, then what is wrong."""

from collections.abc import Iterable

import orjson

from afflux.controlplane.errors import FieldError
from afflux.objects.manifest import Json


def printed(value: Json) -> str:
    """A value as error messages show it: compact JSON."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def invalid_value(field: str, value: Json, detail: str) -> FieldError:
    return FieldError("FieldValueInvalid", f"Invalid value: {printed(value)}: {detail}", field)


def type_invalid(field: str, value: Json, detail: str) -> FieldError:
    return FieldError("FieldValueTypeInvalid", f"Invalid value: {printed(value)}: {detail}", field)


def required(field: str, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", f"Required value: {detail}" if detail else "Required value", field)


def forbidden(field: str, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", f"Forbidden: {detail}", field)


def duplicate(field: str, value: Json) -> FieldError:
    return FieldError("FieldValueDuplicate", f"Duplicate value: {printed(value)}", field)


def not_found(field: str, value: Json) -> FieldError:
    return FieldError("FieldValueNotFound", f"Not found: {printed(value)}", field)


def not_supported(field: str, value: Json, supported: Iterable[Json]) -> FieldError:
    listed = ", ".join(printed(one) for one in supported)
    return FieldError(
        "FieldValueNotSupported", f"Unsupported value: {printed(value)}: supported values: {listed}", field
    )


def too_long(field: str, limit: int) -> FieldError:
    return FieldError("FieldValueTooLong", f"Too long: may not be more than {limit} bytes", field)


def immutable(field: str, value: Json) -> FieldError:
    return invalid_value(field, value, "field is immutable")
