"""Quantities (``500m``, ``1Gi``) as the API server writes them back: in their shortest exact form."""

import re
from decimal import ROUND_CEILING, Decimal, localcontext
from functools import lru_cache
from typing import Final

from afflux.objects.manifest import Json
from afflux.schema.openapi import Schema

_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_QUANTITY: Final = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([KMGTPE]i|[numkMGTPE]?)|[eE]([+-]?[0-9]{1,3}))")
_LARGEST: Final = Decimal(2**63 - 1)


class InvalidQuantity(ValueError):
    """A text that isn't a quantity."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is not a quantity: a number with an optional suffix such as m, k, Mi or e3")


@lru_cache(maxsize=4096)
def canonical_quantity(text: str) -> str:
    """``1000m`` is ``1``, ``0.5`` is ``500m``, ``1024Mi`` is ``1Gi``; the kind of suffix stays as written.

    Finer than a nano is rounded up. Raises ``InvalidQuantity``.
    """
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise InvalidQuantity(text)
    digits, suffix, exponent = found.groups()
    with localcontext() as context:
        context.prec = 400
        if suffix in _BINARY:
            value = Decimal(digits) * (1 << _BINARY[suffix])
        else:
            value = Decimal(digits).scaleb(int(exponent) if exponent is not None else _DECIMAL[suffix])
        value = max(-_LARGEST, min(_LARGEST, value.quantize(Decimal("1e-9"), rounding=ROUND_CEILING)))
        if suffix in _BINARY and abs(value) >= 1024 and value == int(value):
            return _binary(int(value))
        return _decimal(value, "e" if exponent is not None else "")


def canonical_quantities(value: Json, schema: Schema, known: Json = None) -> Json:
    """``value`` with every quantity that the schema declares in canonical form; texts that aren't quantities stay.

    Shares what does not change, and is ``value`` itself where nothing does. Parts that are those of ``known``
    themselves, which is canonical, are not looked at.
    """
    if value is known or not schema.has_quantities:
        return value
    if isinstance(value, dict):
        return _changed_items(value, schema, known if isinstance(known, dict) else {})
    if isinstance(value, list):
        items = [canonical_quantities(item, schema.items) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return _canonical_scalar(value) if schema.format == "quantity" else value


def _changed_items(value: dict[str, Json], schema: Schema, known: dict[str, Json]) -> dict[str, Json]:
    changed: dict[str, Json] = {}
    for name, child in value.items():
        declared = schema.child(name)
        if declared is None or child is None:
            continue
        canonical = canonical_quantities(child, declared, known.get(name))
        if canonical is not child:
            changed[name] = canonical
    return {**value, **changed} if changed else value


def _canonical_scalar(value: Json) -> Json:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    text = value if isinstance(value, str) else repr(value)
    try:
        canonical = canonical_quantity(text)
    except InvalidQuantity:
        return value
    return value if canonical == value else canonical


def _binary(value: int) -> str:
    for suffix, bits in reversed(_BINARY.items()):
        if value % (1 << bits) == 0:
            return f"{value >> bits}{suffix}"
    return str(value)


def _decimal(value: Decimal, marker: str) -> str:
    """The largest power of 1000 that leaves an integer; as a suffix, or as an exponent where one was written."""
    if value == 0:
        return "0"
    for suffix, power in reversed(_DECIMAL.items()):
        scaled = value.scaleb(-power)
        if scaled == int(scaled):
            if marker:
                return f"{int(scaled)}e{power}" if power else str(int(scaled))
            return f"{int(scaled)}{suffix}"
    return str(value)
