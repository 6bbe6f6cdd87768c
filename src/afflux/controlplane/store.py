"""Objects, one counter, and the events of their changes. Everything here happens inside the loop, without waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

import orjson

from afflux.controlplane.bucket import Bucket
from afflux.controlplane.served_kind import StorageKey
from afflux.controlplane.stored import StoredObject, StoreEvent
from afflux.objects.manifest import Manifest

StoreListener = Callable[[StoreEvent], None]

EVENTS_KEPT = 20_000
EVENT_BYTES_KEPT = 64 * 1024 * 1024
"""How much history watches can resume from; whichever is reached first."""


OBJECT_BYTES = 1536 * 1024
"""The largest object, as etcd limits requests."""


class ObjectTooLarge(Exception):
    """The encoded object is over ``OBJECT_BYTES``."""


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


class Journal(Protocol):
    """Where changes are made durable, in the order of the calls."""

    def put(self, stored: StoredObject) -> None: ...

    def remove(self, stored: StoredObject, version: int) -> None: ...


class NoJournal:
    """Memory only: a change is as durable as it gets."""

    def put(self, stored: StoredObject) -> None:
        """Nothing to do."""

    def remove(self, stored: StoredObject, version: int) -> None:
        """Nothing to do."""


class Store:
    """The objects of a plane. Reads and writes take effect at once; the journal makes them durable in order."""

    def __init__(self, journal: Journal | None = None, start_version: int = 0) -> None:
        self._journal: Journal = journal or NoJournal()
        self._version = self._start = start_version
        self._buckets: dict[StorageKey, Bucket] = {}
        self._ring: deque[tuple[Bucket, int]] = deque()
        self._ring_bytes = 0
        self._listeners: list[StoreListener] = []

    @property
    def version(self) -> int:
        return self._version

    def bucket(self, storage: StorageKey) -> Bucket:
        found = self._buckets.get(storage)
        if found is None:
            found = self._buckets[storage] = Bucket(forgotten=self._start)
        return found

    def get(self, storage: StorageKey, namespace: str, name: str) -> StoredObject | None:
        bucket = self._buckets.get(storage)
        return bucket.get(namespace, name) if bucket is not None else None

    def list(self, storage: StorageKey, namespace: str = "") -> Iterable[StoredObject]:
        bucket = self._buckets.get(storage)
        return bucket.objects(namespace) if bucket is not None else ()

    def storages(self) -> Iterable[StorageKey]:
        return [storage for storage, bucket in self._buckets.items() if len(bucket)]

    def observe(self, listener: StoreListener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def load(self, stored: StoredObject) -> None:
        """Take in an object that was stored before; no event, no new number."""
        self.bucket(stored.storage).put(stored)

    def put(self, storage: StorageKey, manifest: Manifest, *, sort_keys: bool = False) -> StoredObject:
        """Create or replace an object under the next number, which is written into the given manifest's metadata.

        The manifest belongs to the store from now on. Its metadata must be a dict of its own, not shared. Raises
        ObjectTooLarge, and then nothing has changed.
        """
        stored = stored_object(storage, manifest, self._version + 1, sort_keys)
        if len(stored.encoded) > OBJECT_BYTES:
            raise ObjectTooLarge
        self._version += 1
        bucket = self.bucket(storage)
        old = bucket.get(stored.namespace, stored.name)
        bucket.put(stored)
        self._journal.put(stored)
        self._publish(bucket, StoreEvent("MODIFIED" if old else "ADDED", stored, old))
        return stored

    def remove(self, stored: StoredObject) -> StoredObject:
        """Remove an object; the last state comes back, under the deletion's number."""
        self._version += 1
        manifest = {**stored.manifest, "metadata": dict(stored.manifest["metadata"])}
        last = stored_object(stored.storage, manifest, self._version, not stored.encoded.startswith(b'{"kind"'))
        bucket = self.bucket(stored.storage)
        bucket.remove(stored)
        self._journal.remove(stored, self._version)
        self._publish(bucket, StoreEvent("DELETED", last, stored))
        return last

    def _publish(self, bucket: Bucket, event: StoreEvent) -> None:
        size = len(event.object.encoded)
        bucket.events.append(event)
        self._ring.append((bucket, size))
        self._ring_bytes += size
        while len(self._ring) > EVENTS_KEPT or self._ring_bytes > EVENT_BYTES_KEPT:
            self._forget()
        for listener in tuple(self._listeners):
            listener(event)
        # From here on the event is history, and history is kept small.
        event.frames.clear()
        if event.old is not None:
            event.old.supersede()

    def _forget(self) -> None:
        bucket, size = self._ring.popleft()
        self._ring_bytes -= size
        bucket.forgotten = bucket.events.popleft().version


def stored_object(storage: StorageKey, manifest: Manifest, version: int, sort_keys: bool) -> StoredObject:
    """Number a manifest and encode it."""
    manifest["metadata"]["resourceVersion"] = str(version)
    encoded = orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS if sort_keys else None)
    # A copy, for orjson's buffers stay as large as they once grew: up to twice what is in them.
    return StoredObject(storage, version, manifest, bytes(memoryview(encoded)))
