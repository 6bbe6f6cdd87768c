"""Watches objects that somebody waits for, and rings when the wait is over.

A watch exists only while somebody waits for an object of its kind: one a kind for what we own (by the owner's label),
one an object for foreign ones, each under the identity that applied. Where an identity may not watch, it polls with
backoff.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import NamedTuple

from afflux.apply.health import Assess, Statuses, Watched, verdict
from afflux.kube.client import KubeClient, Selection, Target
from afflux.kube.errors import Forbidden, KubeError, MethodNotAllowed, NoMatch, NotFound
from afflux.kube.watch import watch
from afflux.manifests.readiness import Readiness
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Json, Manifest, metadata_of

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 5.0
_UNKNOWN_YET = Readiness("Unknown", "")


@dataclass
class _Wait:
    """One waiter: what it waits for, how it judges, how it is told."""

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
    """The objects that one watch shows, and who waits for which of them."""

    task: asyncio.Task[None] | None = None
    synced: bool = False
    objects: dict[tuple[str, str], Manifest] = field(default_factory=dict)
    waiting: dict[Hashable, list[Watched]] = field(default_factory=dict)


class HealthTracker:
    """What waits for health. ``owner_label`` is a label that everything we apply carries."""

    def __init__(self, owner_label: str) -> None:
        self._owner_label = owner_label
        self._waits: dict[Hashable, _Wait] = {}
        self._streams: dict[_StreamKey, _Stream] = {}

    def expect(
        self,
        waiter: Hashable,
        client: KubeClient,
        watched: Iterable[Watched],
        assess: Assess,
        bell: Callable[[], None],
    ) -> None:
        """Rings once when all are ready, or one of them has failed; replaces what the waiter waited for before."""
        self.forget(waiter)
        wait = _Wait(assess, bell, dict.fromkeys(watched, _UNKNOWN_YET))
        self._waits[waiter] = wait
        for one in wait.statuses:
            stream = self._stream(client, one)
            stream.waiting.setdefault(waiter, []).append(one)
            if stream.synced:
                self._see(waiter, one, stream.objects.get((one.target.namespace, one.target.name)))

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
        for key, stream in list(self._streams.items()):
            stream.waiting.pop(waiter, None)
            if not stream.waiting:
                del self._streams[key]
                if stream.task is not None:
                    stream.task.cancel()

    async def close(self) -> None:
        """Ends all watches."""
        tasks: list[asyncio.Future[Json]] = []
        tasks += [stream.task for stream in self._streams.values() if stream.task is not None]
        tasks += [task for wait in self._waits.values() for task in wait.judging.values()]
        self._streams.clear()
        self._waits.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _stream(self, client: KubeClient, one: Watched) -> _Stream:
        target = one.target
        selection = (
            Selection(label_selector=self._owner_label)
            if one.owned
            else Selection(namespace=target.namespace, field_selector=f"metadata.name={target.name}")
        )
        user = client.impersonation.user if client.impersonation else ""
        key = _StreamKey(id(client.transport), user, target.gvk, selection)
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = _Stream()
            stream.task = asyncio.create_task(self._follow(client, key, stream))
        return stream

    async def _follow(self, client: KubeClient, key: _StreamKey, stream: _Stream) -> None:
        try:
            async with aclosing(watch(client, key.gvk, key.selection, on_error=_may_pass)) as events:
                async for event in events:
                    if event.type == "SYNCED":
                        self._synced(stream)
                    else:
                        self._changed(stream, event.object, gone=event.type == "DELETED")
        except (Forbidden, MethodNotAllowed):
            await self._poll(client, stream)

    def _synced(self, stream: _Stream) -> None:
        stream.synced = True
        for waiter, watched in list(stream.waiting.items()):
            for one in watched:
                self._see(waiter, one, stream.objects.get((one.target.namespace, one.target.name)))

    def _changed(self, stream: _Stream, live: Manifest, *, gone: bool) -> None:
        metadata = metadata_of(live)
        place = (str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))
        state = None if gone else _without_ballast(live)
        if state is None:
            stream.objects.pop(place, None)
        else:
            stream.objects[place] = state
        for waiter, watched in list(stream.waiting.items()):
            for one in watched:
                if (one.target.namespace, one.target.name) == place:
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

    async def _poll(self, client: KubeClient, stream: _Stream) -> None:
        pause = _FIRST_PAUSE
        while True:
            for target in {one.target for watched in stream.waiting.values() for one in watched}:
                await self._look(client, stream, target)
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 1.5)

    async def _look(self, client: KubeClient, stream: _Stream, target: Target) -> None:
        try:
            self._changed(stream, await client.get(target), gone=False)
        except (NotFound, NoMatch):
            absent = {"metadata": {"namespace": target.namespace, "name": target.name}}
            self._changed(stream, absent, gone=True)
        except KubeError:
            # Asked again after the pause; until then the last state stands.
            return


def _may_pass(error: KubeError) -> bool:
    return not isinstance(error, Forbidden | MethodNotAllowed)


def _without_ballast(live: Manifest) -> Manifest:
    metadata = {key: value for key, value in metadata_of(live).items() if key != "managedFields"}
    return {**live, "metadata": metadata}
