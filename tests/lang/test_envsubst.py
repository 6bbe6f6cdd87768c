"""Substitution as Flux's postBuild does it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.lang.envsubst import SubstitutionError, substitute

VARIABLES = {
    "v": "abcABC123ABCabc",
    "file": "/path/to/file.tar.gz",
    "word": "hello",
    "empty": "",
    "umlaut": "über",
    "n": "-3",
    "ÜBER_1": "unicode name",
}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("no dollar", "no dollar"),
        ("$v costs 5$ at 100%", "$v costs 5$ at 100%"),
        ("a$$b $$${word} $${word} $$$$", "a$b $hello ${word} $$"),
        ("${word} and ${word}", "hello and hello"),
        ("${ÜBER_1}", "unicode name"),
        ("${empty}|${unset:-d}|${unset:=d}|${unset=d}|${unset:?d}|${unset:+d}", "|d|d|d|d|d"),
        ("${word:-d}${word:=d}${word=d}${word:?d}${word:+d}", "hello" * 5),
        ("${empty:-d}${unset:-}", "d"),
        ("${unset:-a ${word} b ${unset:=${word^}} c}", "a hello b Hello c"),
        ("${unset:-$$x}", "$$x"),
        ("${unset:=http://host:80/?a=b#c}", "http://host:80/?a=b#c"),
        ("${#word} ${#umlaut} ${#empty}", "5 5 0"),
        ("${word^} ${word^^} ${umlaut^}", "Hello HELLO Über"),
        ("${v,} ${v,,}", "abcABC123ABCabc abcabc123abcabc"),
        ("${word:1} ${word:1:3} ${word:9}| ${word:3:9} ${word:9:1}|", "ello ell | lo |"),
        ("${word:${n}} ${word:1:-1} ${word:4:-3}|", "llo ell |"),
        ("${word: -3} ${word:x} ${word:1:x}", "hello hello hello"),
        ("${file#*/} ${file##*/}", "path/to/file.tar.gz file.tar.gz"),
        ("${file%.*} ${file%%.*}", "/path/to/file.tar /path/to/file"),
        ("${word#h} ${word#[a-h]?} ${word##*l} ${word#[^h]} ${word%[a-z} ${word#*}", "ello llo o hello hello ello"),
        ("${v/abc/x} ${v//abc/x} ${v/#abc/x} ${v/%abc/x}", "xABC123ABCabc xABC123ABCx xABC123ABCabc abcABC123ABCx"),
        ("${v/abc/} ${v//abc/} ${v/#abc/}", "ABC123ABCabc ABC123ABC abcABC123ABCabc"),
        ("${v/#/x} ${v/%/x}", "xabcABC123ABCabc abcABC123ABCabcx"),
        (r"${file//\//-} ${file/\/path\//$$}", "-path-to-file.tar.gz $to/file.tar.gz"),
        ("${v/${unset:-abc}/${word}}", "helloABC123ABCabc"),
        ("${word^,}", "hello"),
    ],
)
def test_the_grammar(text: str, result: str) -> None:
    assert substitute(text, VARIABLES, strict=True) == result


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("${", "unable to parse variable name"),
        ("${}", "unable to parse variable name"),
        ("${.x}", "unable to parse variable name"),
        ("${foo.bar}", "missing closing brace"),
        ("${word", "missing closing brace"),
        ("${word-d}", "missing closing brace"),
        ("${word+d}", "missing closing brace"),
        ("${word?d}", "missing closing brace"),
        ("${word:-d", "unable to parse substitution within function"),
        ("${word#}", "unable to parse substitution within function"),
        ("${word:}", "unable to parse substitution within function"),
        ("${word/a}", "bad substitution"),
        ("${word/a/b${word}c}", "bad substitution"),
        ("${word^x}", "bad substitution"),
        ("${#}", "bad substitution"),
        ("${#word^}", "bad substitution"),
        ("${word:${n}x}", "bad substitution"),
    ],
)
def test_what_cannot_be_parsed_is_refused_in_fluxs_words(text: str, problem: str) -> None:
    with pytest.raises(SubstitutionError) as caught:
        substitute(text, VARIABLES, strict=False)
    assert str(caught.value) == problem


@pytest.mark.parametrize("text", ["${x}", "${#x}", "${x^}", "${x:0:1}", "${x/a/b}", "${x%%a}", "${word:-${x}}"])
def test_in_strict_mode_a_variable_must_be_set(text: str) -> None:
    with pytest.raises(SubstitutionError) as caught:
        substitute(text, VARIABLES, strict=True)
    assert str(caught.value) == 'variable not set (strict mode): "x"'


def test_out_of_strict_mode_a_variable_that_is_not_set_is_empty() -> None:
    assert substitute("[${x}${x^^}${x/a/b}] ${#x}", {}, strict=False) == "[] 0"


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(SubstitutionError, match="levels deep"):
        substitute("${a:-" * 5_000, {}, strict=False)


def test_a_hostile_pattern_takes_no_exponential_time() -> None:
    started = time.process_time()
    assert substitute("${v##" + "*a" * 200 + "}", {"v": "a" * 190 + "b"}, strict=True) == "a" * 190 + "b"
    assert time.process_time() - started < 2


GRAMMAR = st.text(alphabet="$${}:#%/^,=-+?*[]\\ab1_ü \n", max_size=40)


@given(GRAMMAR, GRAMMAR, st.booleans())
def test_any_text_is_substituted_or_refused(text: str, value: str, strict: bool) -> None:
    try:
        assert isinstance(substitute(text, {"a": value, "b": "b"}, strict=strict), str)
    except SubstitutionError as error:
        assert str(error)


@given(st.text().filter(lambda text: "$" not in text))
def test_text_without_a_dollar_is_left_alone(text: str) -> None:
    assert substitute(text, {}, strict=True) == text
