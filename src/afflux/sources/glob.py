"""Matching one name against a shell pattern, by the rules of Go's ``path.Match``, in time linear in the name a star.

Users write these patterns, so no backtracking engine ever sees them.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

NameMatcher: TypeAlias = Callable[[str], bool]


class _Class(NamedTuple):
    """``[a-z]``: inclusive ranges, or everything but them."""

    negated: bool
    ranges: tuple[tuple[str, str], ...]

    def holds(self, char: str) -> bool:
        return any(low <= char <= high for low, high in self.ranges) != self.negated


class _Star(NamedTuple):
    """``*``: any characters."""


class _Any(NamedTuple):
    """``?``: one character."""


_Token: TypeAlias = str | _Class | _Star | _Any


class MalformedPattern(ValueError):
    """A pattern that ends in the middle of a class or of an escape."""


@lru_cache(maxsize=4096)
def compile_name(pattern: str) -> NameMatcher:
    """What tells whether a name matches. A malformed pattern matches nothing."""
    try:
        tokens = _tokens(pattern)
    except MalformedPattern:
        return lambda name: False
    literal = [token for token in tokens if isinstance(token, str)]
    if len(literal) == len(tokens):
        return "".join(literal).__eq__
    if len(literal) == len(tokens) - 1 and isinstance(tokens[0], _Star):
        suffix = "".join(literal)
        return lambda name: name.endswith(suffix)
    return lambda name: _matches(tokens, name)


def _tokens(pattern: str) -> tuple[_Token, ...]:
    tokens: list[_Token] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "*":
            if not tokens or not isinstance(tokens[-1], _Star):
                tokens.append(_Star())
            at += 1
        elif char == "?":
            tokens.append(_Any())
            at += 1
        elif char == "[":
            token, at = _class(pattern, at + 1)
            tokens.append(token)
        else:
            literal, at = _character(pattern, at)
            tokens.append(literal)
    return tuple(tokens)


def _class(pattern: str, at: int) -> tuple[_Class, int]:
    negated = pattern[at : at + 1] == "^"
    at += negated
    ranges: list[tuple[str, str]] = []
    while not ranges or pattern[at : at + 1] != "]":
        if pattern[at : at + 1] in {"", "-", "]"}:
            raise MalformedPattern(pattern)
        low, at = _character(pattern, at)
        high = low
        if pattern[at : at + 1] == "-":
            if pattern[at + 1 : at + 2] in {"", "-", "]"}:
                raise MalformedPattern(pattern)
            high, at = _character(pattern, at + 1)
        ranges.append((low, high))
    return _Class(negated, tuple(ranges)), at + 1


def _character(pattern: str, at: int) -> tuple[str, int]:
    """A character that may be escaped, and where the next one begins."""
    if pattern[at] != "\\":
        return pattern[at], at + 1
    if at + 1 == len(pattern):
        raise MalformedPattern(pattern)
    return pattern[at + 1], at + 2


def _matches(tokens: tuple[_Token, ...], name: str) -> bool:
    """Greedy matching that returns to the last star only: a star that was passed never has to be tried again."""
    token, char = 0, 0
    star, resume = -1, 0
    while char < len(name):
        if token < len(tokens) and isinstance(tokens[token], _Star):
            star, resume = token, char
            token += 1
        elif token < len(tokens) and _holds(tokens[token], name[char]):
            token += 1
            char += 1
        elif star >= 0:
            resume += 1
            token, char = star + 1, resume
        else:
            return False
    return all(isinstance(rest, _Star) for rest in tokens[token:])


def _holds(token: _Token, char: str) -> bool:
    match token:
        case str():
            return token == char
        case _Class():
            return token.holds(char)
        case _Any():
            return True
        case _Star():
            return False
