"""Bodies of built-in kinds, read as Go reads JSON into structs.

Unknown fields are dropped and named, nulls and empty values that Go leaves out are dropped, wrong types are refused.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Final

from afflux.controlplane.errors import ApiStatusError, bad_request
from afflux.controlplane.go_structs import FieldType, Struct, struct_for
from afflux.controlplane.served_kind import ServedKind
from afflux.manifests.quantity import InvalidQuantity, canonical_quantity
from afflux.objects.manifest import Json, Manifest

_BRACKETED: Final = re.compile(r"\[[^\]]*\]")
_LIKE_QUANTITY: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eEinumkKMGTP]*[-+]?[0-9]*")
_QUANTITY_WRONG: Final = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_SUFFIX_WRONG: Final = "unable to parse quantity's suffix"


def decode_typed(kind: ServedKind, manifest: Manifest, live: Manifest | None = None) -> tuple[Manifest, list[str]]:
    """The manifest as its struct would print it, and the paths of unknown fields. Raises 400 for a wrong type.

    Parts in which nothing changes are shared with the input. Parts that are those of ``live`` themselves (a patch
    shares what it doesn't touch) were decoded once and are not looked at again.
    """
    found = struct_for(kind.gvk)
    if found is None:
        return manifest, []
    decoder = _Decoder(kind)
    return decoder.struct(found, manifest, "", live, root=True), decoder.unknown


class _Decoder:
    def __init__(self, kind: ServedKind) -> None:
        self._kind = kind
        self.unknown: list[str] = []

    def struct(
        self, type_: Struct, value: Manifest, path: str, live: Manifest | None = None, *, root: bool = False
    ) -> Manifest:
        result: Manifest = {}
        changed = False
        fields, known = type_.by_name, live or {}
        for key, member in value.items():
            if known and member is known.get(key, self) and key in fields:
                result[key] = member
                continue
            field = fields.get(key)
            if field is None:
                # Whole objects may stand inside others (the claims of a StatefulSet); they name their kind, too.
                if key in ("apiVersion", "kind") and (root or {"metadata", "status"} <= fields.keys()):
                    result[key] = member
                    continue
                self.unknown.append(f"{path}{key}")
                changed = True
                continue
            decoded = None if member is None else self._field(type_, field, member, path, known.get(key))
            if decoded is None or _left_out(field, decoded):
                changed = True
                continue
            if decoded is not member:
                changed = True
            result[key] = decoded
        return result if changed else value

    def _field(self, owner: Struct, field: FieldType, value: Json, path: str, live: Json) -> Json:
        if not field.container:
            if isinstance(live, dict) and isinstance(value, dict) and not field.code:
                return self.struct(field.struct, value, f"{path}{field.name}.", live)
            return self._single(owner, field, value, path + field.name)
        if field.container == "[]":
            if not isinstance(value, list):
                raise self._wrong(owner, field, value, path)
            return self._items(owner, field, value, path)
        if not isinstance(value, dict):
            raise self._wrong(owner, field, value, path)
        return self._values(owner, field, value, path)

    def _items(self, owner: Struct, field: FieldType, items: list[Json], path: str) -> list[Json]:
        if field.code:
            check = _CHECKS.get(field.code)
            if check is not None and not all(map(check, items)):
                wrong = next(item for item in items if not check(item))
                raise self._wrong(owner, field, wrong, path, inner=True)
            return items
        inner = field.struct
        decoded = []
        for index, item in enumerate(items):
            if not isinstance(item, dict):
                raise self._wrong(owner, field, item, path, inner=True)
            decoded.append(self.struct(inner, item, f"{path}{field.name}[{index}]."))
        return items if all(map(_same, decoded, items)) else decoded

    def _values(self, owner: Struct, field: FieldType, values: Manifest, path: str) -> Manifest:
        decoded: Manifest = {}
        for key, value in values.items():
            if value is None:
                # Go reads null into a map as the zero value.
                decoded[key] = "" if field.code in ("s", "y") else {}
            else:
                decoded[key] = self._single(owner, field, value, f"{path}{field.name}[{key}]")
        return values if all(decoded[key] is values[key] for key in values) else decoded

    def _single(self, owner: Struct, field: FieldType, value: Json, path: str) -> Json:
        if not field.code:
            if not isinstance(value, dict):
                raise self._wrong(owner, field, value, path.rpartition(field.name)[0])
            return self.struct(field.struct, value, path + ".")
        check = _CHECKS.get(field.code)
        if check is not None and not check(value):
            raise self._wrong(owner, field, value, path.rpartition(field.name)[0], inner=bool(field.container))
        if field.code == "y":
            self._check_base64(value)
        elif field.code == "@Quantity":
            self._check_quantity(value)
        return value

    def _check_quantity(self, value: Json) -> None:
        try:
            canonical_quantity(str(value))
        except InvalidQuantity as error:
            raise self._refused(_SUFFIX_WRONG if _LIKE_QUANTITY.fullmatch(str(value)) else _QUANTITY_WRONG) from error

    def _check_base64(self, value: str) -> None:
        try:
            base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
        except binascii.Error as error:
            raise self._refused("illegal base64 data at input byte 0") from error

    def _wrong(self, owner: Struct, field: FieldType, value: Json, path: str, *, inner: bool = False) -> ApiStatusError:
        go_type = field.go_name
        if inner:
            go_type = go_type.removeprefix("[]").removeprefix("map[string]")
        # Go names no items of lists and no keys of maps.
        where = _BRACKETED.sub("", f"{owner.name}.{path}{field.name}")
        return self._refused(
            f"json: cannot unmarshal {_json_name(value)} into Go struct field {where} of type {go_type}"
        )

    def _refused(self, why: str) -> ApiStatusError:
        kind = self._kind.gvk
        return bad_request(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}')


def strict_error(kind: ServedKind, problems: list[str]) -> ApiStatusError:
    """What ``fieldValidation=Strict`` answers; ``problems`` are ``unknown field "x"`` and ``duplicate field "x"``."""
    gvk = kind.gvk
    return bad_request(
        f'{gvk.kind} in version "{gvk.version}" cannot be handled as a {gvk.kind}: '
        f"strict decoding error: {', '.join(problems)}"
    )


def _same(left: Json, right: Json) -> bool:
    return left is right


def _left_out(field: FieldType, value: Json) -> bool:
    """Whether Go's ``omitempty`` leaves the value out; structs and pointers are kept."""
    if value or field.pointer or field.printed_always:
        return False
    return bool(field.container) or field.code in ("s", "i", "l", "b", "y")


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


def _is_integer(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_bool(value: Json) -> bool:
    return isinstance(value, bool)


def _is_quantity(value: Json) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


_CHECKS: Final[dict[str, Callable[[Json], bool]]] = {
    "s": _is_text,
    "i": _is_integer,
    "l": _is_integer,
    "d": _is_number,
    "b": _is_bool,
    "y": _is_text,
    "@Time": _is_text,
    "@MicroTime": _is_text,
    "@Quantity": _is_quantity,
    "@IntOrString": _is_quantity,
}


def _json_name(value: Json) -> str:
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case int() | float():
            return "number"
        case list():
            return "array"
        case _:
            return "object"
