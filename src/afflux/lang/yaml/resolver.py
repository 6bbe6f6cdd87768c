"""What a plain scalar means: one table for Kubernetes' reader, one for kustomize's.

The rules are those of Go's yaml.v2 (which Kubernetes reads with: YAML 1.1 booleans, Go's integers) and yaml.v3
(which kustomize reads with: YAML 1.2 booleans, timestamps).
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from afflux.objects.manifest import Json

MAX_CACHED_SCALARS = 20_000
MAX_CACHED_LENGTH = 64

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
UINT64_MAX = 2**64 - 1

FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[1-9][0-9]*|0)")
TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:(?:[Tt]([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.([0-9]{1,9}))?(Z|[-+][0-9]{2}:[0-9]{2}))"
    r"|(?: +([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.([0-9]{1,9}))?))?"
)

NUMBER_STARTS = frozenset("+-0123456789")


def _words(value: Json, words: str) -> dict[str, Json]:
    return dict.fromkeys(words.split(), value)


NULLS = _words(None, "~ null Null NULL") | {"": None}
NOT_FINITE: dict[str, Json] = {
    **_words(math.nan, ".nan .NaN .NAN"),
    **_words(math.inf, ".inf .Inf .INF +.inf +.Inf +.INF"),
    **_words(-math.inf, "-.inf -.Inf -.INF"),
}
BOOLEANS = _words(True, "true True TRUE") | _words(False, "false False FALSE")
OLD_BOOLEANS = _words(True, "y Y yes Yes YES on On ON") | _words(False, "n N no No NO off Off OFF")

KUBERNETES_WORDS: dict[str, Json] = {**NULLS, **NOT_FINITE, **BOOLEANS, **OLD_BOOLEANS}
KUSTOMIZE_WORDS: dict[str, Json] = {**NULLS, **NOT_FINITE, **BOOLEANS}

LONGEST_INTEGER = 256
"""Characters: no 64-bit number is written with more, but for zeros at its front; Python refuses thousands of digits."""


def go_integer(text: str) -> int | None:
    """``strconv.ParseInt(text, 0, 64)``, or ``ParseUint`` where that fails; None where both do."""
    if len(text) > LONGEST_INTEGER or not INTEGER.fullmatch(text):
        return None
    digits = text.lstrip("+-")
    prefix = digits[:2].lower()
    if prefix in ("0x", "0b", "0o"):
        value = int(digits[2:], {"0x": 16, "0b": 2, "0o": 8}[prefix])
    else:
        value = int(digits, 8 if len(digits) > 1 and digits[0] == "0" else 10)
    if text[0] == "-":
        value = -value
    if INT64_MIN <= value <= INT64_MAX or (value <= UINT64_MAX and value > 0 and text[0] != "+"):
        return value
    return None


def go_float(text: str) -> float | None:
    """The number in ``text``; None where it is none or is out of a float64's range."""
    if not FLOAT.fullmatch(text):
        return None
    number = float(text)
    return None if math.isinf(number) else number


def resolve_kubernetes(text: str) -> Json:
    """What yaml.v2 makes of a plain scalar: null, bool, int, float or the text itself."""
    if text in KUBERNETES_WORDS:
        return KUBERNETES_WORDS[text]
    return _number(text)


def resolve_kustomize(text: str) -> Json:
    """What yaml.v3 makes of a plain scalar; a timestamp comes out as the RFC 3339 text that JSON shows."""
    if text in KUSTOMIZE_WORDS:
        return KUSTOMIZE_WORDS[text]
    if len(text) >= 8 and text[4] == "-":
        timestamp = go_timestamp(text)
        if timestamp is not None:
            return timestamp
    return _number(text)


def _number(text: str) -> Json:
    if text[0] in NUMBER_STARTS:
        plain = text.replace("_", "")
        if plain:
            integer = go_integer(plain)
            number = integer if integer is not None else go_float(plain)
            return text if number is None else number
    elif text[0] == ".":
        number = go_float(text)
        return text if number is None else number
    return text


def go_timestamp(text: str) -> str | None:
    """The RFC 3339 form of a YAML timestamp, as Go prints a ``time.Time`` in JSON; None where it is none."""
    match = TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    year, month, day, h1, m1, s1, f1, zone, h2, m2, s2, f2 = match.groups()
    hour, minute, second = (int(part or 0) for part in (h1 or h2, m1 or m2, s1 or s2))
    if not _is_date(int(year), int(month), int(day)) or hour > 23 or minute > 59 or second > 59:
        return None
    fraction = (f1 or f2 or "").rstrip("0")
    offset = "Z" if zone in (None, "Z", "+00:00", "-00:00") else zone
    return (
        f"{year}-{int(month):02d}-{int(day):02d}T{hour:02d}:{minute:02d}:{second:02d}"
        f"{'.' + fraction if fraction else ''}{offset}"
    )


def _is_date(year: int, month: int, day: int) -> bool:
    if not 1 <= month <= 12:
        return False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]
    return 1 <= day <= longest


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one Go program reads YAML.

    ``resolve`` gives a plain scalar's meaning. ``round_trips``: the program writes what it read and reads it again
    before it uses it, which kustomize does, with the scars described in the reader. ``unique_keys``: a key given
    twice is an error. ``merge_overwrites``: a merge key after a key wins over it.
    """

    name: str
    resolve: Callable[[str], Json]
    round_trips: bool
    unique_keys: bool
    merge_overwrites: bool


class _Known(dict[str, Json]):
    """Meanings found before; the subscript alone is the look-up, which keeps it out of Python's bytecode."""

    def __init__(self, resolve: Callable[[str], Json]) -> None:
        super().__init__()
        self.resolve = resolve

    def __missing__(self, text: str) -> Json:
        value = self.resolve(text)
        if len(text) <= MAX_CACHED_LENGTH and len(self) < MAX_CACHED_SCALARS:
            self[text] = value
        return value


KUBERNETES = Dialect("kubernetes", _Known(resolve_kubernetes).__getitem__, False, False, True)
KUSTOMIZE = Dialect("kustomize", _Known(resolve_kustomize).__getitem__, True, True, False)
