from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.objects.merge_patch import apply_merge_patch
from afflux.runtime.conditions import merge_foreign
from afflux.runtime.status_writer import merge_patch_between

PATCHES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({}, {}, {}),
    ({"a": 1}, {"a": 1}, {}),
    ({"a": 1, "b": 2}, {"a": 1}, {"b": None}),
    ({}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "d": 3}}, {"a": {"c": None, "d": 3}}),
    ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
    ({"a": {"b": 1}}, {"a": [1]}, {"a": [1]}),
]


@pytest.mark.parametrize(("before", "after", "patch"), PATCHES)
def test_a_patch_holds_what_changed_and_nothing_else(before: Any, after: Any, patch: Any) -> None:
    assert merge_patch_between(before, after) == patch


VALUES = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
STATUSES = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)


@given(STATUSES, STATUSES)
def test_applying_the_patch_gives_what_was_wanted(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert apply_merge_patch(before, merge_patch_between(before, after)) == after


def test_conditions_of_others_are_taken_from_the_server() -> None:
    ours = [{"type": "Ready", "status": "True"}, {"type": "Reviewed", "status": "False"}]
    theirs = [{"type": "Ready", "status": "False"}, {"type": "Reviewed", "status": "True"}, {"type": "Audited"}]
    assert merge_foreign(ours, theirs, frozenset(("Ready",))) == [
        {"type": "Ready", "status": "True"},
        {"type": "Audited"},
        {"type": "Reviewed", "status": "True"},
    ]
