"""Questions to lists, and regular expressions (RE2) in texts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from afflux.lang.kubernetes_cel.opaque import plain
from afflux.lang.regexp import compile_pattern
from afflux.objects.manifest import Json


def is_sorted(items: list[Json]) -> bool:
    """Whether no item is smaller than the one before it."""
    values = plain(items)
    return all(a <= b for a, b in pairwise(values))


def total(items: list[Json]) -> Json:
    """The sum of numbers; 0 of nothing."""
    return sum(plain(items))


def extreme(name: str, choose: Callable[[list[Json]], Json]) -> Callable[[list[Json]], Json]:
    """``min`` or ``max``: an error for an empty list."""

    def chosen(items: list[Json]) -> Json:
        values = plain(items)
        if not values:
            raise ValueError(f"{name} called on empty list")
        return choose(values)

    return chosen


def index_of(items: list[Json], wanted: Json) -> int:
    """The first place of a value; -1 where it isn't."""
    value = plain(wanted)
    return next((index for index, item in enumerate(plain(items)) if _same(item, value)), -1)


def last_index_of(items: list[Json], wanted: Json) -> int:
    """The last place of a value; -1 where it isn't."""
    values, value = plain(items), plain(wanted)
    return next((index for index in range(len(values) - 1, -1, -1) if _same(values[index], value)), -1)


def _same(one: Json, other: Json) -> bool:
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def find(text: str, pattern: str) -> str:
    """The first match; empty where there is none."""
    found = compile_pattern(pattern).search(text)
    return "" if found is None else str(found.group(0))


def find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    """All matches, or the first ``limit`` ones where that isn't negative."""
    found: list[str] = []
    if limit == 0:
        return found
    for match in compile_pattern(pattern).finditer(text):
        found.append(str(match.group(0)))
        if len(found) == limit:
            break
    return found
