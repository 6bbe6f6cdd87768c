"""Server-side apply: what holds for any sequence of writes."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from afflux.controlplane.managed_fields import (
    Writing,
    format_managed_fields,
    is_unchanged,
    parse_managed_fields,
    update,
    with_managed_fields,
    without_managed_fields,
)
from afflux.controlplane.server_side_apply import ApplyConflict, apply
from afflux.manifests.field_set import compare, fieldset_of
from afflux.objects.manifest import Manifest
from afflux.objects.merge_patch import apply_merge_patch
from afflux.schema.openapi import schema_from_crd

TEXT = {"type": "string"}
MAP = {"type": "object", "additionalProperties": TEXT}
ITEM = {"type": "object", "properties": {"name": TEXT, "value": TEXT, "labels": MAP}}
KEYED = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
SPEC = {
    "size": {"type": "integer"},
    "atom": {**MAP, "x-kubernetes-map-type": "atomic"},
    "labels": MAP,
    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": TEXT},
    "items": {"type": "array", **KEYED, "items": ITEM},
}
SCHEMA = schema_from_crd({"type": "object", "properties": {"spec": {"type": "object", "properties": SPEC}}})
ZERO: Manifest = {"metadata": {}}

VALUES = st.sampled_from("12")
MAPS = st.dictionaries(st.sampled_from("xy"), VALUES, max_size=2)
ITEMS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("mno")}, optional={"value": VALUES, "labels": MAPS}),
    unique_by=lambda item: item["name"],
    max_size=3,
)
TAGS = st.lists(st.sampled_from("abc"), unique=True, max_size=3)
SPECS = st.fixed_dictionaries(
    {}, optional={"size": st.integers(1, 2), "atom": MAPS, "labels": MAPS, "tags": TAGS, "items": ITEMS}
)
BODIES = SPECS.map(
    lambda spec: {"apiVersion": "x.io/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": dict(spec)}
)
# An empty list is no field: whoever applies one does not own it, and what holds nothing else may be taken for gone.
HOLDERS = {("f:spec",), *(("f:spec", f"f:{name}") for name in ("tags", "items"))}
FULL_BODIES = BODIES.filter(lambda body: body["spec"] and [] not in body["spec"].values())
STEPS = st.lists(st.tuples(st.sampled_from(["apply", "force", "patch"]), st.sampled_from("pqr"), BODIES), max_size=6)


def written(live: Manifest | None, body: Any, manager: str, second: int, *, force: bool = True) -> Manifest:
    writing = Writing(manager, "x.io/v1", f"2026-01-01T00:00:{second:02}Z")
    applied = apply(live, body, SCHEMA, writing, force=force, zero=ZERO)
    return tracked(with_managed_fields(applied.object, applied.managed_fields))


def tracked(manifest: Manifest) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], "uid": "u"}}


def after(steps: Any) -> Manifest | None:
    """The object after the steps that went through; no step may change what was there before it."""
    live: Manifest | None = None
    for second, (how, manager, body) in enumerate(steps):
        frozen = json.dumps(live)
        try:
            if how == "patch" and live is not None:
                new = apply_merge_patch(live, body)
                writing = Writing(manager, "x.io/v1", f"2026-01-01T00:00:{second:02}Z")
                next_live = with_managed_fields(new, update(live, new, SCHEMA, writing, zero=ZERO))
            else:
                next_live = written(live, body, manager, second, force=how == "force")
        except ApplyConflict:
            continue
        assert json.dumps(live) == frozen
        live = next_live
    return live


@given(STEPS, FULL_BODIES)
@settings(max_examples=60)
def test_a_forced_apply_sets_what_it_says_and_repeating_it_changes_nothing(steps: Any, body: Any) -> None:
    once = written(after(steps), body, "m", 30)
    assert not compare(once, body, SCHEMA).changed
    again = written(once, body, "m", 31, force=False)
    assert is_unchanged(once, again)
    assert again["metadata"].get("managedFields") == once["metadata"].get("managedFields")


@given(STEPS)
@settings(max_examples=60)
def test_every_owned_field_is_there_and_entries_survive_reading(steps: Any) -> None:
    live = after(steps)
    if live is None:
        return
    entries = live["metadata"].get("managedFields", [])
    assert format_managed_fields(parse_managed_fields(json.loads(json.dumps(entries)))) == entries
    present = compare({}, live, SCHEMA).added | HOLDERS
    for owned in parse_managed_fields(entries).values():
        assert owned.fields <= present | fieldset_of(live, SCHEMA)


@given(FULL_BODIES, FULL_BODIES)
@settings(max_examples=60)
def test_a_lone_manager_gets_exactly_what_it_applied_last(first: Any, second: Any) -> None:
    changed = written(written(None, first, "m", 1), second, "m", 2)
    fresh = written(None, second, "m", 3)
    assert without_managed_fields(changed) == without_managed_fields(fresh)


@given(STEPS, BODIES)
@settings(max_examples=60)
def test_no_field_with_two_values_is_shared(steps: Any, body: Any) -> None:
    live = after(steps)
    if live is None or "managedFields" not in live["metadata"] or "spec" not in live:
        return
    mine = fieldset_of(body, SCHEMA) & compare(live, body, SCHEMA).modified
    theirs = parse_managed_fields(live["metadata"]["managedFields"])
    conflicting = any(owned.fields & mine for key, owned in theirs.items() if key.manager != "m")
    try:
        written(live, body, "m", 30, force=False)
        assert not conflicting
    except ApplyConflict:
        assert conflicting
