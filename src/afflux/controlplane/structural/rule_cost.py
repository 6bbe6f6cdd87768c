"""Which rules may be evaluated at once: those that can't take long, whatever they say.

An estimate from above, made without looking at what a rule means: its length, the size of the values that it is given,
and how many of its calls may multiply with each other. It decides where a rule is evaluated, never whether it holds.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import prod
from typing import Final, NamedTuple

from afflux.controlplane.structural.nodes import SchemaNode
from afflux.objects.manifest import Json

AT_ONCE: Final = 4_000_000
"""The most that the rules of one object may cost to be evaluated at once: some 50 ms where they are at their worst."""

_EACH: Final = 2_000
"""What an evaluation, or a call in one, costs whatever it is given."""
_EXPRESSION: Final = 20_000
"""What a regular expression costs."""
_STEPS: Final = 10_000
"""More steps of loops than the evaluator itself allows in one evaluation."""
_SCANNED: Final = 64
"""Characters that are looked at in the time of one step."""
_MOST_CALLS: Final = 4

_CALL: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*\(")
_LOOPS: Final = frozenset({"all", "exists", "exists_one", "existsOne", "filter"})
_MATCHES: Final = re.compile(r"\b(?:matches|find|findAll)\s*\(\s*r?['\"]")
"""Regular expressions that the rule itself holds. One that comes with the object may be anything."""
_REPEATED: Final = re.compile(r"\{(\d{1,4})(?:,(\d{0,4}))?\}")
_QUICK: Final = frozenset(
    {"has", "size", "startsWith", "endsWith", "contains", "int", "uint", "double", "bool", "string", "type", "in"}
    | {"hasValue", "value", "orValue", "optional", "of", "charAt", "substring", "indexOf", "duration", "timestamp"}
)
_LINEAR: Final = frozenset(
    {
        "lowerAscii",
        "upperAscii",
        "trim",
        "isIP",
        "ip",
        "isCIDR",
        "cidr",
        "isURL",
        "url",
        "getScheme",
        "getHost",
        "getPort",
    }
    | {"getHostname", "isQuantity", "quantity", "isLessThan", "isGreaterThan", "compareTo", "isInteger", "asInteger"}
)
"""Calls that look at their values once and give nothing larger. Any other may multiply what it is given."""


class _TooDear(Exception):
    """The limit is passed: nothing more need be counted."""


def is_cheap(node: SchemaNode, new: Json, old: Json) -> bool:
    """Whether all rules of a value and what is below it can be evaluated at once."""
    try:
        _cost(node, new, old, AT_ONCE)
    except (_TooDear, RecursionError):
        return False
    return True


def _cost(node: SchemaNode, new: Json, old: Json, budget: int) -> int:
    """What is left of the budget."""
    if not node.has_rules or new is None:
        return budget
    if node.rules:
        items, characters = (sum(sizes) for sizes in zip(_size(new), _size(old), strict=True))
        for text in (text for rule in node.rules for text in (rule.rule, rule.message_expression) if text):
            budget -= _rule_cost(text, items, characters)
        if budget < 0:
            raise _TooDear
    if isinstance(new, dict):
        before = old if isinstance(old, dict) else {}
        for name, part in new.items():
            child = node.child(name)
            if child is not None:
                budget = _cost(child, part, before.get(name), budget)
    elif isinstance(new, list) and node.items is not None:
        for item in new:
            # Which item was which before isn't known yet; a former self is about as large.
            budget = _cost(node.items, item, item, budget)
    return budget


def _rule_cost(text: str, items: int, characters: int) -> int:
    """A rule's text counts as a value too: what multiplies may be written in it."""
    shape = _shape(text)
    characters += len(text)
    steps = min((items + len(text) // 2) ** shape.loops, _STEPS) if shape.loops else 1
    once = len(text) * (1 + characters // _SCANNED) + _EACH * shape.linear + shape.expressions
    if shape.growing:
        once += len(text) * characters ** (1 + shape.growing)
    return _EACH + steps * once


class _Shape(NamedTuple):
    """What a rule's text tells: its loops, plain calls, calls that may multiply, and what its expressions cost."""

    loops: int
    linear: int
    growing: int
    expressions: int


@lru_cache(maxsize=4096)
def _shape(text: str) -> _Shape:
    calls = [match.group(1) for match in _CALL.finditer(text)]
    matches = len(_MATCHES.findall(text))
    loops = sum(name in _LOOPS for name in calls)
    linear = sum(name in _LINEAR for name in calls)
    growing = sum(name not in _LOOPS | _QUICK | _LINEAR for name in calls) - matches
    repeated = prod(max(int(number or 1) for number in found) for found in _REPEATED.findall(text)[:_MOST_CALLS])
    expressions = matches * (_EXPRESSION + 200 * repeated)
    return _Shape(min(loops, _MOST_CALLS), linear, min(growing, _MOST_CALLS), expressions)


def _size(value: Json) -> tuple[int, int]:
    """How many values there are, and how many characters."""
    items, characters, waiting = 1, 1, [value]
    while waiting:
        part = waiting.pop()
        items += 1
        if isinstance(part, str):
            characters += len(part)
        elif isinstance(part, dict):
            waiting.extend(part.values())
            characters += sum(map(len, part))
        elif isinstance(part, list):
            waiting.extend(part)
        if items > AT_ONCE // _EACH * 10:
            raise _TooDear
    return items, characters
