"""Tables: what ``kubectl get`` asks for. Columns of a kind, cells of an object, rows with their metadata."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import orjson

from afflux.controlplane.printers import PRINTERS
from afflux.controlplane.printers.column import NAME, Column, Printer, age, age_of, name_of
from afflux.controlplane.served_kind import PrinterColumn, ServedKind
from afflux.lang.json_path import compile_path
from afflux.objects.manifest import Json, Manifest

_CREATED_AT: Final = Column("Created At", "date", "", "When the object was created, RFC 3339, UTC.")
_AGE: Final = Column("Age", "string", "", "How long ago the object was created.")


@lru_cache(maxsize=1024)
def printer_for(kind: ServedKind) -> Printer:
    """The columns and cells of a kind: its own, its CRD's, or name and age."""
    if kind.custom is not None:
        return _custom_printer(kind.custom.columns)
    found = PRINTERS.get((kind.gvk.group, kind.gvk.kind))
    return found or Printer((NAME, _CREATED_AT), _created_at)


@lru_cache(maxsize=1024)
def column_definitions(kind: ServedKind) -> list[Manifest]:
    """The ``columnDefinitions`` of a kind's Table; not to be changed."""
    return [column._asdict() for column in printer_for(kind).columns]


def table(
    kind: ServedKind, manifests: Iterable[Manifest], meta: Manifest, include: str, *, headed: bool = True
) -> bytes:
    """A Table of objects (in the kind's version).

    ``include`` is ``Metadata`` (the default), ``Object`` or ``None``; a table that is not ``headed`` has no column
    definitions, as later events of a watch.
    """
    cells, now = printer_for(kind).cells, time.time()
    rows = [_row(manifest, cells(manifest, now), include) for manifest in manifests]
    return orjson.dumps(
        {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": meta,
            "columnDefinitions": column_definitions(kind) if headed else [],
            "rows": rows,
        }
    )


def partial_metadata(manifest: Manifest) -> Manifest:
    """The object as ``PartialObjectMetadata``."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": manifest["metadata"]}


def _row(manifest: Manifest, cells: list[Json], include: str) -> Manifest:
    row: Manifest = {"cells": cells}
    conditions = _finished(manifest)
    if conditions:
        row["conditions"] = conditions
    if include == "Object":
        row["object"] = manifest
    elif include != "None":
        row["object"] = partial_metadata(manifest)
    return row


def _finished(manifest: Manifest) -> list[Manifest]:
    if manifest["kind"] != "Pod":
        return []
    phase = (manifest.get("status") or {}).get("phase")
    if phase not in ("Succeeded", "Failed"):
        return []
    words = "The pod has completed successfully." if phase == "Succeeded" else "The pod failed."
    return [{"type": "Completed", "status": "True", "reason": phase, "message": words}]


def _created_at(manifest: Manifest, now: float) -> list[Json]:
    return [name_of(manifest), manifest["metadata"].get("creationTimestamp", "")]


def _name_and_age(manifest: Manifest, now: float) -> list[Json]:
    return [name_of(manifest), age_of(manifest, now)]


def _custom_printer(declared: tuple[PrinterColumn, ...]) -> Printer:
    if not declared:
        return Printer((NAME, _AGE), _name_and_age)
    columns = tuple(_custom_column(column) for column in declared)
    finders = [(column.type, compile_path(column.json_path)) for column in declared]

    def cells(manifest: Manifest, now: float) -> list[Json]:
        return [name_of(manifest), *(_cell(type_, find(manifest), now) for type_, find in finders)]

    return Printer((NAME, *columns), cells)


def _custom_column(column: PrinterColumn) -> Column:
    words = column.description or f"Custom resource definition column (in JSONPath format): {column.json_path}"
    return Column(column.name, column.type, column.format, words, column.priority)


def _cell(type_: str, found: list[Json], now: float) -> Json:
    value = found[0] if found else None
    if value is None:
        return None
    if type_ == "date":
        return age(value, now)
    if type_ in ("integer", "number", "boolean"):
        return value
    return value if isinstance(value, str) else orjson.dumps(value).decode()
