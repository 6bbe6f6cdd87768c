"""One version of one object, and one change: the values that the store hands out."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Literal

from afflux.controlplane.served_kind import StorageKey
from afflux.objects.manifest import Manifest

EventType = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(slots=True, eq=False)
class StoredObject:
    """One version of one object. Immutable by agreement: share it, never change it.

    ``encoded`` is the manifest as compact JSON, ``kind`` and ``apiVersion`` first.
    """

    storage: StorageKey
    namespace: str
    name: str
    uid: str
    version: int
    manifest: Manifest
    encoded: bytes = field(repr=False)


@dataclass(slots=True, eq=False)
class StoreEvent:
    """One change. For ``DELETED`` ``object`` is the last state with the deletion's number, ``old`` the state before.

    ``frames`` caches the event as it goes to watchers: one encoding an event and form.
    """

    type: EventType
    object: StoredObject
    old: StoredObject | None
    frames: dict[Hashable, bytes] = field(default_factory=dict, repr=False)

    @property
    def version(self) -> int:
        return self.object.version
