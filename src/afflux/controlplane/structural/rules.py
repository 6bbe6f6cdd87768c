"""CEL rules of a schema (``x-kubernetes-validations``)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from afflux.controlplane.errors import FieldError
from afflux.controlplane.structural.nodes import SchemaNode, ValidationRule, correlate
from afflux.lang.cel import CelError, Program, compile_expression
from afflux.objects.manifest import Json

_SPEAKS_OF_OLD = re.compile(r"\boldSelf\b")
_FORMER = "formerSelf__"
_WORDS = {
    "FieldValueForbidden": "Forbidden: ",
    "FieldValueRequired": "Required value: ",
    "FieldValueDuplicate": "Duplicate value: ",
}
_OBJECTS_FAULT = (
    "no such key",
    "no such field",
    "divide by zero",
    "modulus by zero",
    "overflow",
    "out of bounds",
    "parse error",
    "quantities must match",
    "cannot convert value",
    "does not appear to be",
    "is not allowed",
    "called on empty list",
    "optional.none() dereference",
)
"""What evaluators say when a rule meets values that it wasn't made for; anything else is about our evaluator."""


def check_rules(
    node: SchemaNode, new: Json, old: Json, path: str, warnings: list[str], *, differs: bool = False
) -> Iterator[FieldError]:
    """One error for each rule that doesn't hold; ``old`` is the value's former self or None.

    Parts that did not change are not looked at (``differs``: this one did, though it doesn't show); a rule about
    ``oldSelf`` needs a former self. What can't be compiled or evaluated by our evaluator is said in ``warnings``.
    """
    if not node.has_rules or new is None or (old is not None and not differs and new == old):
        return
    for rule in node.rules:
        yield from _one(rule, new, old, path, warnings)
    if isinstance(new, dict):
        before = old if isinstance(old, dict) else {}
        for name, part in new.items():
            child = node.child(name)
            if child is not None:
                yield from check_rules(child, part, before.get(name), f"{path}.{name}" if path else name, warnings)
    elif isinstance(new, list) and node.items is not None:
        for index, (item, former) in enumerate(zip(new, correlate(node, new, old), strict=True)):
            yield from check_rules(node.items, item, former, f"{path}[{index}]", warnings)


def _one(rule: ValidationRule, new: Json, old: Json, path: str, warnings: list[str]) -> Iterator[FieldError]:
    if not rule.optional_old_self and old is None and _SPEAKS_OF_OLD.search(rule.rule):
        return
    bindings = {"self": new, "oldSelf": old, _FORMER: [] if old is None else [old]}
    try:
        holds = _program(rule.rule, rule.optional_old_self).evaluate(bindings)
    except CelError as error:
        if any(words in str(error) for words in _OBJECTS_FAULT):
            # The rule itself went wrong on this object: a real server refuses it, too.
            yield _error(rule, f"{error} evaluating rule: {rule.message or rule.rule}", path)
        else:
            warnings.append(f"{path or '<root>'}: validation rule not evaluated: {rule.rule}: {error}")
        return
    if holds is not True:
        yield _error(rule, _message(rule, bindings), path)


def _message(rule: ValidationRule, bindings: Mapping[str, Json]) -> str:
    if rule.message_expression:
        try:
            text = _program(rule.message_expression, rule.optional_old_self).evaluate(bindings)
        except CelError:
            # As in a real server: the fixed message stands in for one that can't be made.
            text = None
        if isinstance(text, str) and text.strip():
            return text.strip()
    return rule.message or f"failed rule: {rule.rule}"


def _error(rule: ValidationRule, message: str, path: str) -> FieldError:
    field = f"{path}{rule.field_path}" if path else rule.field_path.removeprefix(".")
    return FieldError(rule.reason, f"{_WORDS.get(rule.reason, 'Invalid value: ')}{message}", field or "<nil>")


@lru_cache(maxsize=2048)
def _program(text: str, optional_old_self: bool) -> Program:
    """The compiled rule. An optional former self is the first item, if any, of a list that may be empty."""
    if optional_old_self:
        text = _SPEAKS_OF_OLD.sub(f"{_FORMER}[?0]", text)
    return compile_expression(text, ("self", "oldSelf", _FORMER), kubernetes=True)
