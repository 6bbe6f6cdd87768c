"""JSON patch and JSON merge patch."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.objects.json_patch import JsonPatchError, JsonPatchTestFailed, apply_json_patch
from afflux.objects.merge_patch import apply_merge_patch

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from("abc"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("document", "operations", "expected"),
    [
        ({"a": 1}, [{"op": "add", "path": "/b", "value": {"c": 2}}], {"a": 1, "b": {"c": 2}}),
        ({"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, 2]}),
        ({"a": [1, 2]}, [{"op": "remove", "path": "/a/0"}], {"a": [2]}),
        ({"a": [1, 2]}, [{"op": "replace", "path": "/a/-1", "value": 9}], {"a": [1, 9]}),
        ({"a/b": {"c~d": 1}}, [{"op": "replace", "path": "/a~1b/c~0d", "value": 2}], {"a/b": {"c~d": 2}}),
        ({"a": {"b": 1}}, [{"op": "move", "from": "/a/b", "path": "/c"}], {"a": {}, "c": 1}),
        ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}),
        ({"a": 1}, [{"op": "test", "path": "/a", "value": 1.0}], {"a": 1}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": 5}], 5),
        ({"a": None}, [{"op": "replace", "path": "/a", "value": None}], {"a": None}),
        ({"a": 1}, [{"op": "replace", "path": "/b", "value": 2}], {"a": 1, "b": 2}),
    ],
)
def test_operations_do_what_the_rfc_says(document: Any, operations: Any, expected: Any) -> None:
    before = copy.deepcopy((document, operations))
    assert apply_json_patch(document, operations) == expected
    assert (document, operations) == before


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        ({"op": "add", "path": "/x/y", "value": 1}, 'doc is missing path: "/x/y"'),
        ({"op": "remove", "path": "/x"}, 'doc is missing path: "/x"'),
        ({"op": "replace", "path": "/x/y", "value": 1}, 'doc is missing path: "/x/y"'),
        ({"op": "add", "path": "/l/3", "value": 1}, "index 3"),
        ({"op": "remove", "path": "/l/x"}, "not an index"),
        ({"op": "add", "path": "a", "value": 1}, "must start with"),
        ({"op": "add", "path": "/a"}, "has no value"),
        ({"op": "move", "path": "/a/b", "from": "/a"}, "into itself"),
        ({"op": "grow", "path": "/a"}, "unexpected kind: grow"),
        ({"op": "copy", "path": "/a"}, 'needs "from"'),
        ("add", "must be an object"),
    ],
)
def test_an_operation_that_does_not_apply_is_named_by_its_index(operation: Any, problem: str) -> None:
    document = {"a": {}, "l": [1, 2]}
    with pytest.raises(JsonPatchError, match="operation 1: .*" + problem) as caught:
        apply_json_patch(document, [{"op": "test", "path": "/a", "value": {}}, operation])
    assert caught.value.index == 1


def test_a_boolean_is_not_a_number_in_a_test_operation() -> None:
    with pytest.raises(JsonPatchTestFailed):
        apply_json_patch({"a": {"b": [True]}}, [{"op": "test", "path": "/a", "value": {"b": [1]}}])


def test_copies_do_not_alias() -> None:
    operations = [
        {"op": "add", "path": "/a/x", "value": 1},
        {"op": "copy", "from": "/a", "path": "/b"},
        {"op": "add", "path": "/b/y", "value": 2},
        {"op": "add", "path": "/a/z", "value": 3},
    ]
    assert apply_json_patch({"a": {}}, operations) == {"a": {"x": 1, "z": 3}, "b": {"x": 1, "y": 2}}


def test_what_a_patch_does_not_touch_is_shared() -> None:
    document = {"a": {"b": {}}, "c": {}}
    patched = apply_json_patch(document, [{"op": "add", "path": "/a/x", "value": 1}])
    assert patched["c"] is document["c"]
    assert patched["a"]["b"] is document["a"]["b"]


def test_too_many_operations_are_refused() -> None:
    with pytest.raises(JsonPatchError, match="allowed maximum operations in a JSON patch is 10000, got 10001"):
        apply_json_patch({}, [{"op": "add", "path": "/a", "value": 1}] * 10_001)


def test_copies_that_double_a_document_are_refused() -> None:
    operations = [{"op": "copy", "from": "", "path": f"/{index}"} for index in range(64)]
    with pytest.raises(JsonPatchError, match="exceed"):
        apply_json_patch({"text": "x" * 100}, operations)


@given(JSON, JSON)
def test_a_replaced_root_is_the_new_value(document: Any, value: Any) -> None:
    assert apply_json_patch(document, [{"op": "replace", "path": "", "value": value}]) == value


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a"], ["c"], ["c"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches_do_what_the_rfc_says(target: Any, patch: Any, expected: Any) -> None:
    before = copy.deepcopy((target, patch))
    assert apply_merge_patch(target, patch) == expected
    assert (target, patch) == before


@given(JSON, JSON)
def test_merging_twice_changes_nothing_more(target: Any, patch: Any) -> None:
    before = copy.deepcopy(target)
    once = apply_merge_patch(target, patch)
    assert target == before
    assert apply_merge_patch(once, patch) == once


def test_a_merge_that_changes_nothing_deeper_shares_it() -> None:
    target = {"a": {"b": {"c": 1}}, "d": {}}
    merged = apply_merge_patch(target, {"d": {"e": 1}})
    assert merged["a"] is target["a"]
