"""Scalars that several fields of an object share.

kustomize puts the same node into every field of an object that a label or annotation is new in, so that whatever
changes one of them later (another label, a patch, a replacement) changes all. What was there before is apart.
"""

from collections.abc import Sequence

from afflux.objects.manifest import Json


class Sharing:
    """Which entries of an object's mappings are one."""

    __slots__ = ("_mappings",)

    def __init__(self) -> None:
        self._mappings: dict[tuple[int, str], Sequence[dict[str, Json]]] = {}

    def share(self, key: str, mappings: Sequence[dict[str, Json]]) -> None:
        """Notes that an entry, which has just been made in all of these mappings, is one in them."""
        for mapping in mappings:
            self._mappings[id(mapping), key] = mappings

    def put(self, container: Json, key: Json, value: Json) -> None:
        """Sets an entry where it is, and wherever it is shared."""
        others = self._mappings.get((id(container), key)) if isinstance(container, dict) else None
        old = container.get(key) if others else None
        container[key] = value
        for other in others or ():
            if other.get(key) is old and old is not None:
                other[key] = value
