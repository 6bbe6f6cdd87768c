"""YAML as Go reads and writes it."""

import json
import time
from pathlib import Path

import pytest

from afflux.lang.yaml import (
    KUBERNETES,
    KUSTOMIZE,
    Dialect,
    YamlError,
    dump,
    dump_documents,
    load,
    load_documents,
    locate,
)
from afflux.lang.yaml.folding import refolded
from afflux.objects.manifest import Json

ORACLE = Path(__file__).parents[2].parent / "shared" / "oracle" / "yaml.json"

NO_FIRST_DOCUMENT = "Go reads the first document only, and an empty one as null; we leave empty documents out"
ANY_ROOT = "the recording read into a map; we leave it to the caller to say what a document's root must be"
KNOWN_DIFFERENCES = {
    "kubernetes": {
        "m:dq-escape": "libyaml knows the escape \\/ which Go refuses",
        "m:docend-junk": "Go reads the first document only; the second is broken",
    },
    "kustomize": {
        "m:dq-escape": "libyaml knows the escape \\/ which Go refuses",
        "m:docend-junk": "Go reads the first document only; the second is broken",
        "m:emptydoc": NO_FIRST_DOCUMENT,
        "m:only-comment": NO_FIRST_DOCUMENT,
        "m:dashes": NO_FIRST_DOCUMENT,
        "m:null-doc": NO_FIRST_DOCUMENT,
        "m:lead-docs": NO_FIRST_DOCUMENT,
        "m:topscalar": ANY_ROOT,
        "m:nbsp": ANY_ROOT,
        "m:sp-before-colon": ANY_ROOT,
    },
}


def _as_float64(text: str) -> int | float:
    number = int(text)
    return number if abs(number) < 2**64 else float(text)


def _recorded(case: Json, column: str) -> Json:
    """What Go made of a case, or YamlError."""
    answer = case[column]
    if "error" in answer:
        return YamlError
    text = answer["json"] if "json" in answer else json.dumps(answer["value"])
    return json.loads(text, parse_int=_as_float64)


def _ours(text: str, dialect: Dialect) -> Json:
    try:
        documents = load_documents(text, dialect=dialect)
    except YamlError:
        return YamlError
    return documents[0].value if documents and documents[0].index == 0 else None


@pytest.mark.skipif(not ORACLE.exists(), reason="Go's recorded answers are not beside this checkout")
@pytest.mark.parametrize("dialect", [KUBERNETES, KUSTOMIZE], ids=lambda dialect: dialect.name)
def test_reads_what_go_reads_but_for_the_known_differences(dialect: Dialect) -> None:
    cases = json.loads(ORACLE.read_text())
    different = {case["name"] for case in cases if _ours(case["input"], dialect) != _recorded(case, dialect.name)}
    assert different == set(KNOWN_DIFFERENCES[dialect.name])


def test_documents_know_their_index_and_line() -> None:
    documents = load_documents("# nothing\n---\na: 1\n---\n# nothing\n---\n\n# c\nb: 2\n")
    assert [(document.value, document.index, document.line) for document in documents] == [
        ({"a": 1}, 0, 3),
        ({"b": 2}, 2, 9),
    ]


def test_an_error_names_file_line_and_problem() -> None:
    with pytest.raises(YamlError) as caught:
        load_documents("a: 1\nb: [1, 2\n", source="apps/a.yaml")
    assert (caught.value.source, caught.value.line) == ("apps/a.yaml", 3)
    assert str(caught.value) == "apps/a.yaml:3: did not find expected ',' or ']'"


def test_a_duplicate_key_is_an_error_in_kustomize_and_the_last_wins_in_kubernetes() -> None:
    text = "m:\n  a: 1\n  b: 2\n  a: 3\n"
    assert load(text) == {"m": {"a": 3, "b": 2}}
    with pytest.raises(YamlError, match=r'^f.yaml:4: mapping key "a" already defined at line 2$'):
        load(text, dialect=KUSTOMIZE, source="f.yaml")


def test_a_duplicate_key_on_one_line_is_an_error_too() -> None:
    with pytest.raises(YamlError, match=r'mapping key "a" already defined at line 1'):
        load("{a: 1, a: 2}", dialect=KUSTOMIZE)


def test_an_alias_is_a_copy() -> None:
    value = load("a: &x {b: [1]}\nc: *x\n")
    value["a"]["b"].append(2)
    assert value["c"] == {"b": [1]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 100_000, "levels deep"),
        ("{a: " * 100_000, "levels deep"),
        ("- " * 100_000, "levels deep"),
        ("a: &a [*a]", "contains itself"),
        ("\x00", "control characters"),
        (b"a: \xff", "UTF-8"),
        ("a: \ud800", "surrogate"),
        ("%YAML 1.2\n---\na: 1\n", "incompatible"),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_hostile_text_is_a_yaml_error(text: str | bytes, problem: str) -> None:
    with pytest.raises(YamlError, match=problem):
        load_documents(text)


def test_aliases_cannot_build_a_document_deeper_than_the_limit() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [[[[*a{n - 1}]]]]" for n in range(1, 60)]
    with pytest.raises(YamlError, match="levels deep"):
        load_documents("\n".join(lines))


def test_a_document_of_a_million_keys_is_refused() -> None:
    text = "\n".join(f"k{number}: v" for number in range(1_000_000))
    with pytest.raises(YamlError, match="line 500000: the document holds more than 500,000 values"):
        load(text)


def test_an_alias_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20)]
    started = time.process_time()
    with pytest.raises(YamlError, match="excessive aliasing"):
        load_documents("\n".join(lines))
    assert time.process_time() - started < 1


def test_load_wants_exactly_one_document() -> None:
    with pytest.raises(YamlError, match="found none"):
        load("# nothing\n")
    with pytest.raises(YamlError, match="line 3: expected one document, found 2"):
        load("a: 1\n---\nb: 2\n")


def test_a_key_that_is_no_string_is_an_error_below_the_root_in_kustomize() -> None:
    with pytest.raises(YamlError, match="line 2: map key 8080 is not a string: quote it"):
        load("data:\n  8080: a\n", dialect=KUSTOMIZE)


def test_timestamps_come_out_of_kustomize_as_json_shows_them() -> None:
    text = "a: 2001-01-01\nb: 2001-12-14 21:59:43.10\nc: 2001-02-30\nd: '2001-01-01'\n"
    assert load(text, dialect=KUSTOMIZE) == {
        "a": "2001-01-01T00:00:00Z",
        "b": "2001-12-14T21:59:43.1Z",
        "c": "2001-02-30",
        "d": "2001-01-01",
    }


@pytest.mark.parametrize(
    ("text", "again"),
    [("a\nb\n", "a\nb\n"), ("x\n\n", "x\n\n\n"), (" x\ny", " x\ny"), ("x\n y\n", "x\n\n y\n"), ("x ", "x "), ("", "")],
)
def test_folded_text_carries_kustomizes_scar(text: str, again: str) -> None:
    assert refolded(text) == again


def test_writes_kustomizes_bytes() -> None:
    value = {
        "y": ["y", "true", "1", "1e3", "12:30:45", "2001-01-01", "~", ".inf", "<<", "=", "a: b", "*", "", "x y"],
        "on": {"b": 1.5, "a": [], "c": {}, "d": None, "e": True},
        "text": "a\n b\n",
        "a10": 1234567.5,
        "a2": 12345678901234567890,
        "emoji": "😀",
        "tab": "a\tb",
    }
    assert dump(value) == (
        'a2: 12345678901234567890\na10: 1.2345675e+06\nemoji: "\\U0001F600"\n'
        '"on":\n  a: []\n  b: 1.5\n  c: {}\n  d: null\n  e: true\n'
        'tab: "a\\tb"\ntext: |\n  a\n   b\n'
        '"y":\n- "y"\n- "true"\n- "1"\n- "1e3"\n- "12:30:45"\n- "2001-01-01"\n- "~"\n- ".inf"\n- <<\n- =\n'
        "- 'a: b'\n- '*'\n- \"\"\n- x y\n"
    )


def test_documents_are_written_with_lines_between_them() -> None:
    assert dump_documents([{"a": 1}, {"b": 2}]) == "a: 1\n---\nb: 2\n"
    assert dump_documents([]) == ""


def test_only_json_can_be_written() -> None:
    with pytest.raises(TypeError, match="set is not a JSON value"):
        dump({"a": {1}})


def test_keys_are_ordered_as_go_orders_them() -> None:
    keys = ["a10", "a2", "a02", "a-b", "ab", "a_b", "A", "Z_1", "ZA", "1", "10", "9", "a", "x1y", "x1-", "1a", "1-"]
    order = [line.split(":")[0].strip('"') for line in dump(dict.fromkeys(keys, "x")).splitlines()]
    expected = ["1", "1a", "1-", "9", "10", "A", "Z_1", "ZA", "a", "a-b", "a_b", "a2", "a02", "a10", "ab", "x1y", "x1-"]
    assert order == expected


def test_locates_a_field_by_document_and_path() -> None:
    text = "# c\na: 1\n---\nspec:\n  containers:\n  - name: x\n    image: y\n"
    assert locate(text, 1, ["spec", "containers", 0, "image"]) == 7
    assert locate(text, 1, ["spec", "containers", 3, "image"]) == 5
    assert locate(text, 0, ["nothing"]) == 2
    assert locate(text, 5, []) is None
    assert locate("a: [", 0, ["a"]) is None


def test_thousands_of_digits_are_read_as_go_reads_them() -> None:
    assert load("a: " + "9" * 300, dialect=KUBERNETES) == {"a": 1e300}
    assert load("a: " + "9" * 5000, dialect=KUBERNETES) == {"a": "9" * 5000}
