"""Custom resources against the schema of their CRD: pruning, defaulting, validation (embedded-api 2.8).

Here belongs what follows from ``schema.openAPIV3Schema`` and its extensions; what a CRD itself must look like is
checked by ``validation``, when its names and versions are served is decided by ``crds``.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from afflux.controlplane.errors import FieldError
from afflux.controlplane.field_errors import invalid_value
from afflux.controlplane.served_kind import ServedKind
from afflux.controlplane.structural.defaulting import default_resource
from afflux.controlplane.structural.nodes import SchemaNode, read_schema
from afflux.controlplane.structural.pruning import prune_resource
from afflux.controlplane.structural.rule_cost import is_cheap
from afflux.controlplane.structural.rules import check_rules
from afflux.controlplane.structural.rulings import Rulings, question_about
from afflux.controlplane.structural.scale import scale_errors
from afflux.controlplane.structural.uniqueness import check_lists
from afflux.controlplane.structural.values import check
from afflux.objects.manifest import Manifest, metadata_of

_BLOCKING = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)
_UNCHECKED = FieldError(
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
    "<nil>",
)

_schemas: WeakKeyDictionary[ServedKind, SchemaNode] = WeakKeyDictionary()
_stored_schemas: WeakKeyDictionary[ServedKind, SchemaNode] = WeakKeyDictionary()


def prune(kind: ServedKind, manifest: Manifest) -> tuple[Manifest, list[str]]:
    """The object without the fields that its schema doesn't declare, and their paths, sorted."""
    return prune_resource(_schema(kind), manifest)


def default(kind: ServedKind, manifest: Manifest) -> Manifest:
    """The object with its schema's defaults; nulls where none are allowed take the default or go."""
    return default_resource(_schema(kind), manifest)


def as_stored(kind: ServedKind, manifest: Manifest) -> Manifest:
    """The object as the version that is stored declares it: what only another version knows is lost."""
    schema = _stored_schemas.get(kind)
    if schema is None:
        versions = kind.custom.versions if kind.custom else {}
        schema = _stored_schemas[kind] = read_schema(versions.get(kind.storage_gvk.version) or {})
    return default_resource(schema, prune_resource(schema, manifest)[0])


def has_defaults(kind: ServedKind) -> bool:
    """Whether the schema fills in anything."""
    return _schema(kind).has_defaults


def validate(
    kind: ServedKind,
    new: Manifest,
    old: Manifest | None,
    warnings: list[str] | None = None,
    rulings: Rulings | None = None,
) -> list[FieldError]:
    """What is wrong with an object: its kind, values, list types, then the schema's CEL rules.

    Parts that an update leaves as they were are not looked at again. A rule that can't be evaluated adds to
    ``warnings`` (where given) and refuses nothing. Where rules may take long and ``rulings`` has no answer yet,
    ``RulingNeeded`` is raised; without ``rulings`` they are evaluated here.
    """
    schema = _schema(kind)
    errors = _type_errors(kind, new)
    errors += check(schema, new, old, "")
    errors += scale_errors(kind.custom, new) if kind.custom else ()
    errors += check_lists(schema, new, "")
    if not schema.has_rules:
        return errors
    if any(error.reason in _BLOCKING for error in errors):
        return [*errors, _UNCHECKED]
    return errors + _rule_errors(kind, new, old, [] if warnings is None else warnings, rulings)


def _rule_errors(
    kind: ServedKind, new: Manifest, old: Manifest | None, warnings: list[str], rulings: Rulings | None
) -> list[FieldError]:
    if new == old:
        return []
    schema, seen, before = _schema(kind), _seen_by_rules(new), None if old is None else _seen_by_rules(old)
    if rulings is None or is_cheap(schema, seen, before):
        return list(check_rules(schema, seen, before, "", warnings, differs=True))
    ruling = rulings.on(question_about(schema.raw, seen, before))
    warnings += ruling.warnings
    return ruling.errors


def _seen_by_rules(manifest: Manifest) -> Manifest:
    """An object as rules see it: of its metadata its name only."""
    metadata = metadata_of(manifest)
    names = {key: metadata[key] for key in ("name", "generateName") if key in metadata}
    return {**manifest, "metadata": names}


def _type_errors(kind: ServedKind, new: Manifest) -> list[FieldError]:
    if new.get("kind") == kind.gvk.kind:
        return []
    return [invalid_value("kind", new.get("kind"), f"must be {kind.gvk.kind}")]


def _schema(kind: ServedKind) -> SchemaNode:
    """The schema of a served kind, read on first use; the kind is made anew when its CRD changes."""
    schema = _schemas.get(kind)
    if schema is None:
        schema = _schemas[kind] = read_schema(kind.custom.raw_schema if kind.custom else {})
    return schema
