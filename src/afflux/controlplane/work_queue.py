"""Keys to be worked on: added as often as one likes, worked on once, one at a time per key, retried after failures."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import structlog

from afflux.controlplane.errors import ApiStatusError

Key = TypeVar("Key", bound=Hashable)

_FIRST_RETRY = 0.02
_LAST_RETRY = 5.0
_EXPECTED = frozenset({"Conflict", "NotFound", "AlreadyExists"})
"""Refusals that only say that the cluster moved on."""

_log = structlog.get_logger(__name__)


class WorkQueue(Generic[Key]):
    """What a controller has to do. ``add`` may be called from anywhere in the loop, at any time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._order: deque[Key] = deque()
        self._waiting: set[Key] = set()
        self._active: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._bell = asyncio.Event()

    def add(self, key: Key) -> None:
        """Work on the key soon; again, if it is being worked on just now."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._waiting:
            return
        self._waiting.add(key)
        if key not in self._active:
            self._order.append(key)
            self._bell.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Work on the key after a while, or sooner if somebody adds it; the earlier of two delays counts."""
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        planned = self._timers.get(key)
        if key in self._waiting or (planned is not None and planned.when() <= loop.time() + seconds):
            return
        if planned is not None:
            planned.cancel()
        self._timers[key] = loop.call_later(seconds, self.add, key)

    async def run(self, work: Callable[[Key], Awaitable[None]], workers: int = 1) -> None:
        """Work until cancelled; a key whose work fails comes back after a growing delay."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._worker(work))
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    async def _worker(self, work: Callable[[Key], Awaitable[None]]) -> None:
        while True:
            key = await self._next()
            try:
                await work(key)
                self._failures.pop(key, None)
            except Exception as error:
                self._failed(key, error)
            finally:
                self._active.discard(key)
                if key in self._waiting:
                    self._order.append(key)
                    self._bell.set()
            # A worker whose work never waits must still let others in.
            await asyncio.sleep(0)

    async def _next(self) -> Key:
        while not self._order:
            self._bell.clear()
            await self._bell.wait()
        key = self._order.popleft()
        self._waiting.discard(key)
        self._active.add(key)
        return key

    def _failed(self, key: Key, error: Exception) -> None:
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        expected = isinstance(error, ApiStatusError) and (error.reason in _EXPECTED or error.code < 500)
        if not expected:
            _log.error("work failed, it is tried again", controller=self._name, key=str(key), exc_info=error)
        elif count == 5:
            _log.warning("work is refused again and again", controller=self._name, key=str(key), error=str(error))
        self.add_after(key, min(_FIRST_RETRY * 2**count, _LAST_RETRY))
