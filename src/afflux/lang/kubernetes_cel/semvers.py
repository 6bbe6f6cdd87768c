"""Semantic versions 2.0.0, and their order."""

from __future__ import annotations

import re
from functools import cmp_to_key

from afflux.lang.kubernetes_cel.opaque import Method, Opaque, content_of, opaque
from afflux.objects.manifest import Json

_NUMBER = r"(0|[1-9][0-9]{0,18})"
_PRE = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SHAPE = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_PRE}(?:\.{_PRE})*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)
_LONGEST = 256


def parse(text: str, normalize: bool = False) -> Opaque:
    """A version; ``normalize`` takes a leading ``v`` and missing minor and patch numbers. ``ValueError``."""
    if normalize:
        text = _normalized(text)
    if len(text) > _LONGEST or _SHAPE.fullmatch(text) is None:
        raise ValueError(f"semver parse error: {text[:100]!r} is not major.minor.patch")
    return opaque("semver", text)


def _normalized(text: str) -> str:
    core, *rest = re.split(r"(?=[-+])", text.strip().removeprefix("v"), maxsplit=1)
    numbers = [part.lstrip("0") or "0" for part in core.split(".")]
    return ".".join([*numbers, "0", "0"][: max(3, len(numbers))]) + "".join(rest)


def _parts(value: Json) -> tuple[tuple[int, int, int], list[str]]:
    found = _SHAPE.fullmatch(str(content_of(value, "semver")))
    if found is None:
        raise ValueError("not a semantic version")
    return (int(found[1]), int(found[2]), int(found[3])), found[4].split(".") if found[4] else []


def _compared(one: Json, other: Json) -> int:
    (left, left_pre), (right, right_pre) = _parts(one), _parts(other)
    if left != right or not left_pre or not right_pre:
        a, b = (left, not left_pre), (right, not right_pre)
        return (a > b) - (a < b)
    a_key, b_key = ([_KEY(part) for part in parts] for parts in (left_pre, right_pre))
    return (a_key > b_key) - (a_key < b_key)


def _part_order(one: str, other: str) -> int:
    """Numbers come before words, and count as numbers."""
    a, b = ((not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in (one, other))
    return (a > b) - (a < b)


_KEY = cmp_to_key(_part_order)

METHODS: dict[str, Method] = {
    "major": lambda value: _parts(value)[0][0],
    "minor": lambda value: _parts(value)[0][1],
    "patch": lambda value: _parts(value)[0][2],
    "compareTo": _compared,
    "isLessThan": lambda one, other: _compared(one, other) < 0,
    "isGreaterThan": lambda one, other: _compared(one, other) > 0,
}
