"""Label selectors, as text (``app=web,tier in (a, b)``) and as an object (``matchLabels``, ``matchExpressions``)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from afflux.objects.manifest import Json


class InvalidSelector(ValueError):
    """A selector that cannot be read; the message says what is wrong with which part."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label. ``operator`` is a key of ``OPERATORS``."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the label set fulfils the condition; an absent label fulfils ``NotIn`` and ``DoesNotExist``."""
        return OPERATORS[self.operator](labels.get(self.key), self.values)


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Requirements that must all hold; the empty selector matches everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the label set fulfils every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"[+-]?[0-9]{1,19}", text) else None


def _compared(value: str | None, bounds: frozenset[str], decide: Callable[[int, int], bool]) -> bool:
    number, bound = _number(value), _number(next(iter(bounds)))
    return number is not None and bound is not None and decide(number, bound)


OPERATORS: Final[dict[str, Callable[[str | None, frozenset[str]], bool]]] = {
    "In": lambda value, values: value is not None and value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, values: value is not None,
    "DoesNotExist": lambda value, values: value is None,
    "Gt": lambda value, values: _compared(value, values, lambda number, bound: number > bound),
    "Lt": lambda value, values: _compared(value, values, lambda number, bound: number < bound),
}
"""What each operator asks of a label's value (None where the label is absent)."""

_OBJECT_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist")

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_DNS = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_TOKENS = re.compile(r"\s*(?:(?P<sign>==|=|!=|!|,|\(|\)|>|<)|(?P<word>[^\s=!,()<>]+))")


def label_selector(spec: Json) -> LabelSelector:
    """Reads ``{matchLabels, matchExpressions}``. Raises ``InvalidSelector`` naming the field."""
    if not isinstance(spec, dict):
        raise InvalidSelector("a label selector must be an object")
    labels, expressions = spec.get("matchLabels") or {}, spec.get("matchExpressions") or []
    if not isinstance(labels, dict) or not isinstance(expressions, list):
        raise InvalidSelector("matchLabels must be an object and matchExpressions a list")
    requirements = [_requirement(key, "In", [value], "matchLabels") for key, value in labels.items()]
    for index, expression in enumerate(expressions):
        requirements.append(_expression(expression, f"matchExpressions[{index}]"))
    return LabelSelector(tuple(requirements))


def parse_label_selector(text: str) -> LabelSelector:
    """Reads the form used in URLs and Flux's ``labelSelector`` fields. Raises ``InvalidSelector``.

    ``a=b``, ``a==b``, ``a!=b``, ``a in (b,c)``, ``a notin (b,c)``, ``a``, ``!a``, ``a>1``, ``a<1``, joined by commas.
    """
    tokens = _tokenize(text)
    requirements: list[Requirement] = []
    while tokens:
        requirements.append(_parse_requirement(tokens, text))
        if tokens and (tokens.pop(0) != "," or not tokens):
            raise InvalidSelector(f"unable to parse selector {text!r}: requirements must be joined by single commas")
    return LabelSelector(tuple(requirements))


def _expression(expression: Json, field: str) -> Requirement:
    if not isinstance(expression, dict):
        raise InvalidSelector(f"{field} must be an object")
    key, operator, values = expression.get("key"), expression.get("operator"), expression.get("values") or []
    if operator not in _OBJECT_OPERATORS:
        raise InvalidSelector(f"{field}.operator: {operator!r} is not a valid label selector operator")
    if not isinstance(values, list):
        raise InvalidSelector(f"{field}.values must be a list")
    return _requirement(key, operator, values, field)


def _requirement(key: Json, operator: str, values: list[Json], field: str) -> Requirement:
    prefix, _, name = key.rpartition("/") if isinstance(key, str) else ("", "", "")
    if not _NAME.fullmatch(name) or (prefix and not (len(prefix) <= 253 and _DNS.fullmatch(prefix))):
        raise InvalidSelector(f"{field}: {key!r} is not a valid label key")
    if (operator in ("In", "NotIn")) != bool(values) and operator not in ("Gt", "Lt"):
        problem = "must be given" if not values else "must be empty"
        raise InvalidSelector(f"{field}: values of {key} {problem} for operator {operator}")
    for value in values:
        if not isinstance(value, str) or (value and not _NAME.fullmatch(value)):
            raise InvalidSelector(f"{field}: {value!r} is not a valid label value of {key}")
    return Requirement(key, operator, frozenset(values))


def _tokenize(text: str) -> list[str]:
    tokens, position, end = [], 0, len(text.rstrip())
    while position < end:
        found = _TOKENS.match(text, position)
        assert found is not None  # the two alternatives cover every character
        tokens.append(found.group("sign") or found.group("word"))
        position = found.end()
    return tokens


def _parse_requirement(tokens: list[str], text: str) -> Requirement:
    source = f"unable to parse selector {text!r}"
    if tokens[0] == "!":
        tokens.pop(0)
        return _requirement(tokens.pop(0) if tokens else "", "DoesNotExist", [], source)
    key = tokens.pop(0)
    if not tokens or tokens[0] == ",":
        return _requirement(key, "Exists", [], source)
    match operator := tokens.pop(0):
        case "=" | "==":
            return _requirement(key, "In", [_value(tokens)], source)
        case "!=":
            return _requirement(key, "NotIn", [_value(tokens)], source)
        case "in" | "notin":
            return _requirement(key, "In" if operator == "in" else "NotIn", _values(tokens, source), source)
        case ">" | "<":
            bound = _value(tokens)
            if _number(bound) is None:
                raise InvalidSelector(f"{source}: {bound!r} is not an integer")
            return Requirement(key, "Gt" if operator == ">" else "Lt", frozenset((bound,)))
    raise InvalidSelector(f"{source}: found {operator!r}, expected: in, notin, =, ==, !=, <, >")


def _value(tokens: list[str]) -> str:
    return "" if not tokens or tokens[0] == "," else tokens.pop(0)


def _values(tokens: list[str], source: str) -> list[Json]:
    if not tokens or tokens.pop(0) != "(" or ")" not in tokens:
        raise InvalidSelector(f"{source}: values must stand in parentheses")
    end = tokens.index(")")
    inside = tokens[:end]
    del tokens[: end + 1]
    values = [""]
    for token in inside:
        if token == ",":
            values.append("")
        elif values[-1] or token == "(":
            raise InvalidSelector(f"{source}: found {token!r}, expected: ',' or ')'")
        else:
            values[-1] = token
    return list(values)
