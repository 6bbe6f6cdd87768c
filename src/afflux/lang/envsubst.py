"""``${name}`` in a text, as Flux's ``postBuild`` substitutes it.

The grammar and its odd corners are those of Flux's envsubst package: only ``${...}`` means anything, ``$$`` is one
``$``, ``:-``, ``:=``, ``:?``, ``:+`` and ``=`` all mean "or else", lengths and positions count bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from afflux.lang.glob import without_prefix, without_suffix

BAD = "bad substitution"
NO_CLOSING_BRACE = "missing closing brace"
NO_NAME = "unable to parse variable name"
NO_PARAMETER = "unable to parse substitution within function"
NO_DEFAULT = "unable to parse default function"

MAX_NESTING = 100

DEFAULTS = frozenset((":-", ":=", ":?", ":+", "="))


class SubstitutionError(ValueError):
    """A text that can't be parsed, or in strict mode a variable that isn't set; the message is Flux's."""


class Expansion(NamedTuple):
    """``${name operator arguments}``; an argument is parsed text itself."""

    name: str
    operator: str
    arguments: tuple["Parsed", ...]


Parsed: TypeAlias = tuple[str | Expansion, ...]


def substitute(text: str, variables: Mapping[str, str], *, strict: bool) -> str:
    """``text`` with its variables replaced.

    ``strict``: a variable that isn't set and has no default is a ``SubstitutionError``; otherwise it is empty.
    """
    if "$" not in text:
        return text
    return _evaluated(_Parser(text).text(), variables, strict)


def _is_identifier(character: str) -> bool:
    return character == "_" or character.isalpha() or character.isdecimal()


class _Parser:
    """Reads a text from left to right; ``at`` is where it stands."""

    def __init__(self, text: str) -> None:
        self.source = text
        self.at = 0
        self.depth = 0

    def text(self) -> Parsed:
        """The whole text."""
        parts: list[str | Expansion] = []
        while self.at < len(self.source):
            dollar = self.source.find("$", self.at)
            end = len(self.source) if dollar < 0 else dollar
            if end > self.at:
                parts.append(self.source[self.at : end])
            self.at = end
            if self.comes("${"):
                parts.append(self.expansion())
            elif end < len(self.source):
                parts.append("$")
                self.at += 2 if self.comes("$$") else 1
        return tuple(parts)

    def comes(self, text: str) -> bool:
        return self.source.startswith(text, self.at)

    def skip(self, character: str, at_most: int | None = None) -> str:
        """What stands here of repetitions of ``character``."""
        start = self.at
        while self.comes(character) and (at_most is None or self.at - start < at_most):
            self.at += 1
        return self.source[start : self.at]

    def close(self, problem: str = BAD) -> None:
        if not self.comes("}"):
            raise SubstitutionError(problem)
        self.at += 1

    def identifier(self, problem: str) -> str:
        start = self.at
        while self.at < len(self.source) and _is_identifier(self.source[self.at]):
            self.at += 1
        if self.at == start:
            raise SubstitutionError(problem)
        return self.source[start : self.at]

    def expansion(self) -> Expansion:
        """What follows ``${``, with its closing brace."""
        if self.depth >= MAX_NESTING:
            raise SubstitutionError(f"{BAD}: nested more than {MAX_NESTING} levels deep")
        self.depth += 1
        self.at += 2
        found = self.length() if self.comes("#") else self.operation(self.identifier(NO_NAME))
        self.depth -= 1
        return found

    def length(self) -> Expansion:
        self.at += 1
        found = Expansion(self.identifier(BAD), "length", ())
        self.close()
        return found

    def operation(self, name: str) -> Expansion:
        following = self.source[self.at : self.at + 2]
        match following[:1]:
            case "=":
                return self.default(name, "=")
            case ":":
                return self.default(name, following) if following in DEFAULTS else self.substring(name)
            case "," | "^":
                return self.casing(name)
            case "/":
                return self.replacement(name)
            case "#" | "%":
                operator = self.skip(following[0], 2)
                return self.closed(name, operator, self.parameter("}"))
        self.close(NO_CLOSING_BRACE)
        return Expansion(name, "", ())

    def closed(self, name: str, operator: str, *arguments: Parsed) -> Expansion:
        self.close()
        return Expansion(name, operator, arguments)

    def default(self, name: str, operator: str) -> Expansion:
        self.at += len(operator)
        arguments: list[Parsed] = []
        while not self.comes("}"):
            arguments.append(self.parameter("}"))
        return self.closed(name, operator, *arguments)

    def substring(self, name: str) -> Expansion:
        self.at += 1
        position = self.parameter(":}")
        if self.comes("}"):
            return self.closed(name, ":", position)
        if not self.skip(":"):
            raise SubstitutionError(BAD)
        return self.closed(name, ":", position, self.parameter("}"))

    def casing(self, name: str) -> Expansion:
        start = self.at
        while self.source[self.at : self.at + 1] in (",", "^") and self.at - start < 2:
            self.at += 1
        return self.closed(name, self.source[start : self.at])

    def replacement(self, name: str) -> Expansion:
        operator = self.source[self.at : self.at + 2]
        operator = operator if operator in ("//", "/#", "/%") else "/"
        self.at += len(operator)
        pattern: Parsed = ("",) if self.comes("/") else self.parameter("/", escapes=True)
        if not self.skip("/"):
            raise SubstitutionError(BAD)
        if self.comes("}"):
            return self.closed(name, operator, pattern)
        return self.closed(name, operator, pattern, self.parameter("}", escapes=True))

    def parameter(self, stops: str, *, escapes: bool = False) -> Parsed:
        """One argument: either an expansion or text up to one of ``stops`` or the next expansion."""
        if self.comes("${"):
            return (self.expansion(),)
        found: list[str] = []
        while self.at < len(self.source) and not self.comes("${"):
            if escapes and self.source[self.at : self.at + 2] in ("$$", "\\/", "\\\\"):
                self.at += 1
            elif self.source[self.at] in stops:
                break
            found.append(self.source[self.at])
            self.at += 1
        if not found:
            raise SubstitutionError(NO_PARAMETER)
        return ("".join(found),)


def _evaluated(parts: Parsed, variables: Mapping[str, str], strict: bool) -> str:
    return "".join(part if isinstance(part, str) else _value(part, variables, strict) for part in parts)


def _value(expansion: Expansion, variables: Mapping[str, str], strict: bool) -> str:
    arguments = [_evaluated(argument, variables, strict) for argument in expansion.arguments]
    value = variables.get(expansion.name)
    if value is None and strict and expansion.operator not in DEFAULTS:
        raise SubstitutionError(f'variable not set (strict mode): "{expansion.name}"')
    function = FUNCTIONS.get(expansion.operator, _or_default)
    return function(value or "", arguments)


def _or_default(value: str, arguments: Sequence[str]) -> str:
    return value or "".join(arguments)


def _length(value: str, _: Sequence[str]) -> str:
    return str(len(value.encode("utf-8", "surrogatepass")))


def _number(text: str) -> int | None:
    """``strconv.Atoi``: no spaces, no underscores."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None


def _substring(value: str, arguments: Sequence[str]) -> str:
    numbers = [_number(argument) for argument in arguments]
    if None in numbers:
        return value
    data = value.encode("utf-8", "surrogateescape")
    position = numbers[0] or 0
    start = max(len(data) + position, 0) if position < 0 else position
    length = numbers[1] if len(numbers) > 1 else None
    end = len(data) if length is None else len(data) + length if length < 0 else start + length
    return data[start : max(end, 0)].decode("utf-8", "surrogateescape")


def _replace_prefix(value: str, arguments: Sequence[str]) -> str:
    if len(arguments) != 2 or not value.startswith(arguments[0]):
        return value
    return arguments[1] + value.removeprefix(arguments[0])


def _replace_suffix(value: str, arguments: Sequence[str]) -> str:
    if len(arguments) != 2 or not value.endswith(arguments[0]):
        return value
    return value.removesuffix(arguments[0]) + arguments[1]


FUNCTIONS: dict[str, Callable[[str, Sequence[str]], str]] = {
    "length": _length,
    "^": lambda value, _: value[:1].upper() + value[1:],
    "^^": lambda value, _: value.upper(),
    ",": lambda value, _: value[:1].lower() + value[1:],
    ",,": lambda value, _: value.lower(),
    ":": _substring,
    "#": lambda value, arguments: without_prefix(value, arguments[0], longest=False),
    "##": lambda value, arguments: without_prefix(value, arguments[0], longest=True),
    "%": lambda value, arguments: without_suffix(value, arguments[0], longest=False),
    "%%": lambda value, arguments: without_suffix(value, arguments[0], longest=True),
    "/": lambda value, arguments: value.replace(arguments[0], "".join(arguments[1:]), 1),
    "//": lambda value, arguments: value.replace(arguments[0], "".join(arguments[1:])),
    "/#": _replace_prefix,
    "/%": _replace_suffix,
}
