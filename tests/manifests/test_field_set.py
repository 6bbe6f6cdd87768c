"""Field sets, comparison and structured merge."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.manifests.conformity import schema_errors
from afflux.manifests.field_set import (
    compare,
    fields_v1,
    fieldset_of,
    parse_fields_v1,
    path_text,
    with_named_parents,
)
from afflux.manifests.structured_merge import remove_fields, structured_merge
from afflux.objects.identity import GroupVersionKind
from afflux.schema.openapi import Schema, builtin_schemas, schema_from_crd

TEXT = {"type": "string"}
PORT = {
    "type": "object",
    "properties": {"port": {"type": "integer"}, "protocol": {**TEXT, "default": "TCP"}, "n": TEXT},
}
ITEM = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "value": TEXT,
        "labels": {"type": "object", "additionalProperties": TEXT},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port", "protocol"],
            "items": PORT,
        },
    },
}
SPEC = {
    "type": "object",
    "properties": {
        "size": {"type": "integer"},
        "atom": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": TEXT},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": TEXT},
        "plain": {"type": "array", "items": TEXT},
        "items": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": ITEM,
        },
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}
SCHEMA = schema_from_crd({"type": "object", "properties": {"spec": SPEC}})

VALUES = st.sampled_from("12")
MAPS = st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=2)
PORTS = st.lists(
    st.fixed_dictionaries({"port": st.integers(1, 2)}, optional={"n": VALUES}),
    unique_by=lambda p: p["port"],
    max_size=2,
)
ITEMS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from("mnop")}, optional={"value": VALUES, "labels": MAPS, "ports": PORTS}
    ),
    unique_by=lambda item: item["name"],
    max_size=4,
)
FREE = st.fixed_dictionaries({}, optional={"a": VALUES, "b": MAPS, "c": st.lists(VALUES, max_size=2)})
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "size": st.integers(1, 2),
        "atom": MAPS,
        "tags": st.lists(st.sampled_from("abcd"), unique=True, max_size=3),
        "plain": st.lists(VALUES, max_size=2),
        "items": ITEMS,
        "free": FREE,
    },
)
OBJECTS = st.fixed_dictionaries({"spec": SPECS})


def deployment() -> Schema:
    schema = builtin_schemas().for_kind(GroupVersionKind("apps", "v1", "Deployment"))
    assert schema is not None
    return schema


def test_a_field_set_holds_leaves_items_and_keys_of_maps() -> None:
    pod = {"containers": [{"name": "c", "args": ["x"], "ports": [{"containerPort": 80}]}], "nodeSelector": {"a": "b"}}
    value = {"metadata": {"labels": {"l": "1"}}, "spec": {"template": {"spec": pod}}}
    assert fields_v1(fieldset_of(value, deployment())) == {
        "f:metadata": {"f:labels": {"f:l": {}}},
        "f:spec": {
            "f:template": {
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"c"}': {
                            ".": {},
                            "f:args": {},
                            "f:name": {},
                            "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
                        }
                    },
                    "f:nodeSelector": {},
                }
            }
        },
    }


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("f:spec", "f:containers", 'k:{"name":"c"}', "f:image"), '.spec.containers[name="c"].image'),
        (("f:ports", 'k:{"port":53,"protocol":"TCP"}'), '.ports[port=53,protocol="TCP"]'),
        (("f:metadata", "f:finalizers", 'v:"x.io/a"'), '.metadata.finalizers[="x.io/a"]'),
    ],
)
def test_paths_are_printed_as_kubernetes_prints_them(path: tuple[str, ...], text: str) -> None:
    assert path_text(path) == text


@pytest.mark.parametrize("fields", [{"x": {}}, {"f:a": 1}, {"k:[1]": {}}, {"k:{": {}}, {".": {}, "f:a": {"b": {}}}])
def test_malformed_fields_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        parse_fields_v1(fields)


def test_parents_that_are_properties_are_added_but_not_items_and_keys() -> None:
    path = ("f:spec", "f:items", 'k:{"name":"m"}', "f:labels", "f:x")
    assert with_named_parents([path], SCHEMA) == {path, path[:1], path[:2], path[:4]}


@given(OBJECTS)
def test_a_field_set_survives_writing_and_reading(value: Any) -> None:
    members = fieldset_of(value, SCHEMA)
    assert parse_fields_v1(fields_v1(members)) == members


@given(OBJECTS, OBJECTS)
def test_what_one_direction_adds_the_other_removes(old: Any, new: Any) -> None:
    forth, back = compare(old, new, SCHEMA), compare(new, old, SCHEMA)
    assert (forth.added, forth.modified, forth.removed) == (back.removed, back.modified, back.added)
    assert compare(old, old, SCHEMA).is_same


@given(OBJECTS, OBJECTS)
def test_a_merge_holds_what_was_asked_and_changes_nothing_when_repeated(live: Any, body: Any) -> None:
    frozen = repr((live, body))
    merged = structured_merge(live, body, SCHEMA)
    assert structured_merge(merged, body, SCHEMA) == merged
    assert not compare(merged, body, SCHEMA).changed
    assert schema_errors(merged, SCHEMA) == []
    assert compare(live, merged, SCHEMA).removed <= compare(live, body, SCHEMA).removed
    assert repr((live, body)) == frozen


@given(OBJECTS)
def test_removing_every_field_leaves_none(value: Any) -> None:
    frozen = repr(value)
    rest = remove_fields(value, fieldset_of(value, SCHEMA), SCHEMA)
    assert not compare({"spec": {}}, rest, SCHEMA).modified
    assert all("k:" not in element and "v:" not in element for path in fieldset_of(rest, SCHEMA) for element in path)
    assert repr(value) == frozen


@pytest.mark.parametrize(
    ("live", "body", "merged"),
    [
        ("ab", "b", "ab"),
        ("ab", "ba", "ba"),
        ("abc", "xc", "abxc"),
        ("abc", "cx", "abcx"),
        ("abcd", "db", "acdb"),
        ("", "ab", "ab"),
        ("ab", "", "ab"),
    ],
)
def test_named_items_come_in_the_order_of_the_body(live: str, body: str, merged: str) -> None:
    result = structured_merge({"spec": {"tags": list(live)}}, {"spec": {"tags": list(body)}}, SCHEMA)
    assert "".join(result["spec"]["tags"]) == merged


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ({"size": "x"}, ".spec.size: expected numeric (int or float), got string"),
        ({"plain": {}}, ".spec.plain: expected list, got &{map[]}"),
        ({"atom": [1]}, ".spec.atom: expected map, got &{[1]}"),
        (
            {"items": [{"name": "m", "value": 1}]},
            '.spec.items[name="m"].value: expected string, got &value.valueUnstructured{Value:1}',
        ),
        ({"tags": ["a", "a"]}, '.spec.tags: duplicate entries for key [="a"]'),
        (
            {"items": [{"value": "x"}]},
            ".spec.items: element 0: associative list with keys has an element that omits all key fields "
            '["name"] (and doesn\'t have default values for any key fields)',
        ),
        ({"free": {"x": [1, {"y": 2}]}, "other": 1}, ".spec.other: field not declared in schema"),
    ],
)
def test_values_that_do_not_fit_are_named(spec: dict[str, Any], error: str) -> None:
    assert schema_errors({"spec": spec}, SCHEMA) == [error]
