"""Events are kept for an hour, as an API server's ``--event-ttl`` says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from afflux.controlplane.access import ClusterAccess
from afflux.controlplane.printers.column import seconds_of
from afflux.controlplane.served_kind import StorageKey
from afflux.controlplane.store import StoreReader
from afflux.controlplane.stored import StoredObject
from afflux.objects.identity import GroupVersionKind

_EVENTS: Final = StorageKey("", "events")
_EVENT: Final = GroupVersionKind("", "v1", "Event")

KEPT_SECONDS: Final = 3600.0
_SWEEP_SECONDS: Final = 60.0


class EventExpiry:
    """Deletes events that were not repeated for an hour. ``clock`` gives seconds since the epoch."""

    def __init__(self, store: StoreReader, access: ClusterAccess, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._access = access
        self._clock = clock

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self.sweep()
            await asyncio.sleep(_SWEEP_SECONDS)

    async def sweep(self) -> None:
        """Delete what has expired by now."""
        oldest = self._clock() - KEPT_SECONDS
        for stored in list(self._store.list(_EVENTS)):
            if _last_seen(stored) < oldest:
                await self._access.delete(_EVENT, stored.namespace, stored.name, uid=stored.uid)


def _last_seen(stored: StoredObject) -> float:
    manifest = stored.manifest
    series = manifest.get("series") or {}
    times = (series.get("lastObservedTime"), manifest.get("lastTimestamp"), manifest.get("eventTime"))
    created = manifest["metadata"].get("creationTimestamp")
    return max((seconds_of(each) or 0.0 for each in (*times, created)), default=0.0)
