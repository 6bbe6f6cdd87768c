"""One version of one object, and one change: the values that the store hands out."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Literal

import orjson

from afflux.controlplane.served_kind import StorageKey
from afflux.objects.manifest import Manifest

EventType = Literal["ADDED", "MODIFIED", "DELETED"]


class StoredObject:
    """One version of one object. Immutable by agreement: share it, never change it.

    ``encoded`` is the manifest as compact JSON, ``kind`` and ``apiVersion`` first. History keeps the bytes alone: what
    is superseded is parsed again in the rare case that somebody looks at it.
    """

    __slots__ = ("_manifest", "encoded", "name", "namespace", "storage", "uid", "version")

    def __init__(self, storage: StorageKey, version: int, manifest: Manifest, encoded: bytes) -> None:
        metadata = manifest["metadata"]
        self.storage = storage
        self.namespace: str = metadata.get("namespace", "")
        self.name: str = metadata["name"]
        self.uid: str = metadata.get("uid", "")
        self.version = version
        self.encoded = encoded
        self._manifest: Manifest | None = manifest

    def __repr__(self) -> str:
        return f"StoredObject({self.storage.plural} {self.namespace}/{self.name} @{self.version})"

    @property
    def manifest(self) -> Manifest:
        """The object. Not to be changed."""
        if self._manifest is None:
            parsed: Manifest = orjson.loads(self.encoded)
            return parsed
        return self._manifest

    def supersede(self) -> None:
        """Keep the bytes only: this is history now."""
        self._manifest = None


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
