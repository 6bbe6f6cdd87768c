"""Server-side apply: merging what a manager wants into a live object, under the eyes of the other managers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final, NamedTuple

from afflux.controlplane.managed_fields import (
    NEVER_OWNED,
    Changes,
    ManagerKey,
    Managers,
    Owned,
    Views,
    Writing,
    format_managed_fields,
    listed,
    managers_of,
    take_from,
    without_managed_fields,
)
from afflux.controlplane.version_pruning import pruned_across
from afflux.manifests.conformity import schema_errors
from afflux.manifests.field_set import (
    NO_FIELDS,
    Comparison,
    FieldSet,
    Path,
    compare,
    fieldset_of,
    path_text,
    with_named_parents,
)
from afflux.manifests.structured_merge import remove_fields, structured_merge
from afflux.objects.identity import gvk_of
from afflux.objects.manifest import Json, Manifest, annotations_of, metadata_of
from afflux.schema.openapi import FREE_FORM, Schema

BEFORE_FIRST_APPLY: Final = "before-first-apply"
KUBECTL: Final = "kubectl"
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


class Applied(NamedTuple):
    """What an apply makes: the object, not yet defaulted and without ``managedFields``, and these."""

    object: Manifest
    managed_fields: list[Manifest]


class ConflictCause(NamedTuple):
    """One field that another manager owns. ``manager`` is as Kubernetes prints it: ``"m" using v1``."""

    manager: str
    field: str

    @property
    def message(self) -> str:
        return f"conflict with {self.manager}"


class ApplyConflict(Exception):
    """Other managers own fields that the body would change; the answer is 409 Conflict with a cause for each field."""

    def __init__(self, causes: tuple[ConflictCause, ...]) -> None:
        super().__init__(_conflict_message(causes))
        self.causes = causes


class ApplyInvalid(Exception):
    """A body that can't be applied; ``code`` is the answer's HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def apply(
    live: Manifest | None,
    body: Manifest,
    schema: Schema | None,
    writing: Writing,
    *,
    force: bool = False,
    zero: Manifest | None = None,
    views: Views | None = None,
) -> Applied:
    """Merges ``body`` into ``live`` (None where there is no object yet) as ``writing.manager``.

    Fields the manager set before and sets no more are removed, unless others own them. Raises ``ApplyConflict`` (not
    with ``force``) and ``ApplyInvalid``. Inputs are not changed, and where the apply changes nothing the result holds
    the live object's values and entries themselves. ``zero`` is Go's empty object of the kind. Without ``views`` all
    owners are taken for owners at one version.
    """
    schema = schema or FREE_FORM
    _check_body(body, schema)
    applying = _Applying(live, body, schema, writing, zero or {}, views)
    try:
        applied = applying.run(force=force)
    except ApplyConflict:
        if not (writing.manager == KUBECTL and applying.only_last_applied_conflicts()):
            raise
        applied = _Applying(live, body, schema, writing, zero or {}, views).run(force=True)
    if writing.manager == KUBECTL and LAST_APPLIED in annotations_of(applied.object):
        applied = applied._replace(object=_with_last_applied(applied.object, body))
    return applied


class _Applying:
    """One apply on its way."""

    def __init__(
        self,
        live: Manifest | None,
        body: Manifest,
        schema: Schema,
        writing: Writing,
        zero: Manifest,
        views: Views | None,
    ) -> None:
        self.body = body
        self.views = views
        self.schema = schema
        self.writing = writing
        self.live: Manifest = {} if live is None else without_managed_fields(live)
        self.managers: Managers = {} if live is None else managers_of(live)
        self.key = ManagerKey(writing.manager, "Apply", "", writing.subresource)
        self.conflicts: dict[ManagerKey, FieldSet] = {}
        if not self.managers and metadata_of(self.live).get("uid"):
            self._own_what_was_there(zero)

    def run(self, *, force: bool) -> Applied:
        last = self.managers.get(self.key)
        merged = structured_merge(self.live, self.body, self.schema)
        wanted = self.writing.reset.filtered(fieldset_of(self.body, self.schema))
        self._own(wanted, last)
        if last is not None and not last.fields <= wanted:
            merged = self._pruned(merged, last)
        change = Comparison(NO_FIELDS, NO_FIELDS, NO_FIELDS)
        if merged is not self.live:
            change = compare(self.live, merged, self.schema)
        changes = Changes(self.live, merged, self.writing, change, self.views)
        self._check_conflicts(changes, force=force)
        take_from(self.managers, changes, but=self.key)
        self._own(wanted - NEVER_OWNED, last, touched=not changes.own.is_same)
        return Applied(merged, format_managed_fields(self.managers))

    def only_last_applied_conflicts(self) -> bool:
        """Whether every conflict is about a field that still is as kubectl's client-side apply left it."""
        try:
            applied = json.loads(annotations_of(self.live).get(LAST_APPLIED, ""))
        except ValueError:
            return False
        if not isinstance(applied, dict):
            return False
        differing = compare(applied, self.live, self.schema)
        allowed = fieldset_of(applied, self.schema) - differing.changed - differing.removed
        return all(fields <= allowed for fields in self.conflicts.values())

    def _own_what_was_there(self, zero: Manifest) -> None:
        """An object that nobody tracked so far: what it holds is somebody's, as if written through the same path."""
        fields = self.writing.reset.filtered(compare(zero, self.live, self.schema).changed) - NEVER_OWNED
        version = self.writing.api_version
        if fields:
            key = ManagerKey(BEFORE_FIRST_APPLY, "Update", version, self.writing.subresource)
            self.managers[key] = Owned(fields, version, self.writing.now)

    def _own(self, fields: FieldSet, last: Owned | None, *, touched: bool = False) -> None:
        """The manager's entry; its time moves only when the object changes, and a new entry has none until then."""
        if not fields:
            self.managers.pop(self.key, None)
            return
        version, time = self.writing.api_version, self.writing.now
        if not touched:
            time = last.time if last is not None else ""
        if last is not None and not touched and last.fields == fields and last.api_version == version:
            self.managers[self.key] = last
            return
        self.managers[self.key] = Owned(fields, version, time)

    def _pruned(self, merged: Manifest, last: Owned) -> Manifest:
        """Takes out what the manager set before and nobody owns any more, and what nobody owned below that."""
        schema, here = self.schema, self.writing.api_version
        before = with_named_parents(last.fields, schema)
        others = {entry.api_version for entry in self.managers.values()}
        if self.views is not None and {*others, last.api_version} != {here}:
            return pruned_across(merged, last, self.managers, self.views, here)
        owned = with_named_parents((path for entry in self.managers.values() for path in entry.fields), schema)
        present = with_named_parents(fieldset_of(merged, schema), schema)
        left = with_named_parents(fieldset_of(remove_fields(merged, before, schema), schema), schema)
        without_unowned = remove_fields(merged, present - left - owned, schema)
        left = with_named_parents(fieldset_of(without_unowned, schema), schema)
        # A list that lost its last item shows no field: it goes, whoever owns the list itself.
        pruned: Manifest = remove_fields(merged, (present - left) & before, schema)
        return pruned

    def _check_conflicts(self, changes: Changes, *, force: bool) -> None:
        if changes.own.is_same:
            return
        for key, owned in self.managers.items():
            change = None if key == self.key else changes.at(owned.api_version)
            if change is not None and (fields := owned.fields & change.changed):
                self.conflicts[key] = fields
        if self.conflicts and not force:
            raise ApplyConflict(tuple(_causes(self.conflicts)))


def _check_body(body: Manifest, schema: Schema) -> None:
    metadata = metadata_of(body)
    if metadata.get("managedFields") is not None:
        raise ApplyInvalid(400, "metadata.managedFields must be nil")
    errors = schema_errors(body, schema)
    if not errors:
        return
    gvk = gvk_of(body)
    if gvk.kind == "Secret" and not gvk.group:
        errors = [error.partition(", got ")[0] for error in errors]
    place = f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}"
    kind = f"{gvk.group}/{gvk.version}, Kind={gvk.kind}"
    raise ApplyInvalid(500, f"failed to create typed patch object ({place}; {kind}): {listed(errors)}")


def _causes(conflicts: dict[ManagerKey, FieldSet]) -> Iterable[ConflictCause]:
    for key in sorted(conflicts, key=_manager_order):
        for path in sorted(conflicts[key], key=_member_order):
            yield ConflictCause(_manager_text(key), path_text(path))


def _manager_order(key: ManagerKey) -> str:
    """Managers come in the order of their entries as JSON: at equal names a subresource comes first."""
    entry = {
        "manager": key.manager,
        "operation": key.operation,
        "apiVersion": key.api_version,
        "subresource": key.subresource,
    }
    return _go_json({name: text for name, text in entry.items() if text}, sort_keys=False)


def _member_order(path: Path) -> list[tuple[bool, str]]:
    """At each level members come before what lies deeper."""
    return [(index < len(path) - 1, element) for index, element in enumerate(path)]


def _manager_text(key: ManagerKey) -> str:
    text = json.dumps(key.manager)
    if key.subresource:
        text += f" with subresource {json.dumps(key.subresource)}"
    return f"{text} using {key.api_version}" if key.operation == "Update" else text


def _conflict_message(causes: tuple[ConflictCause, ...]) -> str:
    if len(causes) == 1:
        return f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}"
    lines: list[str] = []
    for manager in dict.fromkeys(cause.manager for cause in causes):
        lines.append(f"conflicts with {manager}:")
        lines += [f"- {cause.field}" for cause in causes if cause.manager == manager]
    return f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines)


def _with_last_applied(applied: Manifest, body: Manifest) -> Manifest:
    """kubectl's own annotation follows its server-side apply, so that client-side apply stays possible."""
    annotations = {name: text for name, text in annotations_of(body).items() if name != LAST_APPLIED}
    metadata: dict[str, Json] = {name: value for name, value in metadata_of(body).items() if name != "annotations"}
    if annotations:
        metadata["annotations"] = annotations
    text = _go_json({**body, "metadata": metadata}) + "\n"
    updated = {**annotations_of(applied), LAST_APPLIED: text}
    return {**applied, "metadata": {**metadata_of(applied), "annotations": updated}}


def _go_json(value: Json, *, sort_keys: bool = True) -> str:
    """As Go's encoder writes it: maps sorted, compact, with HTML's characters escaped."""
    text = json.dumps(value, sort_keys=sort_keys, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
