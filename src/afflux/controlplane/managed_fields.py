"""``metadata.managedFields``: who set which field, read, written, and kept up to date by creates and updates.

The rules are those of Kubernetes 1.36 (its fieldmanager and structured-merge-diff). What an apply does is in
``server_side_apply``, what scaling does in ``scale_ownership``. Nothing here changes a manifest it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from afflux.manifests.conformity import schema_errors
from afflux.manifests.field_set import (
    NO_FIELDS,
    Comparison,
    FieldSet,
    Path,
    compare,
    fields_v1,
    parse_fields_v1,
)
from afflux.objects.equality import json_equal
from afflux.objects.manifest import Json, Manifest, metadata_of
from afflux.schema.openapi import FREE_FORM, Schema

MAX_UPDATE_ENTRIES: Final = 10
"""Beyond so many ``Update`` entries the oldest are merged into one."""

ANCIENT_CHANGES: Final = "ancient-changes"

NEVER_OWNED: Final[FieldSet] = frozenset(
    [
        ("f:apiVersion",),
        ("f:kind",),
        ("f:metadata",),
        *(
            ("f:metadata", f"f:{name}")
            for name in (
                "name",
                "namespace",
                "creationTimestamp",
                "selfLink",
                "uid",
                "clusterName",
                "generation",
                "managedFields",
                "resourceVersion",
            )
        ),
    ]
)
"""What identifies an object is nobody's."""


class ResetFields(NamedTuple):
    """Fields that a write through some path may not set, so that it doesn't come to own them."""

    ignored: tuple[Path, ...] = ()
    only: Path = ()
    """Where given, nothing outside it counts (``/status`` of custom objects)."""

    def filtered(self, fields: FieldSet) -> FieldSet:
        """The fields without those that are reset."""
        if not self.ignored and not self.only:
            return fields
        kept: Iterable[Path] = fields
        if self.only:
            size, only = len(self.only), self.only
            kept = [path for path in kept if path[:size] == only]
        for prefix in self.ignored:
            size = len(prefix)
            kept = [path for path in kept if path[:size] != prefix]
        return frozenset(kept)


class Writing(NamedTuple):
    """Who writes what: the manager's name, the version and subresource written through, and RFC 3339 time."""

    manager: str
    api_version: str
    now: str
    subresource: str = ""
    reset: ResetFields = ResetFields()


class ManagerKey(NamedTuple):
    """What tells two entries apart. ``api_version`` is empty for ``Apply``: one entry, whatever the version."""

    manager: str
    operation: str
    api_version: str
    subresource: str


class Owned(NamedTuple):
    """One entry: the fields, the version they are of, when they last changed (if known), and the entry as read."""

    fields: FieldSet
    api_version: str
    time: str
    entry: Manifest | None = None


Managers = dict[ManagerKey, Owned]


class View(NamedTuple):
    """An object at one version, and the schema of that version."""

    object: Manifest
    schema: Schema


Views = Callable[[Manifest, str], View | None]
"""An object (at the version that its ``apiVersion`` says) seen at another version; None where there is none such.

Raises ``Unconvertible``.
"""


class Unconvertible(Exception):
    """The object can't be seen at a version that it has owners of."""


class Changes:
    """How a write changed an object, at each version that owners have written through."""

    def __init__(self, old: Manifest, new: Manifest, writing: Writing, change: Comparison, views: Views | None) -> None:
        self._old, self._new, self._reset, self._views = old, new, writing.reset, views
        self._found: dict[str, Comparison | None] = {writing.api_version: reset_comparison(change, writing.reset)}
        self.own = self._found[writing.api_version] or change

    def at(self, api_version: str) -> Comparison | None:
        """The comparison at a version; None where it isn't served any more: then nothing is owned through it."""
        if self._views is None or self.own.is_same:
            return self.own
        if api_version not in self._found:
            old, new = self._seen("old", self._old, api_version), self._seen("new", self._new, api_version)
            self._found[api_version] = (
                None
                if old is None or new is None
                else reset_comparison(compare(old.object, new.object, new.schema), self._reset)
            )
        return self._found[api_version]

    def _seen(self, which: str, manifest: Manifest, api_version: str) -> View | None:
        view = self._views(manifest, api_version) if self._views is not None else None
        errors = schema_errors(view.object, view.schema) if view is not None else ()
        if errors:
            raise Unconvertible(f"failed to convert {which} object: {listed(errors)}")
        return view


def listed(errors: Sequence[str]) -> str:
    """Errors about fields as structured-merge-diff prints them."""
    return errors[0] if len(errors) == 1 else "\n  ".join(["errors:", *errors])


def parse_managed_fields(entries: Iterable[Json]) -> Managers:
    """Reads ``managedFields``. Raises ``ValueError`` where an entry isn't one."""
    managers: Managers = {}
    for entry in entries:
        key, owned = _parse_entry(entry)
        managers[key] = owned
    return managers


def format_managed_fields(managers: Managers) -> list[Manifest]:
    """Writes ``managedFields`` in Kubernetes' order; entries that didn't change are the ones that were read."""
    entries = [_format_entry(key, owned) for key, owned in managers.items() if owned.fields]
    entries.sort(key=_entry_order)
    return entries


def managers_of(manifest: Manifest) -> Managers:
    """The managers of a live object; none where its entries can't be read."""
    try:
        return parse_managed_fields(metadata_of(manifest).get("managedFields") or ())
    except ValueError:
        return {}


def without_managed_fields(manifest: Manifest) -> Manifest:
    """The object without its ``managedFields``; the object itself where it has none."""
    metadata = metadata_of(manifest)
    if "managedFields" not in metadata:
        return manifest
    kept = {name: value for name, value in metadata.items() if name != "managedFields"}
    return {**manifest, "metadata": kept}


def with_managed_fields(manifest: Manifest, entries: list[Manifest]) -> Manifest:
    """The object with these ``managedFields``, or without any where the list is empty."""
    if not entries:
        return without_managed_fields(manifest)
    return {**manifest, "metadata": {**metadata_of(manifest), "managedFields": entries}}


def is_unchanged(live: Manifest, new: Manifest) -> bool:
    """Whether two objects are equal but for the times in their ``managedFields``: then nothing is to be written."""
    before, after = metadata_of(live).get("managedFields") or [], metadata_of(new).get("managedFields") or []
    if before is not after and [{**entry, "time": ""} for entry in before] != [{**e, "time": ""} for e in after]:
        return False
    return json_equal(without_managed_fields(live), without_managed_fields(new))


def update(
    live: Manifest | None,
    new: Manifest,
    schema: Schema | None,
    writing: Writing,
    *,
    zero: Manifest,
    views: Views | None = None,
) -> list[Manifest]:
    """The ``managedFields`` of ``new`` after a create (``live`` is None), a PUT or a patch.

    ``new`` is what will be stored; ``managedFields`` that its body gave replace the live ones, except through a
    subresource. ``zero`` is Go's empty object of the kind, the old side of a create. Without ``views`` all owners are
    taken for owners at one version. Where the object can't be seen at an owner's version nobody owns anything any more.
    """
    managers = _managers_before(live, new, writing.subresource)
    if not managers and live is not None and metadata_of(live).get("uid"):
        return []
    old = zero if live is None else without_managed_fields(live)
    after = without_managed_fields(new)
    change = compare(old, after, schema or FREE_FORM)
    if change.is_same and live is not None:
        return format_managed_fields(managers)
    taken = writing.reset.filtered(change.changed) - NEVER_OWNED
    try:
        take_from(managers, Changes(old, after, writing, change, None if live is None else views), but=None)
    except Unconvertible:
        return []
    if taken:
        key = ManagerKey(writing.manager, "Update", writing.api_version, writing.subresource)
        before = managers[key].fields if key in managers else NO_FIELDS
        managers[key] = Owned(before | taken, writing.api_version, writing.now)
    _merge_oldest(managers)
    return format_managed_fields(managers)


def reset_comparison(change: Comparison, reset: ResetFields) -> Comparison:
    """The comparison without the fields that this write may not set."""
    return Comparison(*map(reset.filtered, change))


def take_from(managers: Managers, changes: Changes, *, but: ManagerKey | None) -> None:
    """Everybody but one loses what was set and what is gone; entries left empty go."""
    if changes.own.is_same:
        return
    for key, owned in tuple(managers.items()):
        if key == but:
            continue
        change = changes.at(owned.api_version)
        kept = NO_FIELDS if change is None else owned.fields - change.changed - change.removed
        if not kept:
            del managers[key]
        elif len(kept) != len(owned.fields):
            managers[key] = Owned(kept, owned.api_version, owned.time)


def _managers_before(live: Manifest | None, new: Manifest, subresource: str) -> Managers:
    stored = {} if live is None else managers_of(live)
    given = metadata_of(new).get("managedFields")
    if subresource or not isinstance(given, list):
        return stored
    if given in ([], [{}]):
        return {}
    try:
        return parse_managed_fields(given)
    except ValueError:
        return stored


def _merge_oldest(managers: Managers) -> None:
    """Merges the oldest updates of a version into one entry while there are more than the limit."""
    updates = [key for key in managers if key.operation == "Update"]
    excess = len(updates) - MAX_UPDATE_ENTRIES
    if excess <= 0:
        return
    updates.sort(key=lambda key: (managers[key].time, key))
    first: dict[str, ManagerKey] = {}
    for key in updates:
        if excess <= 0:
            return
        owned = managers[key]
        bucket = ManagerKey(ANCIENT_CHANGES, "Update", owned.api_version, "")
        if owned.api_version not in first:
            first[owned.api_version] = key
            continue
        if bucket not in managers:
            managers[bucket] = managers.pop(first[owned.api_version])
        del managers[key]
        managers[bucket] = Owned(managers[bucket].fields | owned.fields, owned.api_version, owned.time)
        excess -= 1


def _parse_entry(entry: Json) -> tuple[ManagerKey, Owned]:
    if not isinstance(entry, dict):
        raise ValueError("an entry of managedFields must be an object")
    operation, fields = entry.get("operation"), entry.get("fieldsV1") or {}
    if operation not in ("Apply", "Update") or not isinstance(fields, dict):
        raise ValueError("an entry of managedFields must have an operation (Apply or Update) and fieldsV1")
    version = str(entry.get("apiVersion", ""))
    key = ManagerKey(
        str(entry.get("manager", "")),
        operation,
        version if operation == "Update" else "",
        str(entry.get("subresource", "")),
    )
    return key, Owned(parse_fields_v1(fields), version, str(entry.get("time") or ""), entry)


def _format_entry(key: ManagerKey, owned: Owned) -> Manifest:
    if owned.entry is not None:
        return owned.entry
    entry: Manifest = {
        "manager": key.manager,
        "operation": key.operation,
        "apiVersion": owned.api_version,
        **({"time": owned.time} if owned.time else {}),
        "fieldsType": "FieldsV1",
        "fieldsV1": fields_v1(owned.fields),
    }
    if key.subresource:
        entry["subresource"] = key.subresource
    return entry


def _entry_order(entry: Manifest) -> tuple[str, ...]:
    return (
        entry["operation"],
        entry.get("time") or "",
        entry.get("manager", ""),
        entry.get("apiVersion", ""),
        entry.get("subresource", ""),
    )
