"""A CRD's schema, read once into nodes that pruning, defaulting and validation walk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from afflux.objects.manifest import Json


class Missing:
    """Says that a schema gives no default (null may be one)."""


MISSING: Final = Missing()


@dataclass(frozen=True, slots=True)
class ValidationRule:
    """One entry of ``x-kubernetes-validations``."""

    rule: str
    message: str = ""
    message_expression: str = ""
    reason: str = "FieldValueInvalid"
    field_path: str = ""
    optional_old_self: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class SchemaNode:
    """One node of a structural schema. ``raw`` holds the value checks (minimum, pattern ...) as written."""

    raw: Mapping[str, Json]
    type: str
    nullable: bool
    properties: Mapping[str, SchemaNode]
    additional: SchemaNode | None
    allows_additional: bool
    items: SchemaNode | None
    preserve: bool
    embedded: bool
    int_or_string: bool
    default: Json | Missing
    list_type: str
    list_map_keys: tuple[str, ...]
    rules: tuple[ValidationRule, ...]
    all_of: tuple[SchemaNode, ...]
    any_of: tuple[SchemaNode, ...]
    one_of: tuple[SchemaNode, ...]
    negated: SchemaNode | None
    has_rules: bool = field(default=False)
    """Whether this node or one below it has rules."""
    has_defaults: bool = field(default=False)
    """Whether this node or one below it has a default."""

    def child(self, name: str) -> SchemaNode | None:
        """The schema of a field; None where nothing is said about it."""
        return self.properties.get(name) or self.additional


def read_schema(raw: Mapping[str, Json]) -> SchemaNode:
    """The node of a raw schema, with all below it."""
    properties = {name: read_schema(child) for name, child in (raw.get("properties") or {}).items()}
    others, items = raw.get("additionalProperties"), raw.get("items")
    additional = read_schema(others) if isinstance(others, dict) else None
    item = read_schema(items) if isinstance(items, dict) else None
    rules = tuple(_rule(entry) for entry in raw.get("x-kubernetes-validations") or ())
    below = [*properties.values(), *(node for node in (additional, item) if node is not None)]
    return SchemaNode(
        raw=raw,
        type=str(raw.get("type") or ""),
        nullable=bool(raw.get("nullable")),
        properties=properties,
        additional=additional,
        allows_additional=bool(others),
        items=item,
        preserve=bool(raw.get("x-kubernetes-preserve-unknown-fields")),
        embedded=bool(raw.get("x-kubernetes-embedded-resource")),
        int_or_string=bool(raw.get("x-kubernetes-int-or-string")),
        default=raw.get("default", MISSING),
        list_type=str(raw.get("x-kubernetes-list-type") or ""),
        list_map_keys=tuple(raw.get("x-kubernetes-list-map-keys") or ()),
        rules=rules,
        all_of=_alternatives(raw, "allOf"),
        any_of=_alternatives(raw, "anyOf"),
        one_of=_alternatives(raw, "oneOf"),
        negated=read_schema(raw["not"]) if isinstance(raw.get("not"), dict) else None,
        has_rules=bool(rules) or any(node.has_rules for node in below),
        has_defaults="default" in raw or any(node.has_defaults for node in below),
    )


def _alternatives(raw: Mapping[str, Json], name: str) -> tuple[SchemaNode, ...]:
    return tuple(read_schema(child) for child in raw.get(name) or ())


def _rule(entry: Mapping[str, Json]) -> ValidationRule:
    return ValidationRule(
        rule=str(entry.get("rule") or ""),
        message=str(entry.get("message") or ""),
        message_expression=str(entry.get("messageExpression") or ""),
        reason=str(entry.get("reason") or "FieldValueInvalid"),
        field_path=str(entry.get("fieldPath") or ""),
        optional_old_self=bool(entry.get("optionalOldSelf")),
    )


def correlate(node: SchemaNode, new: list[Json], old: Json) -> list[Json]:
    """For each item of a list its former self, or None: only items of list-maps can be followed."""
    if node.list_type != "map" or not isinstance(old, list):
        return [None] * len(new)
    former = {item_key(node, item): item for item in old if isinstance(item, dict)}
    return [former.get(item_key(node, item)) if isinstance(item, dict) else None for item in new]


def item_key(node: SchemaNode, item: Mapping[str, Json]) -> str:
    """What identifies an item of a list-map."""
    return repr([item.get(name) for name in node.list_map_keys])
