"""Watches objects that somebody waits for, and rings when the wait is over.

A watch exists only while somebody waits for an object of its kind (and some seconds longer, as the next may wait soon):
one a kind for what we own (by the owner's label), one an object for foreign ones, each under the identity that applied.
What we own is known from our own write of it, so that its watch begins there and nothing is listed. Where an identity
may not watch, it polls with backoff.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from afflux.apply.health import Assess, Statuses, Watched, verdict
from afflux.kube.client import KubeClient, Selection, Target
from afflux.kube.errors import Forbidden, KubeError, MethodNotAllowed, NoMatch, NotFound
from afflux.kube.watch import WatchEvent, watch
from afflux.manifests.readiness import Readiness
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Json, Manifest, metadata_of

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 5.0
_UNKNOWN_YET = Readiness("Unknown", "")
LINGER = 5.0
"""Seconds for which a watch goes on when nobody waits any more."""

_Place: TypeAlias = tuple[str, str]
"""Namespace and name."""


@dataclass
class _Wait:
    """One waiter: what it waits for, how it judges, how it is told."""

    client: KubeClient
    assess: Assess
    bell: Callable[[], None]
    statuses: dict[Watched, Readiness]
    judging: dict[Watched, asyncio.Future[Readiness]] = field(default_factory=dict)
    """Judgements that take their time: of each object's last state only."""
    rung: bool = False


class _StreamKey(NamedTuple):
    """Which stream shows an object: of one server, under one identity, of one selection."""

    server: int
    user: str
    gvk: GroupVersionKind
    selection: Selection


@dataclass
class _Stream:
    """The objects that one watch shows, and who waits for which of them. ``begun_at``: the resourceVersion from which
    on it shows what happens; empty: it shows everything there is once it is ``synced``."""

    begun_at: str = ""
    task: asyncio.Task[None] | None = None
    synced: bool = False
    objects: dict[_Place, Manifest] = field(default_factory=dict)
    gone: dict[_Place, str] = field(default_factory=dict)
    """What was deleted since it began, with the resourceVersion of that."""
    waiting: dict[_Place, dict[Hashable, Watched]] = field(default_factory=dict)
    ending: asyncio.TimerHandle | None = None

    def state_of(self, one: Watched) -> tuple[bool, Manifest | None]:
        """Whether more is known of an object than who waits for it knows already, and its state (None: absent)."""
        if one.place in self.objects:
            return True, self.objects[one.place]
        if not self.begun_at:
            return self.synced, None
        return is_later(self.gone.get(one.place, ""), one.version), None


class HealthTracker:
    """What waits for health. ``owner_label`` is a label that everything we apply carries."""

    def __init__(self, owner_label: str) -> None:
        self.owner_label = owner_label
        self._waits: dict[Hashable, _Wait] = {}
        self._streams: dict[_StreamKey, _Stream] = {}
        self._catching_up: set[asyncio.Task[None]] = set()

    def expect(
        self,
        waiter: Hashable,
        client: KubeClient,
        watched: Iterable[Watched] | Statuses,
        assess: Assess,
        bell: Callable[[], None],
    ) -> None:
        """Rings once when all are ready, or one of them has failed; replaces what the waiter waited for before.
        ``watched`` may come with what is known of each already."""
        self.forget(waiter)
        statuses = dict(watched) if isinstance(watched, Mapping) else dict.fromkeys(watched, _UNKNOWN_YET)
        wait = _Wait(client, assess, bell, statuses)
        self._waits[waiter] = wait
        for one in wait.statuses:
            stream = self._stream(client, one)
            stream.waiting.setdefault(one.place, {})[waiter] = one
            known, state = stream.state_of(one)
            if known:
                self._see(waiter, one, state)
            elif stream.begun_at and (wait.statuses[one] == _UNKNOWN_YET or is_later(stream.begun_at, one.version)):
                catching_up = asyncio.create_task(self._catch_up(client, stream, one))
                self._catching_up.add(catching_up)
                catching_up.add_done_callback(self._catching_up.discard)

    def statuses(self, waiter: Hashable) -> Statuses | None:
        """What is known now of what the waiter waits for; None where it waits for nothing."""
        wait = self._waits.get(waiter)
        return None if wait is None else dict(wait.statuses)

    def forget(self, waiter: Hashable) -> None:
        """Nothing is waited for any more; watches that nobody needs end."""
        wait = self._waits.pop(waiter, None)
        if wait is None:
            return
        for task in wait.judging.values():
            task.cancel()
        for one in wait.statuses:
            key = self._key_of(wait.client, one)
            stream = self._streams.get(key)
            if stream is None:
                continue
            waiters = stream.waiting.get(one.place, {})
            waiters.pop(waiter, None)
            if not waiters:
                stream.waiting.pop(one.place, None)
            if not stream.waiting and stream.ending is None:
                stream.ending = asyncio.get_running_loop().call_later(LINGER, self._end, key, stream)

    def _end(self, key: _StreamKey, stream: _Stream) -> None:
        if self._streams.get(key) is stream:
            del self._streams[key]
        if stream.task is not None:
            stream.task.cancel()

    async def close(self) -> None:
        """Ends all watches."""
        tasks: list[asyncio.Future[Json]] = []
        tasks += [stream.task for stream in self._streams.values() if stream.task is not None]
        tasks += self._catching_up
        tasks += [task for wait in self._waits.values() for task in wait.judging.values()]
        for stream in self._streams.values():
            if stream.ending is not None:
                stream.ending.cancel()
        self._streams.clear()
        self._waits.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _key_of(self, client: KubeClient, one: Watched) -> _StreamKey:
        target = one.target
        selection = (
            Selection(label_selector=self.owner_label)
            if one.owned
            else Selection(namespace=target.namespace, field_selector=f"metadata.name={target.name}")
        )
        user = client.impersonation.user if client.impersonation else ""
        return _StreamKey(id(client.transport), user, target.gvk, selection)

    def _stream(self, client: KubeClient, one: Watched) -> _Stream:
        key = self._key_of(client, one)
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = _Stream(begun_at=one.version if one.owned else "")
            stream.task = asyncio.create_task(self._follow(client, key, stream))
        if stream.ending is not None:
            stream.ending.cancel()
            stream.ending = None
        return stream

    async def _follow(self, client: KubeClient, key: _StreamKey, stream: _Stream) -> None:
        try:
            events = watch(client, key.gvk, key.selection, since=stream.begun_at, on_error=_may_pass)
            async with aclosing(events) as following:
                async for event in following:
                    self._receive(stream, event)
        except (Forbidden, MethodNotAllowed):
            await self._poll(client, stream)

    def _receive(self, stream: _Stream, event: WatchEvent) -> None:
        if event.type == "SYNCED":
            self._synced(stream)
        elif event.type == "RESET":
            stream.begun_at, stream.synced = "", False
            stream.objects.clear()
        else:
            self._changed(stream, event.object, gone=event.type == "DELETED", version=event.resource_version)

    def _synced(self, stream: _Stream) -> None:
        stream.synced = True
        for watching in list(stream.waiting.values()):
            for waiter, one in list(watching.items()):
                known, state = stream.state_of(one)
                if known:
                    self._see(waiter, one, state)

    def _changed(self, stream: _Stream, live: Manifest, *, gone: bool, version: str = "") -> None:
        metadata = metadata_of(live)
        place = (str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))
        state = None if gone else _without_ballast(live)
        if state is None:
            stream.objects.pop(place, None)
            stream.gone[place] = version
        else:
            stream.objects[place] = state
            stream.gone.pop(place, None)
        for waiter, one in list(stream.waiting.get(place, {}).items()):
            self._see(waiter, one, state)

    def _see(self, waiter: Hashable, one: Watched, live: Manifest | None) -> None:
        """A new state of one object; rings if it ends the wait."""
        wait = self._waits.get(waiter)
        if wait is None or one not in wait.statuses:
            return
        if earlier := wait.judging.pop(one, None):
            earlier.cancel()
        status = one.judged(live, wait.assess)
        if isinstance(status, Readiness):
            self._record(wait, one, status)
        else:
            judging = wait.judging[one] = asyncio.ensure_future(status)
            judging.add_done_callback(lambda done: None if done.cancelled() else self._record(wait, one, done.result()))

    def _record(self, wait: _Wait, one: Watched, status: Readiness) -> None:
        wait.statuses[one] = status
        if not wait.rung and verdict(wait.statuses, timed_out=False).state != "pending":
            wait.rung = True
            wait.bell()

    async def _catch_up(self, client: KubeClient, stream: _Stream, one: Watched) -> None:
        """A look at an object whose last known state is from before the watch began."""
        pause = _FIRST_PAUSE
        while one.place in stream.waiting and not await self._look(client, stream, one.target):
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 1.5)

    async def _poll(self, client: KubeClient, stream: _Stream) -> None:
        pause = _FIRST_PAUSE
        while True:
            for target in {one.target for watching in stream.waiting.values() for one in watching.values()}:
                await self._look(client, stream, target)
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 1.5)

    async def _look(self, client: KubeClient, stream: _Stream, target: Target) -> bool:
        """Reads an object; whether the server said anything of it. Otherwise its last state stands."""
        try:
            self._changed(stream, await client.get(target), gone=False)
        except (NotFound, NoMatch):
            absent = {"metadata": {"namespace": target.namespace, "name": target.name}}
            self._changed(stream, absent, gone=True)
        except KubeError:
            return False
        return True


def _may_pass(error: KubeError) -> bool:
    return not isinstance(error, Forbidden | MethodNotAllowed)


def _without_ballast(live: Manifest) -> Manifest:
    metadata = {key: value for key, value in metadata_of(live).items() if key != "managedFields"}
    return {**live, "metadata": metadata}


def is_later(version: str, than: str) -> bool:
    """Whether a resourceVersion is of a later moment; what isn't a number can't be told, and counts as later."""
    if not version:
        return False
    return not (version.isdecimal() and than.isdecimal()) or int(version) > int(than)
