r"""JSONPath as kubectl and printer columns write it.

``.a.b``, ``['a.b']``, ``.a\.b``, ``[0]``, ``[-1]``, ``[1:3]``, ``[*]``, ``..a``, ``['a','b']`` and
``[?(@.type=="Ready")]``; a leading ``$`` or braces around the whole may be there or not.
"""

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

from afflux.objects.manifest import Json

Step: TypeAlias = Callable[[Json], Iterable[Json]]
Path: TypeAlias = Callable[[Json], list[Json]]
Operand: TypeAlias = Callable[[Json], list[Json]]

Item = TypeVar("Item")

MAX_LENGTH = 4096
MAX_RESULTS = 100_000
FIELD_ENDS = frozenset(" .[]{}()=!<>")
COMPARISONS: dict[str, Callable[[Json, Json], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
WORDS: dict[str, Json] = {"true": True, "false": False, "null": None}


class InvalidJsonPath(ValueError):
    """A text that isn't a JSONPath; the message quotes it and says what is wrong where."""


def compile_path(text: str) -> Path:
    """A function from a document to what the path finds in it, in order; what isn't there is not found.

    Raises ``InvalidJsonPath``.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidJsonPath(f"JSONPath of {len(text)} characters: at most {MAX_LENGTH} are allowed")
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1].strip()
    parser = _Parser(inner)
    parser.skip("$")
    steps = parser.steps()
    if parser.at < len(inner):
        raise parser.error(f"unexpected '{inner[parser.at]}'")
    return _following(steps)


def _following(steps: list[Step]) -> Path:
    def find(document: Json) -> list[Json]:
        found = [document]
        for step in steps:
            found = [result for value in found for result in step(value)]
            if len(found) > MAX_RESULTS:
                raise InvalidJsonPath(f"more than {MAX_RESULTS} results")
        return found

    return find


class _Parser:
    """Reads a path from left to right; ``at`` is where it stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def error(self, problem: str) -> InvalidJsonPath:
        return InvalidJsonPath(f"invalid JSONPath '{self.text}': {problem} at character {self.at + 1}")

    def comes(self, *texts: str) -> bool:
        return self.text.startswith(texts, self.at)

    def skip(self, text: str) -> bool:
        found = self.comes(text)
        self.at += len(text) if found else 0
        return found

    def spaces(self) -> None:
        while self.comes(" "):
            self.at += 1

    def want(self, text: str) -> None:
        self.spaces()
        if not self.skip(text):
            raise self.error(f"expected '{text}'")

    def steps(self) -> list[Step]:
        found: list[Step] = []
        if self.at < len(self.text) and self.text[self.at] not in FIELD_ENDS:
            found.append(_fields(self.name()))
        while True:
            if self.skip(".."):
                found.append(_descendants)
                if not self.comes("["):
                    found.append(self.dotted())
            elif self.skip("."):
                if self.at < len(self.text) and not self.comes("["):
                    found.append(self.dotted())
            elif self.skip("["):
                found.append(self.bracketed())
            else:
                return found

    def dotted(self) -> Step:
        return _children if self.skip("*") else _fields(self.name())

    def name(self) -> str:
        found: list[str] = []
        while self.at < len(self.text) and self.text[self.at] not in FIELD_ENDS:
            if self.comes("\\"):
                self.at += 1
            found.append(self.text[self.at : self.at + 1])
            self.at += 1
        if not found:
            raise self.error("expected a field name")
        return "".join(found)

    def bracketed(self) -> Step:
        self.spaces()
        if self.skip("*"):
            step: Step = _children
        elif self.skip("?("):
            step = self.filter()
        elif self.comes("'", '"'):
            step = _fields(*self.separated(self.quoted))
        else:
            step = _union(self.separated(self.slice))
        self.want("]")
        return step

    def separated(self, item: Callable[[], Item]) -> list[Item]:
        items = [item()]
        while True:
            self.spaces()
            if not self.skip(","):
                return items
            self.spaces()
            items.append(item())

    def quoted(self) -> str:
        quote = self.text[self.at]
        self.at += 1
        found: list[str] = []
        while not self.comes(quote):
            if self.comes("\\"):
                self.at += 1
            if self.at >= len(self.text):
                raise self.error("unterminated string")
            found.append(self.text[self.at])
            self.at += 1
        self.at += 1
        return "".join(found)

    def slice(self) -> Step:
        parts = [self.integer()]
        while len(parts) < 3 and self.skip(":"):
            parts.append(self.integer())
        if len(parts) == 1:
            if parts[0] is None:
                raise self.error("expected an index, a name in quotes, '*' or a filter")
            return _item(parts[0])
        return _slice(slice(*parts))

    def integer(self) -> int | None:
        start = self.at
        self.skip("-")
        while self.at < len(self.text) and self.text[self.at] in "0123456789" and self.at - start < 12:
            self.at += 1
        digits = self.text[start : self.at]
        if digits == "-":
            raise self.error("expected a number")
        return int(digits) if digits else None

    def filter(self) -> Step:
        self.depth += 1
        if self.depth > 10:
            raise self.error("filters nested too deeply")
        self.spaces()
        left = self.operand()
        self.spaces()
        sign = next((sign for sign in COMPARISONS if self.skip(sign)), None)
        self.spaces()
        right = self.operand() if sign else None
        self.want(")")
        self.depth -= 1
        return _filter(left, COMPARISONS[sign] if sign else None, right)

    def operand(self) -> Operand:
        if self.skip("@") or self.skip("$"):
            return _following(self.steps())
        if self.comes("'", '"'):
            text = self.quoted()
            return lambda _: [text]
        value = self.literal()
        return lambda _: [value]

    def literal(self) -> Json:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in " )=!<>":
            self.at += 1
        word = self.text[start : self.at]
        if word in WORDS:
            return WORDS[word]
        try:
            return float(word) if "." in word else int(word)
        except ValueError:
            raise self.error(f"'{word}' is not a value") from None


def _fields(*names: str) -> Step:
    def step(value: Json) -> Iterator[Json]:
        if isinstance(value, dict):
            yield from (value[name] for name in names if name in value)

    return step


def _children(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _descendants(value: Json) -> Iterator[Json]:
    """A value and everything below it, parents first."""
    pending = [value]
    while pending:
        found = pending.pop()
        yield found
        pending.extend(reversed(list(_children(found))))


def _item(index: int) -> Step:
    def step(value: Json) -> Iterator[Json]:
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]

    return step


def _slice(part: slice) -> Step:
    return lambda value: value[part] if isinstance(value, list) and part.step != 0 else ()


def _union(steps: list[Step]) -> Step:
    return lambda value: [result for step in steps for result in step(value)]


def _filter(left: Operand, comparison: Callable[[Json, Json], bool] | None, right: Operand | None) -> Step:
    def keeps(value: Json) -> bool:
        found = left(value)
        if comparison is None or right is None:
            return bool(found)
        wanted = right(value)
        return bool(found) and bool(wanted) and _holds(comparison, found[0], wanted[0])

    return lambda value: [child for child in _children(value) if keeps(child)]


def _holds(comparison: Callable[[Json, Json], bool], left: Json, right: Json) -> bool:
    """A comparison of two values; of values that have no order it is false."""
    if isinstance(left, bool) is not isinstance(right, bool):
        return comparison is operator.ne
    try:
        return comparison(left, right)
    except TypeError:
        return False
