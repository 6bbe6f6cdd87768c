"""Pruning, defaulting and validation against a schema hold for any object."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.controlplane.test_crds import crd

from afflux.controlplane import structural
from afflux.controlplane.custom_kinds import kinds_of_crd

DEFINITION = crd()
DEFINITION["spec"]["names"] |= {"singular": "widget", "listKind": "WidgetList"}
KIND = next(kinds_of_crd(DEFINITION))

NAMES = st.sampled_from(["spec", "status", "size", "color", "tags", "ports", "port", "proto", "free", "phase", "other"])
SCALARS = st.none() | st.booleans() | st.integers(-3, 12) | st.floats(-1, 11) | st.sampled_from(["", "red", "TCP", "x"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=20
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4).map(
    lambda content: {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, **content}
)


@given(OBJECTS)
def test_pruning_twice_is_pruning_once(manifest: dict[str, Any]) -> None:
    before = copy.deepcopy(manifest)
    pruned, _ = structural.prune(KIND, manifest)
    assert manifest == before
    assert structural.prune(KIND, pruned) == (pruned, [])
    assert structural.prune(KIND, pruned)[0] is pruned


@given(OBJECTS)
def test_defaulting_twice_is_defaulting_once(manifest: dict[str, Any]) -> None:
    before = copy.deepcopy(manifest)
    filled = structural.default(KIND, manifest)
    assert manifest == before
    assert structural.default(KIND, filled) is filled


@given(OBJECTS)
def test_an_object_that_did_not_change_is_not_refused_for_its_content(manifest: dict[str, Any]) -> None:
    assert structural.validate(KIND, manifest, None) is not None
    errors = structural.validate(KIND, manifest, manifest)
    assert {error.reason for error in errors} <= {"FieldValueDuplicate"}
