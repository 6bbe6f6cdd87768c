"""From one change to many watchers: each takes what it selects, and the bytes are made once."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from afflux.controlplane.rendering import EventForm
from afflux.controlplane.selection import Selection
from afflux.controlplane.served_kind import StorageKey
from afflux.controlplane.store import Store
from afflux.controlplane.stored import EventType, StoreEvent

_QUEUED_EVENTS: Final = 20_000
_QUEUED_BYTES: Final = 32 * 1024 * 1024
"""What a slow watcher may have waiting before its stream is closed; it lists again, then."""

_TAKEN_BYTES: Final = 1024 * 1024
"""About how much is handed out at once: waiting lines are shared by all watchers, what is taken is not."""


class Watcher:
    """One stream's queue. ``take`` waits for lines; None means that the stream is to be closed."""

    def __init__(self, selection: Selection, form: EventForm, after: int) -> None:
        self._selection = selection
        self._form = form
        self._after = after
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._waiting: asyncio.Future[None] | None = None
        self._closed = False
        self.headed = form.has_header
        """Whether the next line is to carry a table's column definitions."""

    def offer(self, event: StoreEvent) -> None:
        """Queue a change if it concerns this watcher."""
        if event.version <= self._after or self._closed:
            return
        type_ = transition(event, self._selection)
        if type_ is None:
            return
        line = self._form.frame(event, type_, headed=self.headed)
        self.headed = False
        self._lines.append(line)
        self._bytes += len(line)
        if len(self._lines) > _QUEUED_EVENTS or self._bytes > _QUEUED_BYTES:
            self._lines.clear()
            self._bytes = 0
            self.close()
        else:
            self._wake()

    def close(self) -> None:
        """End the stream once what is queued has gone out."""
        self._closed = True
        self._wake()

    async def take(self, timeout: float) -> bytes | None:
        """The queued lines, at once or when there are some; empty after ``timeout`` seconds; None at the end."""
        if not self._lines and not self._closed:
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(timeout):
                    await self._waiting
            except TimeoutError:
                return b""
            finally:
                self._waiting = None
        if not self._lines:
            return None
        return self._taken()

    def _taken(self) -> bytes:
        if self._bytes <= _TAKEN_BYTES:
            taken = b"".join(self._lines)
            self._lines.clear()
        else:
            some: list[bytes] = []
            size = 0
            while self._lines and size < _TAKEN_BYTES:
                some.append(self._lines.popleft())
                size += len(some[-1])
            taken = b"".join(some)
        self._bytes -= len(taken)
        return taken

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


def transition(event: StoreEvent, selection: Selection) -> EventType | None:
    """What a change is to somebody who sees only the selection; None when it is nothing."""
    if selection.is_all:
        return event.type if not selection.namespace or event.object.namespace == selection.namespace else None
    before = event.old is not None and selection.matches(event.old)
    if event.type == "DELETED":
        return "DELETED" if before else None
    after = selection.matches(event.object)
    if after:
        return "MODIFIED" if before else "ADDED"
    return "DELETED" if before else None


class FanOut:
    """All watchers of a store, by kind."""

    def __init__(self, store: Store) -> None:
        self._watchers: dict[StorageKey, set[Watcher]] = {}
        self._stop_observing = store.observe(self._spread)

    def add(self, storage: StorageKey, watcher: Watcher) -> None:
        self._watchers.setdefault(storage, set()).add(watcher)

    def remove(self, storage: StorageKey, watcher: Watcher) -> None:
        self._watchers.get(storage, set()).discard(watcher)

    def close_kind(self, storage: StorageKey) -> None:
        """End the streams of a kind that is served no more."""
        for watcher in self._watchers.pop(storage, ()):
            watcher.close()

    def close(self) -> None:
        """End all streams."""
        self._stop_observing()
        for storage in tuple(self._watchers):
            self.close_kind(storage)

    def _spread(self, event: StoreEvent) -> None:
        for watcher in self._watchers.get(event.object.storage, ()):
            watcher.offer(event)
