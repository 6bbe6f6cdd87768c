"""When two JSON values are the same: Python holds ``True`` and ``1`` equal, JSON doesn't."""

import orjson

from afflux.objects.manifest import Json


def json_equal(left: Json, right: Json) -> bool:
    """Equality of JSON values: ``true`` is not ``1``; ``1.0`` may be told from ``1`` only by type, so it equals it.

    Fast for large values that are equal or plainly different.
    """
    if left is right:
        return True
    if left != right:
        return False
    kind = type(left)
    if kind is str:
        return True
    if kind is dict or kind is list:
        return _same_text(left, right) or _equal_by_part(left, right)
    return isinstance(left, bool) is isinstance(right, bool)


def _same_text(left: Json, right: Json) -> bool:
    try:
        return orjson.dumps(left) == orjson.dumps(right)
    except TypeError:  # an integer beyond 64 bits
        return False


def _equal_by_part(left: Json, right: Json) -> bool:
    if isinstance(left, dict):
        return all(json_equal(value, right[key]) for key, value in left.items())
    return all(map(json_equal, left, right))
