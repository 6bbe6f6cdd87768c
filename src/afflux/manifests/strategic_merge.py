"""Strategic merge patch, as the API server applies it to built-in kinds.

Lists with the strategy ``merge`` are merged by key, or as sets of scalars; directives in the patch (``$patch``,
``$retainKeys``, ``$setElementOrder/...``, ``$deleteFromPrimitiveList/...``) say the rest.
"""

from typing import Final

from afflux.manifests.go_text import go_value
from afflux.objects.equality import json_equal
from afflux.objects.manifest import Json
from afflux.schema.openapi import FREE_FORM, Schema

DIRECTIVE: Final = "$patch"
RETAIN_KEYS: Final = "$retainKeys"
ELEMENT_ORDER: Final = "$setElementOrder/"
DELETE_FROM_LIST: Final = "$deleteFromPrimitiveList/"


class InvalidStrategicPatch(ValueError):
    """A patch that breaks the rules of strategic merge; the API server answers with 500 and this message."""


def strategic_merge(original: Json, patch: Json, schema: Schema | None) -> Json:
    """``original`` with ``patch`` merged into it by the schema's patch strategies.

    Returns a new value that shares what did not change; inputs are not changed. Raises ``InvalidStrategicPatch``.
    """
    if not isinstance(patch, dict):
        raise InvalidStrategicPatch("a strategic merge patch must be an object")
    return _merge_map(original if isinstance(original, dict) else {}, patch, schema or FREE_FORM)


def _merge_map(original: dict[str, Json], patch: dict[str, Json], schema: Schema) -> dict[str, Json]:
    match patch.get(DIRECTIVE):
        case "replace":
            return {name: value for name, value in patch.items() if name != DIRECTIVE}
        case "delete":
            return {}
        case None | "merge":
            pass
        case other:
            raise InvalidStrategicPatch(f"unable to parse patch: unknown {DIRECTIVE} directive {other!r}")
    merged = _retained(original, patch)
    for name, value in patch.items():
        if name in (DIRECTIVE, RETAIN_KEYS):
            continue
        if name.startswith((ELEMENT_ORDER, DELETE_FROM_LIST)):
            field = name.partition("/")[2]
            if field not in patch:
                _put(merged, field, _merge_list(merged.get(field), None, _Field(field, schema, patch)))
        elif value is None:
            merged.pop(name, None)
        else:
            _put(merged, name, _merge_value(merged, name, value, _Field(name, schema, patch)))
    return merged


def _put(merged: dict[str, Json], name: str, value: Json) -> None:
    if value is not None:
        merged[name] = value


class _Field:
    """A field of a map: its schema, and what the patch says about it beside its value."""

    def __init__(self, name: str, parent: Schema, patch: dict[str, Json]) -> None:
        self.name = name
        self.schema = parent.child(name) or FREE_FORM
        self.order = _list_of(patch, ELEMENT_ORDER + name)
        self.deletions = _list_of(patch, DELETE_FROM_LIST + name) or []

    @property
    def merges(self) -> bool:
        return "merge" in self.schema.patch_strategy

    @property
    def replaces(self) -> bool:
        return "replace" in self.schema.patch_strategy


def _list_of(patch: dict[str, Json], directive: str) -> list[Json] | None:
    value = patch.get(directive)
    if value is not None and not isinstance(value, list):
        raise InvalidStrategicPatch(f"{directive} must be a list")
    return value


def _retained(original: dict[str, Json], patch: dict[str, Json]) -> dict[str, Json]:
    """A copy of the original with only the keys the patch retains."""
    if RETAIN_KEYS not in patch:
        return dict(original)
    keys = _list_of(patch, RETAIN_KEYS) or []
    for name in patch:
        if not name.startswith("$") and patch[name] is not None and name not in keys:
            raise InvalidStrategicPatch(f"{RETAIN_KEYS} does not contain {name!r}, which the patch sets")
    return {name: value for name, value in original.items() if name in keys}


def _merge_value(merged: dict[str, Json], name: str, value: Json, field: _Field) -> Json:
    before = merged.get(name)
    if isinstance(value, dict):
        if field.replaces and isinstance(before, dict):
            return _without_directives(value)
        return _merge_map(before if isinstance(before, dict) else {}, value, field.schema)
    if isinstance(value, list):
        return _merge_list(before, value, field)
    return value


def _merge_list(before: Json, patch: list[Json] | None, field: _Field) -> Json:
    """The merged list; None where there was none and nothing is put there."""
    if patch is None and not isinstance(before, list):
        return None
    items = before if isinstance(before, list) else []
    if not field.merges:
        return items if patch is None else _without_directives(patch)
    if field.schema.patch_merge_key:
        return _merge_objects(items, patch or [], field)
    kept = [item for item in items if item not in field.deletions]
    added = [item for item in dict.fromkeys(patch or []) if item not in kept]
    wanted = field.order if field.order is not None else patch or []
    return _in_order([(item, item) for item in [*kept, *added]], wanted, kept)


def _merge_objects(items: list[Json], patch: list[Json], field: _Field) -> list[Json]:
    key = field.schema.patch_merge_key
    if any(isinstance(item, dict) and item.get(DIRECTIVE) == "replace" for item in patch):
        return [_without_directives(item) for item in patch if item.get(DIRECTIVE) != "replace"]
    merged = list(items)
    set_keys = []
    for item in patch:
        value = _key_of(item, key)
        if item.get(DIRECTIVE) == "delete":
            merged = [one for one in merged if not _has_key(one, key, value)]
            continue
        set_keys.append(value)
        position = next((index for index, one in enumerate(merged) if _has_key(one, key, value)), None)
        if position is None:
            merged.append(_merge_map({}, item, field.schema.items))
        else:
            merged[position] = _merge_map(merged[position], item, field.schema.items)
    wanted = set_keys if field.order is None else [_key_of(item, key) for item in field.order]
    live = [one.get(key) for one in items if isinstance(one, dict)]
    return _in_order([(one.get(key) if isinstance(one, dict) else None, one) for one in merged], wanted, live)


def _in_order(keyed: list[tuple[Json, Json]], wanted: list[Json], live: list[Json]) -> list[Json]:
    """Items in the wanted order, and the others, in the live order, put before the first item that followed them live.

    So what is new comes before what was there already, unless the order says otherwise.
    """
    first = sorted((one for one in keyed if one[0] in wanted), key=lambda one: wanted.index(one[0]))
    others = [one for one in keyed if one[0] not in wanted]
    ordered: list[Json] = []
    while first and others:
        other, next_wanted = others[0][0], first[0][0]
        is_before = other in live and next_wanted in live and live.index(other) < live.index(next_wanted)
        ordered.append((others if is_before else first).pop(0)[1])
    return ordered + [item for _, item in first + others]


def _key_of(item: Json, key: str) -> Json:
    if not isinstance(item, dict):
        raise InvalidStrategicPatch(f"{go_value(item)} is not an object, so that it can't be merged by {key}")
    if key not in item:
        raise InvalidStrategicPatch(f"map: {go_value(item)} does not contain declared merge key: {key}")
    return item[key]


def _has_key(item: Json, key: str, value: Json) -> bool:
    return isinstance(item, dict) and key in item and json_equal(item[key], value)


def _without_directives(value: Json) -> Json:
    """A value that is put in place as a whole carries no directives into the object."""
    if isinstance(value, dict):
        if value.get(DIRECTIVE) == "delete":
            return {}
        return {name: _without_directives(child) for name, child in value.items() if not name.startswith("$")}
    if isinstance(value, list):
        return [_without_directives(item) for item in value]
    return value
