"""Quantities: ``100Mi``, ``1.5``, ``3e2``, as Kubernetes' resource.Quantity reads and compares them."""

from __future__ import annotations

import re
from fractions import Fraction

from afflux.lang.kubernetes_cel.opaque import Method, Opaque, content_of, opaque
from afflux.objects.manifest import Json

_SHAPE = re.compile(r"([+-]?)([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]?|[eE][+-]?[0-9]{1,3})")
_BINARY = {f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", 1)}
_DECIMAL = {
    letter: Fraction(10) ** power for letter, power in zip("numkMGTPE", (-9, -6, -3, 3, 6, 9, 12, 15, 18), strict=True)
}
_LONGEST = 256
_MOST = 2**63 - 1


def parse(text: str) -> Opaque:
    """The quantity that a text says. ``ValueError``."""
    found = _SHAPE.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    sign, number, suffix = found.groups()
    amount = Fraction(number if number[-1] != "." else number[:-1])
    if suffix in _BINARY:
        amount *= _BINARY[suffix]
    elif suffix in _DECIMAL:
        amount *= _DECIMAL[suffix]
    elif suffix:
        amount *= Fraction(10) ** int(suffix[1:])
    return _made(_rounded(-amount if sign == "-" else amount))


def _rounded(amount: Fraction) -> Fraction:
    """Nothing is finer than a billionth (rounded away from zero), nor larger than 63 bits."""
    billionths = amount * 10**9
    rounded = -(-abs(billionths.numerator) // billionths.denominator)
    limited = min(Fraction(rounded, 10**9), Fraction(_MOST))
    return limited if amount >= 0 else -limited


def _made(amount: Fraction) -> Opaque:
    return opaque("quantity", str(amount))


def _amount(value: Json) -> Fraction:
    if isinstance(value, int) and not isinstance(value, bool):
        return Fraction(value)
    return Fraction(content_of(value, "quantity"))


def _compared(one: Json, other: Json) -> int:
    left, right = _amount(one), _amount(other)
    return (left > right) - (left < right)


def _whole(value: Json) -> int:
    amount = _amount(value)
    if amount.denominator != 1 or abs(amount) > _MOST:
        raise ValueError("cannot convert value to integer")
    return int(amount)


def _sign(value: Json) -> int:
    amount = _amount(value)
    return (amount > 0) - (amount < 0)


METHODS: dict[str, Method] = {
    "add": lambda one, other: _made(_amount(one) + _amount(other)),
    "sub": lambda one, other: _made(_amount(one) - _amount(other)),
    "sign": _sign,
    "isInteger": lambda value: _amount(value).denominator == 1 and abs(_amount(value)) <= _MOST,
    "asInteger": _whole,
    "asApproximateFloat": lambda value: float(_amount(value)),
    "compareTo": _compared,
    "isLessThan": lambda one, other: _compared(one, other) < 0,
    "isGreaterThan": lambda one, other: _compared(one, other) > 0,
}
