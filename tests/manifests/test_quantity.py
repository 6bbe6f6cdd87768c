"""Canonical quantities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.manifests.quantity import InvalidQuantity, canonical_quantities, canonical_quantity
from afflux.objects.identity import GroupVersionKind
from afflux.schema.openapi import builtin_schemas


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("100M", "100M"),
        ("1", "1"),
        ("0", "0"),
        ("0.0", "0"),
        ("1000", "1k"),
        ("1500", "1500"),
        ("1024", "1024"),
        ("1Ki", "1Ki"),
        ("0.5Ki", "512"),
        ("2000Ki", "2000Ki"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("1E", "1E"),
        ("12e6", "12e6"),
        ("100m", "100m"),
        ("1.001", "1001m"),
        (".5", "500m"),
        ("5.", "5"),
        ("-1500m", "-1500m"),
        ("+2", "2"),
        ("1n", "1n"),
        ("0.1n", "1n"),
    ],
)
def test_a_quantity_is_written_in_its_shortest_exact_form(text: str, canonical: str) -> None:
    assert canonical_quantity(text) == canonical


@pytest.mark.parametrize("text", ["", "x", "1 Gi", "1gb", "1KiB", "--1", "1e", "1.2.3"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidQuantity):
        canonical_quantity(text)


@given(st.integers(0, 10**7), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi"]))
def test_a_canonical_quantity_stays_as_it_is(number: int, suffix: str) -> None:
    once = canonical_quantity(f"{number}{suffix}")
    assert canonical_quantity(once) == once


def test_only_what_the_schema_declares_as_a_quantity_changes() -> None:
    schema = builtin_schemas().for_kind(GroupVersionKind("", "v1", "Pod"))
    assert schema is not None
    quiet = {"name": "a", "env": [{"name": "X", "value": "1000m"}]}
    loud = {"name": "b", "resources": {"limits": {"cpu": "1000m", "memory": 1024}, "requests": {"cpu": "odd"}}}
    pod = {"metadata": {"name": "1000m"}, "spec": {"containers": [quiet, loud]}}
    result = canonical_quantities(pod, schema)
    assert result["spec"]["containers"][1]["resources"] == {
        "limits": {"cpu": "1", "memory": "1024"},
        "requests": {"cpu": "odd"},
    }
    assert result["spec"]["containers"][0] is quiet
    assert result["metadata"] is pod["metadata"]
    assert canonical_quantities(result, schema) is result
