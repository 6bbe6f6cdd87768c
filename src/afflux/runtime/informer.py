"""A kind's objects as the server has them now, kept by a watch."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from afflux.kube.client import EVERYTHING, KubeClient, Selection
from afflux.kube.errors import Gone, KubeError, NoMatch, is_away
from afflux.kube.presence import LONGEST_WAIT
from afflux.kube.watch import WatchEvent, watch
from afflux.objects.identity import GroupVersionKind, ObjectRef, ref_of
from afflux.objects.manifest import Json, Manifest, metadata_of

Listener: TypeAlias = Callable[[Manifest | None, Manifest | None], None]
"""Called with an object before and after a change; None stands for "wasn't there" and "is gone"."""

Indexer: TypeAlias = Callable[[Manifest], Mapping[str, Iterable[str]]]
"""The values that an object has under each index; may raise for an object it can't read: that one has none."""


@dataclass(slots=True)
class Informer:
    """The objects of one kind. What it hands out is shared and must not be changed."""

    client: KubeClient
    gvk: GroupVersionKind
    selection: Selection = EVERYTHING
    indexer: Indexer | None = None
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once every object has been told; stays so."""
    _current: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    """Cleared while it isn't known what a server that was away will say when it is back."""
    _objects: dict[ObjectRef, Manifest] = field(default_factory=dict, init=False)
    _index: dict[tuple[str, str], set[ObjectRef]] = field(default_factory=dict, init=False)
    _values: dict[ObjectRef, list[tuple[str, str]]] = field(default_factory=dict, init=False)
    _listeners: list[Listener] = field(default_factory=list, init=False)
    _written: dict[ObjectRef, Manifest] = field(default_factory=dict, init=False)
    """What we wrote and the watch hasn't told yet: what it tells from before that is nothing new."""

    def subscribe(self, listener: Listener) -> None:
        """Tell ``listener`` of every change from now on, on the event loop's thread."""
        self._listeners.append(listener)

    def get(self, key: ObjectRef) -> Manifest | None:
        """One object, or None."""
        return self._objects.get(key)

    def all(self) -> list[Manifest]:
        """Every object."""
        return list(self._objects.values())

    def indexed(self, index: str, value: str) -> list[Manifest]:
        """The objects that have ``value`` under ``index``, by namespace and name."""
        return [self._objects[key] for key in sorted(self._index.get((index, value), ()))]

    def remember(self, written: Manifest) -> None:
        """What the server answered to a write of ours, so that it is known before the watch tells it."""
        key = ref_of(written)
        before = self._objects.get(key)
        if before is not None and is_newer(before, written):
            self._written[key] = written
            self._put(key, before, written)

    async def until_current(self) -> None:
        """Return when no server's word is outstanding, or hasn't come for a long time: runs that begin before might
        take what a server has lost for what it has."""
        if self.synced.is_set() and not self._current.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._current.wait(), LONGEST_WAIT)

    async def run(self) -> None:
        """Follow the kind until cancelled."""
        log = structlog.get_logger()
        missing = False

        def troubled(error: KubeError) -> bool:
            nonlocal missing
            if is_away(error):
                self._written.clear()  # the server may come back without them
                self._current.clear()
            watched = f"{self.gvk.kind}.{self.gvk.group}".rstrip(".")
            absent = isinstance(error, NoMatch)
            if isinstance(error, Gone):
                log.info("lists again after a gap", watched=watched)
            elif not absent:
                log.error("failed to watch", watched=watched, error=str(error))
            elif not missing:
                log.info("waiting for a kind to be installed", watched=watched)
            missing = absent
            return True

        async with aclosing(watch(self.client, self.gvk, self.selection, on_error=troubled)) as events:
            async for event in events:
                self._receive(event)

    def _receive(self, event: WatchEvent) -> None:
        if event.type == "SYNCED":
            self.synced.set()
            self._current.set()
        elif event.type == "DELETED":
            self._drop(ref_of(event.object))
        else:
            self._hear(event.object)

    def _drop(self, key: ObjectRef) -> None:
        self._written.pop(key, None)
        gone = self._objects.pop(key, None)
        self._reindex(key, None)
        if gone is not None:
            self._tell(gone, None)

    def _hear(self, manifest: Manifest) -> None:
        """What the watch tells is so, be it older than what was so before: a server may be restored from a backup."""
        key = ref_of(manifest)
        written = self._written.get(key)
        if written is not None and not is_newer(written, manifest):
            if _version(written) == _version(manifest):
                del self._written[key]
            return
        self._written.pop(key, None)
        before = self._objects.get(key)
        if before != manifest:
            self._put(key, before, manifest)

    def _put(self, key: ObjectRef, before: Manifest | None, manifest: Manifest) -> None:
        self._objects[key] = manifest
        self._reindex(key, manifest)
        self._tell(before, manifest)

    def _reindex(self, key: ObjectRef, manifest: Manifest | None) -> None:
        if self.indexer is None:
            return
        for place in self._values.pop(key, ()):
            self._index[place].discard(key)
            if not self._index[place]:
                del self._index[place]
        if manifest is None:
            return
        places = _places(self.indexer, manifest)
        for place in places:
            self._index.setdefault(place, set()).add(key)
        self._values[key] = places

    def _tell(self, before: Manifest | None, after: Manifest | None) -> None:
        for listener in self._listeners:
            try:
                listener(before, after)
            except Exception as error:  # one listener's defect must not stop the others, nor the watch
                subject = ref_of(after or before or {}).subject
                structlog.get_logger().error("failed to handle a change", object=subject, error=repr(error))


def _places(indexer: Indexer, manifest: Manifest) -> list[tuple[str, str]]:
    try:
        return [(name, value) for name, values in indexer(manifest).items() for value in set(values)]
    except Exception:  # an object that can't be decoded is reported by its own run
        return []


def is_newer(before: Manifest, after: Manifest) -> bool:
    """Whether ``after`` is a later state; resource versions are compared where they are numbers."""
    old, new = metadata_of(before), metadata_of(after)
    if old.get("uid") != new.get("uid"):
        return True
    old_version, new_version = _version(before), _version(after)
    old_number, new_number = _number(old_version), _number(new_version)
    if old_number is not None and new_number is not None:
        return new_number > old_number
    return bool(new_version != old_version)


def _version(manifest: Manifest) -> Json:
    return metadata_of(manifest).get("resourceVersion")


def _number(version: Json) -> int | None:
    return int(version) if isinstance(version, str) and version.isdecimal() else None
