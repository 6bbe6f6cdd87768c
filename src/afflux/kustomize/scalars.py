"""Scalars that remember how they were written.

kustomize works on YAML nodes: a scalar's text, its tag and its style each have a life of their own. A number written
over a quoted string stays a string; an annotation ``1.10`` keeps its zero; ``key:`` disappears where ``key: null``
stays. Python's values carry that by these types, only where it isn't what the value itself says. They live inside
a build; ``unmarked`` takes them away at its end.
"""

from decimal import Decimal
from typing import Final, cast

from afflux.lang.yaml import KUSTOMIZE, Dialect
from afflux.objects.manifest import Json


class Quoted(str):
    """A string written in quotes or as a block: what is written over it stays a string."""

    __slots__ = ()


class SpelledInt(int):
    """An integer whose text isn't its decimal form (``0x1F``, ``010``, ``1_000``)."""

    text: str


class SpelledFloat(float):
    """A number whose text isn't the shortest one (``1.10``, ``1e3``)."""

    text: str


class SpelledBool(int):
    """``True``, ``TRUE``, ``False`` or ``FALSE``. (bool has no subclasses.)"""

    text: str


class SpelledText(str):
    """A timestamp: its value is what JSON shows, ``text`` what was written."""

    __slots__ = ("text",)
    text: str


class SpelledNull:
    """A null that isn't written ``null``: ``~``, ``Null``, ``NULL``, or nothing at all (``EMPTY_NULL``)."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"SpelledNull({self.text!r})"


EMPTY_NULL: Final = SpelledNull("")
FLOW_NULL: Final = SpelledNull("")
"""Nothing at all between brackets: written back, it becomes an empty string."""
NULLS: Final = {"": EMPTY_NULL, "null": None, **{text: SpelledNull(text) for text in ("~", "Null", "NULL")}}

Spelled = SpelledInt | SpelledFloat | SpelledBool | SpelledText


def _resolve(text: str) -> Json:
    """kustomize's meaning of a plain scalar, in a type that keeps the text where the value alone would lose it."""
    if text in NULLS:
        return NULLS[text]
    value = KUSTOMIZE.resolve(text)
    kind = type(value)
    if kind is str:
        return value if value == text else _spelled(SpelledText(value), text)
    if kind is bool:
        return value if text in ("true", "false") else _spelled(SpelledBool(value), text)
    if kind is int:
        return value if text == str(value) else _spelled(SpelledInt(value), text)
    if kind is float:
        return _float(value, text)
    return value


def _float(value: float, text: str) -> Json:
    if value != value or value in (float("inf"), float("-inf")):
        return value  # the reader refuses it, with its line
    if value.is_integer() and abs(value) < 2**63:
        # In JSON it has as many digits as tell the number, then zeros.
        return _spelled(SpelledInt(Decimal(repr(value))), text)
    return value if text == repr(value) else _spelled(SpelledFloat(value), text)


def _spelled(value: Spelled, text: str) -> Spelled:
    value.text = text
    return value


MARKING: Final = Dialect("kustomize", _resolve, True, True, False)
"""kustomize's dialect with marks on what its text says and its value doesn't."""


def is_null(value: Json) -> bool:
    """Whether the value is a null, however it is written."""
    return value is None or type(value) is SpelledNull


def is_empty_null(value: Json) -> bool:
    """Whether the value is a null of which nothing is written."""
    return value is EMPTY_NULL or value is FLOW_NULL


def text_of(value: Json) -> str:
    """A scalar's text, as a YAML node has it; collections have none."""
    if isinstance(value, SpelledText):
        return value.text
    if isinstance(value, str):
        return str(value)
    if isinstance(value, SpelledInt | SpelledFloat | SpelledBool | SpelledNull):
        return value.text
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return ""


def untagged(old: Json, text: str) -> Json:
    """What text without a tag means where ``old`` stood: a string where that was quoted, else what it looks like."""
    return Quoted(text) if type(old) is Quoted else _resolve(text)


def tagged_string(old: Json, text: str) -> str:
    """A string where ``old`` stood, quoted if that was."""
    return Quoted(text) if type(old) is Quoted else text


def placed(old: Json, new: Json) -> Json:
    """A scalar put where ``old`` stood, taking over its style: over a quoted string everything becomes a string."""
    if type(old) is not Quoted:
        return str(new) if type(new) is Quoted else new
    return Quoted(text_of(new)) if new is not None else None


def unmarked(value: Json) -> Json:
    """The value with plain types only; collections are changed in place."""
    if type(value) is dict:
        for key, item in value.items():
            kind = type(item)
            if kind is dict or kind is list:
                unmarked(item)
            elif kind not in PLAIN:
                value[key] = _plain(item)
    elif type(value) is list:
        for index, item in enumerate(value):
            kind = type(item)
            if kind is dict or kind is list:
                unmarked(item)
            elif kind not in PLAIN:
                value[index] = _plain(item)
    elif type(value) not in PLAIN:
        return _plain(value)
    return value


PLAIN: Final = frozenset((str, int, float, bool, type(None)))


def _plain(value: Json) -> Json:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, SpelledBool):
        return bool(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return "" if value is FLOW_NULL else None


def copied(value: Json) -> Json:
    """A copy that shares no collection with ``value``."""
    kind = type(value)
    if kind is dict:
        return {key: copied(item) for key, item in cast(dict[str, Json], value).items()}
    if kind is list:
        return [copied(item) for item in cast(list[Json], value)]
    return value
