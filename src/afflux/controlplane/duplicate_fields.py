"""Fields that a JSON body holds twice; the fast parser keeps the last one and says nothing."""

from __future__ import annotations

import json

import orjson

from afflux.objects.manifest import Json


def find(body: bytes, value: Json) -> list[str]:
    """The paths of fields that are in ``body`` more than once. ``value`` is the body parsed.

    Clients write compact JSON: where writing the value again gives as many bytes, nothing was lost, and the slow search
    is not needed.
    """
    if len(orjson.dumps(value)) == len(body.rstrip()):
        return []
    found: list[str] = []
    _walk(json.loads(body, object_pairs_hook=_Pairs), "", found)
    return found


class _Pairs(list[tuple[str, Json]]):
    """An object as its members in order, doubles and all."""


def _walk(value: Json, path: str, found: list[str]) -> None:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, member in value:
            field = f"{path}.{key}" if path else key
            if key in seen:
                found.append(field)
            seen.add(key)
            _walk(member, field, found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _walk(item, f"{path}[{index}]", found)
