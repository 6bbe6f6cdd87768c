"""Waiting for the changes of one kind, inside the plane."""

from __future__ import annotations

import asyncio
from types import TracebackType

from afflux.controlplane.served_kind import StorageKey
from afflux.controlplane.store import StoreReader
from afflux.controlplane.stored import StoreEvent


class EventQueue:
    """The changes of a kind from the moment it is entered, in order. Unbounded: its readers are the plane's own."""

    def __init__(self, store: StoreReader, storage: StorageKey) -> None:
        self._store = store
        self._storage = storage
        self._queue: asyncio.Queue[StoreEvent] = asyncio.Queue()

    def __enter__(self) -> EventQueue:
        self._end = self._store.observe(self._notice)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    async def take(self) -> StoreEvent:
        """The next change, when there is one."""
        return await self._queue.get()

    def _notice(self, event: StoreEvent) -> None:
        if event.object.storage == self._storage:
            self._queue.put_nowait(event)
