"""Objects, one counter, and the events of their changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from afflux.controlplane.served_kind import StorageKey
from afflux.objects.manifest import Manifest


@dataclass(frozen=True, slots=True, eq=False)
class StoredObject:
    """One version of one object. ``manifest`` is immutable by agreement: share it, never change it."""

    storage: StorageKey
    namespace: str
    name: str
    uid: str
    version: int
    manifest: Manifest


@dataclass(frozen=True, slots=True, eq=False)
class StoreEvent:
    """One change. For ``DELETED`` ``object`` is the last state with the deletion's number, ``old`` the state before."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: StoredObject
    old: StoredObject | None


StoreListener = Callable[[StoreEvent], None]


class StoreReader(Protocol):
    """Reading the store inside the loop: no waiting, always the newest state."""

    @property
    def version(self) -> int:
        """The counter: the number of the newest write."""
        ...

    def get(self, storage: StorageKey, namespace: str, name: str) -> StoredObject | None: ...

    def list(self, storage: StorageKey, namespace: str = "") -> Iterable[StoredObject]:
        """All objects of a kind (in a namespace), by namespace, then name."""
        ...

    def storages(self) -> Iterable[StorageKey]:
        """Every kind that has objects."""
        ...

    def observe(self, listener: StoreListener) -> Callable[[], None]:
        """Call ``listener`` for every change of every kind, at once, in the writer's call; returns what ends it.

        A listener must be quick and must not write to the store: it notes what to do and rings a bell.
        """
        ...
