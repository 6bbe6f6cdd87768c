"""Durations as Go reads and prints them."""

import pytest

from afflux.lang.duration import (
    InvalidDuration,
    format_duration,
    format_nanoseconds,
    parse_duration,
    parse_nanoseconds,
)


@pytest.mark.parametrize(
    ("text", "nanoseconds", "printed"),
    [
        ("0", 0, "0s"),
        ("1h", 3_600 * 10**9, "1h0m0s"),
        ("1.5h", 5_400 * 10**9, "1h30m0s"),
        ("10m0s", 600 * 10**9, "10m0s"),
        ("90s", 90 * 10**9, "1m30s"),
        ("1.5s", 15 * 10**8, "1.5s"),
        (".5s", 5 * 10**8, "500ms"),
        ("1.s", 10**9, "1s"),
        ("230ms", 230 * 10**6, "230ms"),
        ("-1.5ms", -1_500_000, "-1.5ms"),
        ("+5us", 5_000, "5µs"),
        ("100µs", 100_000, "100µs"),
        ("7ns", 7, "7ns"),
        ("1h1m1.000000001s", 3_661 * 10**9 + 1, "1h1m1.000000001s"),
        ("2562047h47m16.854775807s", 2**63 - 1, "2562047h47m16.854775807s"),
    ],
)
def test_a_duration_is_read_and_printed_as_go_does(text: str, nanoseconds: int, printed: str) -> None:
    assert parse_nanoseconds(text) == nanoseconds
    assert format_nanoseconds(nanoseconds) == printed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'time: invalid duration ""'),
        ("-", 'time: invalid duration "-"'),
        (".s", 'time: invalid duration ".s"'),
        ("s", 'time: invalid duration "s"'),
        ("1", 'time: missing unit in duration "1"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("1 m", 'time: unknown unit " m" in duration "1 m"'),
        ("9999999999s", 'time: invalid duration "9999999999s"'),
    ],
)
def test_what_go_refuses_is_refused_in_its_words(text: str, message: str) -> None:
    with pytest.raises(InvalidDuration) as caught:
        parse_duration(text)
    assert str(caught.value) == message


def test_seconds_go_in_and_out() -> None:
    assert parse_duration("1m30.25s") == 90.25
    assert format_duration(90.25) == "1m30.25s"
    assert format_duration(0.0305) == "30.5ms"


def test_thousands_of_digits_are_no_duration() -> None:
    with pytest.raises(InvalidDuration, match="invalid duration"):
        parse_duration("9" * 5000 + "s")
    assert parse_duration("0" * 5000 + "1s") == 1.0
