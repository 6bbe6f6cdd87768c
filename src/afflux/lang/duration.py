"""Durations as Go's ``time`` package reads and prints them."""

import re
from functools import lru_cache

NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # micro sign
    "μs": 1_000,  # Greek letter mu
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
LONGEST = 2**63 - 1
PART = re.compile(r"([0-9]*)(\.[0-9]*)?([^0-9.]*)")


class InvalidDuration(ValueError):
    """A text that Go's ``time.ParseDuration`` refuses; the message is Go's."""


def parse_duration(text: str) -> float:
    """Seconds in a Go duration such as ``1h30m``, ``1.5s``, ``-2ms``, ``0``; raises ``InvalidDuration``."""
    return parse_nanoseconds(text) / 1e9


@lru_cache(maxsize=1024)
def parse_nanoseconds(text: str) -> int:
    """``time.ParseDuration``: the exact duration in nanoseconds; raises ``InvalidDuration``."""
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest:
        raise InvalidDuration(f'time: invalid duration "{text}"')
    total = 0
    while rest:
        match = PART.match(rest)
        assert match is not None
        total += _part(text, *match.groups())
        rest = rest[match.end() :]
    negative = text[0] == "-"
    if total > (LONGEST + 1 if negative else LONGEST):
        raise InvalidDuration(f'time: invalid duration "{text}"')
    return -total if negative else total


def _part(text: str, whole: str, fraction: str | None, unit: str) -> int:
    if not whole and fraction in (None, "."):
        raise InvalidDuration(f'time: invalid duration "{text}"')
    if not unit:
        raise InvalidDuration(f'time: missing unit in duration "{text}"')
    if unit not in NANOSECONDS:
        raise InvalidDuration(f'time: unknown unit "{unit}" in duration "{text}"')
    scale = NANOSECONDS[unit]
    if len(whole.lstrip("0")) > 19:  # past any duration, and Python refuses to read thousands of digits
        raise InvalidDuration(f'time: invalid duration "{text[:80]}"')
    value = int(whole.lstrip("0") or 0) * scale
    digits = (fraction or ".")[1:19]  # what a nanosecond can't show is cut, not rounded
    return value + (int(digits) * scale // 10 ** len(digits) if digits else 0)


def format_duration(seconds: float) -> str:
    """``time.Duration.String``: ``1h30m0s``, ``1.5s``, ``230ms``, ``0s``; whole nanoseconds, rounded."""
    return format_nanoseconds(round(seconds * 1e9))


def format_nanoseconds(nanoseconds: int) -> str:
    """``time.Duration.String`` of an exact number of nanoseconds."""
    if nanoseconds < 0:
        return "-" + format_nanoseconds(-nanoseconds)
    if nanoseconds == 0:
        return "0s"
    if nanoseconds < NANOSECONDS["s"]:
        unit = "ns" if nanoseconds < 1_000 else "µs" if nanoseconds < 1_000_000 else "ms"
        return _decimal(nanoseconds, NANOSECONDS[unit]) + unit
    minutes, rest = divmod(nanoseconds, NANOSECONDS["m"])
    seconds = _decimal(rest, NANOSECONDS["s"]) + "s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}" if hours else f"{minutes}m{seconds}" if minutes else seconds


def _decimal(value: int, scale: int) -> str:
    whole, fraction = divmod(value, scale)
    digits = f"{fraction:0{len(str(scale)) - 1}d}".rstrip("0") if fraction else ""
    return f"{whole}.{digits}" if digits else str(whole)
