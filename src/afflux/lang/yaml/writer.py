"""Writing: the bytes that kustomize writes.

libyaml's emitter chooses as Go's does, once it is told which strings some reader could take for something else.
"""

import io
import re
from collections.abc import Iterable
from decimal import Decimal
from functools import cmp_to_key

from yaml._yaml import CEmitter
from yaml.events import (
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from afflux.lang.yaml.resolver import INT64_MIN, MAX_CACHED_SCALARS, UINT64_MAX, resolve_kubernetes
from afflux.objects.manifest import Json

SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}")
NOT_PLAINLY_ORDERED = re.compile(r"[0-9\[\\\]^_`{|}~]|[^\x00-\x7f]")

MAX_CACHED_LENGTH = 80
WIDTH = 80

BOTH = (True, True)
STREAM_START = StreamStartEvent()
STREAM_END = StreamEndEvent()
DOCUMENT_START = DocumentStartEvent(explicit=False)
DOCUMENT_END = DocumentEndEvent(explicit=False)
MAPPING_START = MappingStartEvent(None, None, True, flow_style=False)
MAPPING_END = MappingEndEvent()
SEQUENCE_START = SequenceStartEvent(None, None, True, flow_style=False)
SEQUENCE_END = SequenceEndEvent()
EMPTY_MAPPING_START = MappingStartEvent(None, None, True, flow_style=True)
EMPTY_SEQUENCE_START = SequenceStartEvent(None, None, True, flow_style=True)
QUOTED_MERGE_KEY = ScalarEvent(None, None, BOTH, "<<", style='"')
"""Go leaves it plain, and then it can't be read back."""

_scalars: dict[str, ScalarEvent] = {}
_orders: dict[tuple[str, ...], tuple[str, ...]] = {}


def _style(text: str) -> str | None:
    if "\n" in text:
        return "|"
    if type(resolve_kubernetes(text)) is not str or SEXAGESIMAL.fullmatch(text) or DATE.match(text):
        return '"'
    return None


def _string(text: str) -> ScalarEvent:
    event = _scalars.get(text)
    if event is None:
        event = ScalarEvent(None, None, BOTH, text, style=_style(text))
        if len(text) <= MAX_CACHED_LENGTH and len(_scalars) < MAX_CACHED_SCALARS:
            _scalars[text] = event
    return event


def _float(number: float) -> str:
    """``strconv.FormatFloat(number, 'g', -1, 64)``, but the integer that it was in JSON before where it still is one.

    JSON has whole numbers below 1e21 without a point or an exponent: as many digits as tell the number, then zeros.
    """
    if number.is_integer() and abs(number) < 1e21:
        whole = int(Decimal(repr(number)))
        if INT64_MIN <= whole <= UINT64_MAX:
            return str(whole)
    mantissa, _, exponent = f"{number:.17e}".partition("e")
    for digits in range(17):
        shortest = f"{number:.{digits}e}"
        if float(shortest) == number:
            mantissa, _, exponent = shortest.partition("e")
            break
    if -4 <= int(exponent) < 21 and not -4 <= int(exponent) >= 6:
        return repr(number)
    return f"{mantissa}e{exponent}"


def _sorted_keys(mapping: dict[str, Json]) -> tuple[str, ...]:
    keys = tuple(mapping)
    order = _orders.get(keys)
    if order is None:
        natural = NOT_PLAINLY_ORDERED.search("".join(keys))
        order = tuple(sorted(keys, key=_natural_key) if natural else sorted(keys))
        if len(_orders) < MAX_CACHED_SCALARS and len(keys) < 20:
            _orders[keys] = order
    return order


def _compare(left: str, right: str) -> int:
    """The order of keys in Go's YAML: numbers within keys by value, letters after what isn't a letter."""
    if left == right:
        return 0
    in_digits = False
    for at, (a, b) in enumerate(zip(left, right, strict=False)):
        if a == b:
            in_digits = a.isdecimal()
            continue
        if a.isalpha() and b.isalpha():
            return -1 if a < b else 1
        if a.isalpha() or b.isalpha():
            return -1 if a.isalpha() == in_digits else 1
        return _compare_numbers(left, right, at)
    return -1 if len(left) < len(right) else 1


def _compare_numbers(left: str, right: str, at: int) -> int:
    a, b = _digits(left, at), _digits(right, at)
    # After a digit that isn't zero, a zero here is a part of the number, not a padding.
    before = left[:at]
    run = before[len(before.rstrip("0123456789")) :]
    lead = "1" if "0" in (left[at], right[at]) and run.strip("0") else "0"
    values = int(lead + a), int(lead + b)
    if values[0] != values[1]:
        return -1 if values[0] < values[1] else 1
    if len(a) != len(b):
        return -1 if len(a) < len(b) else 1
    return -1 if left[at] < right[at] else 1


def _digits(text: str, at: int) -> str:
    end = at
    while end < len(text) and text[end].isdecimal():
        end += 1
    return text[at:end]


_natural_key = cmp_to_key(_compare)


class _Writer:
    """Emits values into one buffer."""

    def __init__(self) -> None:
        self.buffer = io.StringIO()
        self.emit = CEmitter(self.buffer, allow_unicode=True, width=WIDTH).emit

    def document(self, value: Json) -> str:
        self.emit(STREAM_START)
        self.emit(DOCUMENT_START)
        self.value(value)
        self.emit(DOCUMENT_END)
        self.emit(STREAM_END)
        return self.buffer.getvalue()

    def value(self, value: Json) -> None:
        kind = type(value)
        if kind is str:
            self.emit(_string(value))
        elif kind is dict:
            self.mapping(value)
        elif kind is list:
            self.sequence(value)
        else:
            self.emit(ScalarEvent(None, None, BOTH, _plain(value)))

    def mapping(self, mapping: dict[str, Json]) -> None:
        emit, value = self.emit, self.value
        emit(MAPPING_START if mapping else EMPTY_MAPPING_START)
        for key in _sorted_keys(mapping):
            emit(_string(key) if key != "<<" else QUOTED_MERGE_KEY)
            value(mapping[key])
        emit(MAPPING_END)

    def sequence(self, items: list[Json]) -> None:
        self.emit(SEQUENCE_START if items else EMPTY_SEQUENCE_START)
        for item in items:
            self.value(item)
        self.emit(SEQUENCE_END)


def _plain(value: Json) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if INT64_MIN <= value <= UINT64_MAX else _float(float(value))
    if isinstance(value, float):
        return _float(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def dump(value: Json) -> str:
    """One document as kustomize writes it: keys sorted, two spaces, lists not indented, no ``---``.

    ``value`` is what ``load`` gives: anything else is a ``TypeError``.
    """
    return _Writer().document(value)


def dump_documents(values: Iterable[Json]) -> str:
    """Documents with ``---`` lines between them, as ``kustomize build`` prints them; the empty text for none."""
    return "---\n".join(dump(value) for value in values)
