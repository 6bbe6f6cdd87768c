"""Shell patterns in substitutions: ``*`` any text, ``?`` any character, ``[a-z]`` and ``[^a-z]`` one of a set."""

from collections.abc import Iterator
from typing import NamedTuple


class _Set(NamedTuple):
    """One character of a pattern: the ranges it may be in, or may not."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool = False

    def has(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) is not self.negated


ANY = _Set((), negated=True)
STAR = None


def without_prefix(value: str, pattern: str, *, longest: bool) -> str:
    """``value`` without the shortest or longest prefix that matches; unchanged where none does or the pattern is bad.

    At least one character is taken, as in Flux: ``*`` takes one when asked for the shortest.
    """
    lengths = _matching_lengths(value, pattern)
    taken = max(lengths, default=0) if longest else next(lengths, 0)
    return value[taken:]


def without_suffix(value: str, pattern: str, *, longest: bool) -> str:
    """``without_prefix`` from the other end: on the reversed value with the reversed pattern, as in Flux."""
    return without_prefix(value[::-1], pattern[::-1], longest=longest)[::-1]


def _matching_lengths(value: str, pattern: str) -> Iterator[int]:
    """The lengths of the prefixes that match, in one pass: ``states`` are the places reached in the pattern."""
    try:
        parts = list(_parsed(pattern))
    except IndexError:
        return
    states = _past_stars({0}, parts)
    for length, character in enumerate(value, 1):
        reached = {at for at in states if at < len(parts) and parts[at] is STAR}
        reached |= {at + 1 for at in states if at < len(parts) and (part := parts[at]) and part.has(character)}
        states = _past_stars(reached, parts)
        if len(parts) in states:
            yield length
        if not states:
            return


def _past_stars(states: set[int], parts: list[_Set | None]) -> set[int]:
    """The states and those behind the stars at them, which may match nothing."""
    found = set(states)
    for at in states:
        while at < len(parts) and parts[at] is STAR:
            at += 1
            found.add(at)
    return found


def _parsed(pattern: str) -> Iterator[_Set | None]:
    """The parts of a pattern; ``IndexError`` where it ends too early or a set is malformed."""
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            yield STAR
        elif character == "?":
            yield ANY
        elif character == "[":
            found, at = _parsed_set(pattern, at)
            yield found
        else:
            if character == "\\":
                character, at = pattern[at], at + 1
            yield _Set(((character, character),))


def _parsed_set(pattern: str, at: int) -> tuple[_Set, int]:
    negated = pattern[at] == "^"
    at += negated
    ranges: list[tuple[str, str]] = []
    while pattern[at] != "]" or not ranges:
        low, at = _set_member(pattern, at)
        high = low
        if pattern[at] == "-":
            high, at = _set_member(pattern, at + 1)
        ranges.append((low, high))
    return _Set(tuple(ranges), negated), at + 1


def _set_member(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at] in "-]":
        raise IndexError(at)
    if pattern[at] == "\\":
        at += 1
    return pattern[at], at + 1
