"""Merging what an applier sends into a live object, and taking fields out of one, field set by field set."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from afflux.manifests.field_set import FieldSet, is_atomic, item_element
from afflux.objects.equality import json_equal
from afflux.objects.manifest import Json
from afflux.schema.openapi import FREE_FORM, Schema

_Trie = dict[str, "_Trie | None"]
_MEMBER: Final = "."


def structured_merge(live: Json, body: Json, schema: Schema) -> Json:
    """``live`` with the fields of ``body`` set: maps recurse, lists merge by item, atomic values are replaced.

    Items that the body names come in its order; the others keep their place beside their neighbours. The result shares
    whatever did not change with its inputs, and is ``live`` itself where nothing did.
    """
    if body is live or json_equal(body, live):
        return live
    if body is None or type(live) is not type(body) or is_atomic(body, schema) or (not live and not body):
        return body
    if isinstance(body, dict):
        return _merge_maps(live, body, schema)
    return _merge_lists(live, body, schema)


def remove_fields(value: Json, fields: FieldSet, schema: Schema) -> Json:
    """``value`` without the fields; a container that loses its last part stays, empty, unless it is a member itself."""
    if not fields:
        return value
    root: _Trie = {}
    for path in fields:
        node = root
        for element in path:
            below = node.get(element)
            if below is None:
                below = node[element] = {}
            node = below
        node[_MEMBER] = None
    return _remove(value, root, schema)


def _merge_maps(live: Json, body: Json, schema: Schema) -> Json:
    merged = None
    for name, value in body.items():
        if name in live:
            before = live[name]
            after = structured_merge(before, value, schema.child(name) or FREE_FORM)
            if after is before:
                continue
        else:
            after = value
        if merged is None:
            merged = dict(live)
        merged[name] = after
    return live if merged is None else merged


def _merge_lists(live: list[Json], body: list[Json], schema: Schema) -> list[Json]:
    """Walks both lists at once, as structured-merge-diff 6 does.

    An item of the live list that the body doesn't name stays where it stands among its neighbours; named items come
    when the body's order reaches them. Live items that share a key (invalid, but stored once) give way to the body's.
    """
    left = deque((item_element(item, schema), item) for item in live)
    wanted = {item_element(item, schema): item for item in body}
    right = deque(wanted)
    known = _unambiguous(left)
    shared = deque(element for element in right if element in known)  # and not placed yet, as the body orders them
    placed: set[str] = set()
    merged: list[Json] = []

    def place(element: str) -> None:
        old = known.get(element)
        merged.append(wanted[element] if old is None else structured_merge(old, wanted[element], schema.items))
        placed.add(element)
        if shared and shared[0] == element:
            shared.popleft()

    while left or right:
        if left:
            element, item = left[0]
            if right and right[0] == element:
                left.popleft()
                place(right.popleft())
                continue
            if element not in wanted:
                merged.append(item)
                left.popleft()
                continue
            if right and shared and shared[0] != element:
                left.popleft()  # its turn has been, or comes later
                continue
            if element in placed:
                left.popleft()
        if right:
            place(right.popleft())
    return merged


def _unambiguous(items: Iterable[tuple[str, Json]]) -> dict[str, Json]:
    """Items by their element; None where several share it."""
    known: dict[str, Json] = {}
    for element, item in items:
        known[element] = None if element in known else item
    return known


def _remove(value: Json, fields: _Trie, schema: Schema) -> Json:
    if is_atomic(value, schema) or not value:
        return value if not isinstance(value, dict | list) else type(value)()
    if isinstance(value, dict):
        kept = {}
        for name, child in value.items():
            below = fields.get("f:" + name)
            if below is None:
                kept[name] = child
            elif _MEMBER not in below:
                kept[name] = _remove(child, below, schema.child(name) or FREE_FORM)
        return kept
    items = []
    for item in value:
        below = fields.get(item_element(item, schema))
        if below is None:
            items.append(item)
        elif _MEMBER not in below:
            items.append(_remove(item, below, schema.items))
    return items
