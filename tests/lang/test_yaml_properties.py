"""What must hold of YAML for any value and any text."""

from hypothesis import given
from hypothesis import strategies as st

from afflux.lang.yaml import KUBERNETES, KUSTOMIZE, YamlError, dump, dump_documents, load, load_documents, locate
from afflux.objects.manifest import Json

STRINGS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff"), max_size=40),
    st.sampled_from(["y", "no", "1e3", "012", "0x1f", "1_000", "2001-01-01", "12:30:45", "~", "<<", "=", ".inf", "-"]),
    st.text(alphabet=" \n\t#:-?[]{}'\"|>&*!%@`,ab", max_size=20),
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
NUMBERS = st.one_of(
    st.integers(-(2**63), 2**64 - 1), FLOATS.filter(lambda number: not number.is_integer() or abs(number) < 2**53)
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, STRINGS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(STRINGS, inner, max_size=4)),
    max_leaves=12,
)
OBJECTS = st.dictionaries(STRINGS, VALUES, max_size=4)


@given(OBJECTS)
def test_what_is_written_reads_back_the_same_in_both_dialects(value: Json) -> None:
    text = dump(value)
    assert load(text, dialect=KUBERNETES) == value
    assert load(text, dialect=KUSTOMIZE) == value


@given(FLOATS.filter(float.is_integer))
def test_a_large_whole_number_is_written_with_the_digits_that_tell_it(number: float) -> None:
    assert float(load(dump({"value": number}))["value"]) == number


@given(st.lists(OBJECTS, max_size=3))
def test_documents_that_are_written_read_back_the_same(values: list[Json]) -> None:
    text = dump_documents(values)
    assert [document.value for document in load_documents(text)] == values


@given(VALUES)
def test_writing_is_idempotent(value: Json) -> None:
    once = dump({"value": value})
    assert dump(load(once)) == once


@given(st.text(alphabet="ab1: -\n\t#'\"[]{},&*!|>%?<~.", max_size=60))
def test_any_text_reads_or_is_a_yaml_error_with_a_line(text: str) -> None:
    for dialect in (KUBERNETES, KUSTOMIZE):
        try:
            documents = load_documents(text, dialect=dialect, source="f")
        except YamlError as error:
            assert error.line >= 1
        else:
            assert all(locate(text, document.index, ["a"]) for document in documents)


@given(st.binary(max_size=60))
def test_any_bytes_read_or_are_a_yaml_error(data: bytes) -> None:
    try:
        load_documents(data)
    except YamlError as error:
        assert str(error)
