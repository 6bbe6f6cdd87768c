"""The Go structs behind built-in kinds: field names, protobuf numbers, types, and which fields are pointers.

JSON bodies are read through them as the API server does (``typed``), protobuf bodies too (``protobuf``). The data is
made by ``tools/struct_tables.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import orjson

from afflux.objects.identity import GroupVersionKind

_PACKAGES: Final = {
    "": "core",
    "apiextensions.k8s.io": "apiextensions",
    "admissionregistration.k8s.io": "admissionregistration",
    "flowcontrol.apiserver.k8s.io": "flowcontrol",
    "rbac.authorization.k8s.io": "rbac",
}
_GO_NAMES: Final = {"s": "string", "i": "int32", "l": "int64", "b": "bool", "d": "float64", "y": "[]uint8"}


class FieldType:
    """The type of a field. ``code`` is a scalar's letter, ``@Special``, or ``""`` for a struct (see ``struct``).

    ``container`` is ``[]``, ``{}`` or ``""``; ``pointer`` means that an absent value differs from a zero one;
    ``printed_always``, that Go prints the field even when it is empty, zero or false.
    """

    __slots__ = ("_message", "code", "container", "name", "pointer", "printed_always")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.pointer = text.startswith("*")
        self.printed_always = text.endswith("!")
        rest = text.strip("*!")
        self.container = rest[:2] if rest[:2] in ("[]", "{}") else ""
        rest = rest[len(self.container) :]
        is_struct = "/" in rest
        self.code = "" if is_struct else rest
        self._message = rest if is_struct else ""

    @property
    def struct(self) -> Struct:
        """The struct that the field (or each item) holds; only where ``code`` is empty."""
        return _struct(self._message)

    @property
    def go_name(self) -> str:
        """The type as Go prints it in an error."""
        inner = _GO_NAMES.get(self.code) or self.code.lstrip("@") or self._message.replace("/", "").rpartition("v1.")[2]
        prefix = {"[]": "[]", "{}": "map[string]", "": ""}[self.container]
        return f"{prefix}{inner}"


class Struct:
    """A message: its fields by JSON name (inlined ones included) and by protobuf number."""

    __slots__ = ("by_name", "by_number", "name")

    def __init__(self, full_name: str, raw: Mapping[str, str]) -> None:
        self.name = full_name.rpartition(".")[2]
        self.by_number: dict[int, FieldType] = {}
        self.by_name: dict[str, FieldType] = {}
        for number, text in raw.items():
            name, _, type_text = text.partition(":")
            field = self.by_number[int(number)] = FieldType(name, type_text)
            if name:
                self.by_name[name] = field
            else:
                self.by_name.update(field.struct.by_name)


@cache
def _tables() -> Mapping[str, Mapping[str, str]]:
    source = files("afflux.controlplane").joinpath("data", "structs.json")
    tables: Mapping[str, Mapping[str, str]] = orjson.loads(source.read_bytes())
    return tables


@cache
def _struct(full_name: str) -> Struct:
    return Struct(full_name, _tables()[full_name])


@cache
def struct_for(gvk: GroupVersionKind) -> Struct | None:
    """The struct of a built-in kind (or of ``DeleteOptions`` and the like); None for a kind that has none here."""
    if gvk.kind.endswith("Options"):
        name = f"meta/v1.{gvk.kind}"
    else:
        package = _PACKAGES.get(gvk.group) or gvk.group.partition(".")[0]
        name = f"{package}/{gvk.version}.{gvk.kind}"
    return _struct(name) if name in _tables() else None
