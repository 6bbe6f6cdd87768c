"""Merging lists whose elements are identified by keys (or by themselves): kyaml's rules, oddities included.

The elements of the patch come first, in its order; then those that only the target has. Elements without their keys
take the odd roads described at ``_set_element``; lists where every element has its keys once, nearly all of them,
take a short one with the same outcome.
"""

from collections.abc import Callable

from afflux.kustomize.scalars import is_null, text_of, untagged
from afflux.objects.manifest import Json

MergeElements = Callable[[Json, Json], Json]
"""Merges an element of the target and one of the patch; None is one that isn't there, or nothing left."""

Values = tuple[str, ...]


def merge_associative(
    dest: list[Json], origin: list[Json] | None, keys: tuple[str, ...], merge: MergeElements
) -> list[Json] | None:
    """The merged list. ``origin`` is None where there is no patch, and ``dest`` itself where only a patch is there."""
    if not keys:
        return _merged(dest, origin, ("",), _primitive_values(dest, origin), merge)
    merged = _plainly_merged(dest, origin, keys, merge)
    if merged is not None:
        return merged
    return _merged(dest, origin, keys, _element_values(dest, origin, keys), merge)


def _plainly_merged(
    dest: list[Json], origin: list[Json] | None, keys: tuple[str, ...], merge: MergeElements
) -> list[Json] | None:
    """The result where every element has every key and no two elements of a list share them; else None."""
    keys = tuple(key for key in keys if any(_value(element, key) for element in (*dest, *(origin or ()))))
    present = _by_values(dest, keys) if keys else None
    if present is None:
        return None
    if origin is None:
        return None if any(merge(element, None) is None for element in dest) else dest
    changes = present if origin is dest else _by_values(origin, keys)
    if changes is None:
        return None
    if changes is present:
        return [result for change in changes.values() if (result := merge(change, change)) is not None]
    return _merged_by_values(present, changes, merge, keeps_order=len(keys) > 1)


def _merged_by_values(
    present: dict[Values, Json], changes: dict[Values, Json], merge: MergeElements, keeps_order: bool
) -> list[Json]:
    """The patch's elements in its order, then the target's. ``keeps_order``: what both have stays with the latter.

    A target's element that isn't merged in place stays as it is: what would replace it is overwritten again.
    """
    first: list[Json] = []
    for values, change in changes.items():
        element = present.get(values)
        result = merge(element, change)
        if element is None:
            if result is not None:
                first.append(result)
        elif result is None:
            del present[values]
        elif not keeps_order:
            first.append(present.pop(values))
    rest = [element for values, element in present.items() if values in changes or merge(element, None) is not None]
    return [*first, *rest]


def _by_values(elements: list[Json], keys: tuple[str, ...]) -> dict[Values, Json] | None:
    found: dict[Values, Json] = {}
    for element in elements:
        if not isinstance(element, dict):
            return None
        values = []
        for key in keys:
            value = element.get(key)
            if value is None or isinstance(value, dict | list) or not (text := text_of(value)):
                return None
            values.append(text)
        found[tuple(values)] = element
    return found if len(found) == len(elements) else None


def _element_values(dest: list[Json], origin: list[Json] | None, keys: tuple[str, ...]) -> list[Values]:
    """The key values of all elements, the patch's first, each combination once; a missing value is empty."""
    found: dict[Values, None] = {}
    for elements in (origin or (), dest):
        for element in elements:
            found.setdefault(tuple(_value(element, key) for key in keys))
    return list(found)


def _value(element: Json, key: str) -> str:
    value = element.get(key) if isinstance(element, dict) else None
    return "" if is_null(value) or value in ({}, []) else text_of(value)


def _primitive_values(dest: list[Json], origin: list[Json] | None) -> list[Values]:
    found: dict[Values, None] = {}
    for elements in (origin or (), dest):
        for element in elements:
            found.setdefault((text_of(element),))
    return list(found)


def _merged(
    dest: list[Json], origin: list[Json] | None, keys: tuple[str, ...], combinations: list[Values], merge: MergeElements
) -> list[Json] | None:
    if len(keys) > 1:
        combinations = _completed(combinations)
    added: list[Json] = []
    used = keys
    for values in combinations:
        used, valid = _valid(combinations, values, keys)
        own_keys, own_values = _valid([valid], valid, used)
        result = merge(_find(dest, own_keys, own_values), _find(origin, own_keys, own_values))
        if is_null(result) or result == {}:
            _set_element(dest, None, used, valid)
            continue
        result = _with_keys(result, used, valid)
        _set_element(added, result, used, valid)
    if combinations:
        _append(added, dest, used)
        dest[:] = added
    return dest


def _completed(combinations: list[Values]) -> list[Values]:
    """Combinations that agree but for missing values, each completed from the other."""
    completed = list(combinations)
    for i in range(len(completed)):
        for j in range(len(completed)):
            both = _matched(completed[i], completed[j])
            if both is not None:
                completed[i] = completed[j] = both
    return completed


def _matched(left: Values, right: Values) -> Values | None:
    if any(a and b and a != b for a, b in zip(left, right, strict=True)):
        return None
    if not any(a == b for a, b in zip(left, right, strict=True)):
        return None
    return tuple(a or b for a, b in zip(left, right, strict=True))


def _valid(combinations: list[Values], values: Values, keys: tuple[str, ...]) -> tuple[tuple[str, ...], Values]:
    """The keys that any element has, and one element's values for them; all of them where none has any."""
    valid = {keys[i] for each in combinations for i, value in enumerate(each) if value}
    if not valid:
        return keys, values
    kept = tuple(value for i, value in enumerate(values) if value or keys[i] in valid)
    return tuple(key for key in keys if key in valid), kept


def _find(elements: list[Json] | None, keys: tuple[str, ...], values: Values) -> Json:
    """The first element with these key values; without a key, the first that is the value."""
    for element in elements or ():
        if not keys[0]:
            if text_of(element) == values[0] and not isinstance(element, dict | list):
                return element
        elif isinstance(element, dict) and all(
            key in element and text_of(element[key]) == value for key, value in zip(keys, values, strict=True)
        ):
            return element
    return None


def _with_keys(element: Json, keys: tuple[str, ...], values: Values) -> Json:
    for key, value in zip(keys, values, strict=True):
        if not key:
            element = untagged(element, value) if value else element
        elif isinstance(element, dict) and key not in element and value:
            element[key] = untagged(None, value)
    return element


def _set_element(elements: list[Json], element: Json, keys: tuple[str, ...], values: Values) -> None:
    """Puts ``element`` in the place of every element with these key values, or at the end; None takes them away.

    Where fewer values than keys are given, the remaining keys match whatever the key before matched, and where none
    are given nothing matches and everything is dropped: kyaml does so, and its results depend on it.
    """
    kept: list[Json] = []
    is_found = False
    by_key = bool(keys[0]) and len(values) > 0 and values[0] != ""
    for present in elements:
        if is_null(present) or present == {}:
            continue
        if not isinstance(present, dict) and by_key:
            kept.append(present)
            continue
        if not _is_match(present, keys, values):
            if values:
                kept.append(present)
            continue
        is_found = True
        if element is not None:
            kept.append(element)
    if element is not None and not is_found:
        kept.append(element)
    elements[:] = kept


def _is_match(element: Json, keys: tuple[str, ...], values: Values) -> bool:
    matches = False
    for i, key in enumerate(keys):
        if i < len(values):
            value = values[i]
            if not key:
                matches = not isinstance(element, dict | list) and text_of(element) == value
            else:
                matches = isinstance(element, dict) and key in element and (not value or text_of(element[key]) == value)
        if not matches:
            return False
    return True


def _append(added: list[Json], present: list[Json], keys: tuple[str, ...]) -> None:
    """Puts the target's elements to those of the merge."""
    for element in present:
        if not keys[0]:
            _set_element(added, element, ("",), (text_of(element),))
            continue
        values = []
        for key in keys:
            if not isinstance(element, dict) or key not in element:
                added.append(element)
                continue
            values.append(text_of(element[key]))
        if len(keys) > 1:
            _set_element(added, None, keys, tuple(values))
        _set_element(added, element, keys, tuple(values))
