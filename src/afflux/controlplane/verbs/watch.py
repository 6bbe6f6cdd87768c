"""``watch``: what is there, then what changes, one line an event."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final

import orjson

from afflux.controlplane.bucket import HistoryGone
from afflux.controlplane.errors import FieldError, expired, invalid_option
from afflux.controlplane.fan_out import FanOut, Watcher
from afflux.controlplane.options import Options
from afflux.controlplane.rendering import EventForm, bookmark
from afflux.controlplane.selection import selection_of
from afflux.controlplane.store import Store
from afflux.controlplane.stored import StoredObject
from afflux.controlplane.verbs.read import parse_version
from afflux.controlplane.verbs.request import ApiRequest

_BOOKMARK_SECONDS: Final = 60.0
_FINAL_BOOKMARK_SECONDS: Final = 2.0
"""How long before the timeout a last bookmark is sent."""

_CHUNK_BYTES: Final = 256 * 1024


class Watch:
    """One watch, checked and ready: ``lines`` streams it. Options that don't fit raise before anything is sent."""

    def __init__(self, store: Store, fan_out: FanOut, request: ApiRequest) -> None:
        options = request.options
        self._store = store
        self._fan_out = fan_out
        self._kind = request.kind
        self._form = request.form
        self._initial = _send_initial(options)
        self._bookmarks = options.flag("allowWatchBookmarks")
        text = options.text("resourceVersion")
        self._version = parse_version(text) if text else 0
        self._timeout = float(options.number("timeoutSeconds") or random.randint(1800, 3600))
        self._selection = selection_of(request.kind, request.target.namespace, options, request.target.name)
        self._event_form = EventForm(request.kind, request.form, request.include)

    async def lines(self) -> AsyncIterator[bytes]:
        """Chunks of whole lines, until the time is up, the client is too slow, or the kind is gone."""
        from_start = self._initial if self._initial is not None else self._version == 0
        future = self._version if self._version > self._store.version else 0
        watcher = Watcher(self._selection, self._event_form, after=future)
        storage = self._kind.storage
        try:
            shown = self._start(watcher, from_start=from_start)
        except HistoryGone:
            yield self._gone()
            return
        self._fan_out.add(storage, watcher)
        try:
            for chunk in _chunks(self._initial_lines(watcher, shown, self._store.version)):
                yield chunk
            async for taken in self._live(watcher):
                yield taken
        finally:
            self._fan_out.remove(storage, watcher)

    def _start(self, watcher: Watcher, *, from_start: bool) -> list[StoredObject] | None:
        """The objects to show first; None where the watch goes on from a version, whose events are queued."""
        bucket = self._store.bucket(self._kind.storage)
        if from_start:
            return [each for each in bucket.objects(self._selection.namespace) if self._selection.matches(each)]
        if self._initial is not False and self._version < self._store.version:
            for event in bucket.since(self._version):
                watcher.offer(event)
        return None

    def _initial_lines(self, watcher: Watcher, shown: list[StoredObject] | None, version: int) -> Iterator[bytes]:
        """Lines made as they go out: a client that doesn't read costs no copy of everything there is."""
        if shown is None:
            return
        for stored in shown:
            headed, watcher.headed = watcher.headed, False
            yield self._event_form.initial(stored, headed=headed)
        if self._initial and self._bookmarks:
            yield bookmark(self._kind, self._form, version, initial_end=True)

    async def _live(self, watcher: Watcher) -> AsyncIterator[bytes]:
        end = time.monotonic() + self._timeout
        next_bookmark = min(time.monotonic() + _BOOKMARK_SECONDS, end - _FINAL_BOOKMARK_SECONDS)
        while True:
            now = time.monotonic()
            wake = min(end, next_bookmark) if self._bookmarks and next_bookmark > now else end
            taken = await watcher.take(max(wake - now, 0.0))
            if taken is None:
                return
            if taken:
                yield taken
            now = time.monotonic()
            if now >= end:
                return
            if self._bookmarks and not taken and now >= next_bookmark:
                yield bookmark(self._kind, self._form, self._store.version)
                next_bookmark = now + _BOOKMARK_SECONDS

    def _gone(self) -> bytes:
        message = f"too old resource version: {self._version} ({self._store.version})"
        return b'{"type":"ERROR","object":%s}\n' % orjson.dumps(expired(message).body())


def _chunks(lines: Iterable[bytes]) -> Iterator[bytes]:
    chunk: list[bytes] = []
    size = 0
    for line in lines:
        chunk.append(line)
        size += len(line)
        if size >= _CHUNK_BYTES:
            yield b"".join(chunk)
            chunk, size = [], 0
    if chunk:
        yield b"".join(chunk)


def _send_initial(options: Options) -> bool | None:
    initial = options.optional_flag("sendInitialEvents")
    match = options.text("resourceVersionMatch")
    if initial is None and match:
        _forbid("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
    if initial is not None and match != "NotOlderThan":
        _forbid("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
    return initial


def _forbid(words: str) -> None:
    error = FieldError("FieldValueForbidden", f"Forbidden: {words}", "resourceVersionMatch")
    raise invalid_option("ListOptions", [error])
