"""The work queue: a key is in it once, on one worker at a time; what is prompt comes first, and namespaces take turns.

Prompt is what ends a wait or what somebody has just asked for: it is short, or people look at it. A storm of the rest
(a commit that wakes a thousand objects) holds it up no longer than what runs already, and is itself never starved.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from afflux.objects.identity import ObjectRef
from afflux.runtime.ends import Cause

PROMPT = frozenset((Cause.BELL, Cause.DEPENDENCY, Cause.GENERATION, Cause.REQUEST))
"""Causes that overtake."""

_IN_A_ROW = 8
"""How many prompt keys are served before one of the rest gets its turn."""


class Work(NamedTuple):
    """One key to run, and why."""

    key: ObjectRef
    causes: frozenset[Cause]
    waited: float
    """Seconds between being due and being taken."""


@dataclass(slots=True)
class _Lane:
    """Keys that are due, by namespace; the first namespace is served next, then goes to the end."""

    namespaces: OrderedDict[str, OrderedDict[ObjectRef, None]] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return sum(len(keys) for keys in self.namespaces.values())

    def put(self, key: ObjectRef) -> None:
        self.namespaces.setdefault(key.namespace, OrderedDict())[key] = None

    def next(self) -> ObjectRef:
        namespace, keys = self.namespaces.popitem(last=False)
        key, _ = keys.popitem(last=False)
        if keys:
            self.namespaces[namespace] = keys
        return key

    def remove(self, key: ObjectRef) -> bool:
        keys = self.namespaces.get(key.namespace)
        if keys is None or key not in keys:
            return False
        del keys[key]
        if not keys:
            del self.namespaces[key.namespace]
        return True


@dataclass(slots=True)
class WorkQueue:
    """Keys that are due, and timers of those that will be. Used on one event loop.

    A key that is added while a worker has it is due again when that worker is done. ``clock`` is monotonic seconds.
    """

    clock: Callable[[], float] = time.monotonic
    on_add: Callable[[], None] = lambda: None
    _prompt: _Lane = field(default_factory=_Lane, init=False)
    _rest: _Lane = field(default_factory=_Lane, init=False)
    _served_in_a_row: int = field(default=0, init=False)
    _causes: dict[ObjectRef, set[Cause]] = field(default_factory=dict, init=False)
    _since: dict[ObjectRef, float] = field(default_factory=dict, init=False)
    _running: dict[ObjectRef, float] = field(default_factory=dict, init=False)
    _timers: dict[ObjectRef, asyncio.TimerHandle] = field(default_factory=dict, init=False)
    _available: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0), init=False)
    _closed: bool = field(default=False, init=False)

    def add(self, key: ObjectRef, cause: Cause) -> None:
        """The key is due now; one that waits already only gains a cause."""
        if self._closed:
            return
        known = key in self._causes
        self._causes.setdefault(key, set()).add(cause)
        if not known:
            self.on_add()
            self._since[key] = self.clock()
            if key not in self._running:
                self._make_due(key)
        elif cause in PROMPT and self._rest.remove(key):
            self._prompt.put(key)

    def schedule(self, key: ObjectRef, after: float, *causes: Cause) -> None:
        """The key will be due in ``after`` seconds; replaces what was scheduled for it before."""
        self.unschedule(key)
        if not self._closed:
            self._timers[key] = asyncio.get_running_loop().call_later(after, self._ring, key, causes)

    def unschedule(self, key: ObjectRef) -> None:
        """The key won't be due by itself."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    async def take(self) -> Work | None:
        """The next key, when there is one; None when the queue is closed. ``done`` must follow."""
        await self._available.acquire()
        if self._closed:
            return None
        key = self._lane().next()
        self.unschedule(key)
        now = self.clock()
        self._running[key] = now
        return Work(key, frozenset(self._causes.pop(key)), now - self._since.pop(key))

    def done(self, key: ObjectRef) -> None:
        """The worker has finished with the key; it is due again at once if it was added meanwhile."""
        self._running.pop(key, None)
        if key in self._causes and not self._closed:
            self._make_due(key)

    def close(self) -> None:
        """Nothing more is handed out, and whoever waits in ``take`` is told."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        # Far more than there can be workers: each of them passes once.
        for _ in range(1024):
            self._available.release()

    @property
    def depth(self) -> int:
        """How many keys are due and not yet taken."""
        return len(self._prompt) + len(self._rest)

    @property
    def running_for(self) -> list[float]:
        """Seconds for which each key that is being worked on has been."""
        now = self.clock()
        return [now - since for since in self._running.values()]

    def _make_due(self, key: ObjectRef) -> None:
        (self._rest if self._causes[key].isdisjoint(PROMPT) else self._prompt).put(key)
        self._available.release()

    def _lane(self) -> _Lane:
        """The lane that is served next; one of them holds something."""
        if len(self._prompt.namespaces) and (self._served_in_a_row < _IN_A_ROW or not self._rest.namespaces):
            self._served_in_a_row += 1
            return self._prompt
        self._served_in_a_row = 0
        return self._rest

    def _ring(self, key: ObjectRef, causes: tuple[Cause, ...]) -> None:
        self._timers.pop(key, None)
        for cause in causes:
            self.add(key, cause)
