"""RE2 patterns."""

import pytest

from afflux.lang.regexp import InvalidPattern, compile_anchored, compile_pattern


def test_a_pattern_is_searched_for_and_gives_its_groups() -> None:
    match = compile_pattern(r"(?P<major>\d+)\.").search("v12.3")
    assert match is not None
    assert match.groupdict() == {"major": "12"}


def test_an_anchored_pattern_must_match_the_whole_text() -> None:
    pattern = compile_anchored("a|b")
    assert pattern.search("b")
    assert not pattern.search("ab")


@pytest.mark.parametrize("text", ["a(b", "(?=a)", r"(a)\1", "a{2000}", "(" * 20_000])
def test_what_re2_refuses_is_an_invalid_pattern(text: str) -> None:
    with pytest.raises(InvalidPattern, match="regular expression"):
        compile_pattern(text)


def test_an_anchored_pattern_cannot_escape_its_anchors() -> None:
    with pytest.raises(InvalidPattern):
        compile_anchored("a)|(b")
