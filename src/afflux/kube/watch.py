"""What happens to the objects of a kind, from now on and without a gap."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from afflux.kube.client import EVERYTHING, KubeClient, Selection
from afflux.kube.errors import (
    ApiError,
    Gone,
    InvalidAnswer,
    KubeError,
    NoMatch,
    Unreachable,
    error_from_status,
    is_away,
    is_unserved,
    parsed,
)
from afflux.kube.transport import Request
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Json, Manifest, metadata_of

EventType: TypeAlias = Literal["ADDED", "MODIFIED", "DELETED", "SYNCED", "RESET"]
Key: TypeAlias = tuple[str, str]

STREAM_SECONDS = (290, 350)
"""How long a stream is asked to last; a random length, so that they don't all end at once."""

_PUNCTUALITY = 1.0
"""Seconds by which the server may end a stream sooner than asked."""

HEALTHY_SECONDS = 5.0
"""A stream that lasted longer broke by accident: it is taken up again at once."""

FIRST_PAUSE = 0.2
_FRAMES = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"})
LONGEST_PAUSE = 10.0
LARGEST_FRAME = 32 * 1024 * 1024
"""Bytes of one event; an object of a real server has 3 MiB at the most."""


class WatchEvent(NamedTuple):
    """One thing that happened. ``SYNCED`` (with an empty object) says that everything there was has been told, also
    when a watch is taken up again after trouble that it lost nothing by; ``RESET`` comes only where a watch began at a
    version: it had a gap, and whatever is there is told from now on."""

    type: EventType
    object: Manifest
    resource_version: str


async def watch(
    client: KubeClient,
    gvk: GroupVersionKind,
    selection: Selection = EVERYTHING,
    *,
    since: str = "",
    on_error: Callable[[KubeError], bool] | None = None,
) -> AsyncGenerator[WatchEvent, None]:
    """List, then watch, for as long as somebody listens; a stream that lasted as long as asked is taken up where it
    ended.

    After a gap (410) the kind is listed again and only the differences are told: an object that vanished meanwhile
    comes as ``DELETED`` with its name, namespace and uid alone. After a stream that broke, or any failure of the
    server, everything is told again: another server may answer now, or one that was restored from a backup. That one
    has other objects, and older ones, under versions that were used before, and tells nothing of it to a watch that
    goes on from a version that it doesn't have. A kind that isn't served yet is waited for, one that is served no
    longer has lost its objects. ``on_error`` is told of every trouble, gaps too; the watch goes on with backoff after a
    gap, and otherwise if it returns True (without it: always), or else the error is raised. ``since`` is a
    resourceVersion that the caller knows the objects at: nothing is listed, only what happened after it is told.
    """
    follower = _Follower(client, gvk, selection, since, resource_version=since)
    pause = FIRST_PAUSE
    while True:
        began = time.monotonic()
        try:
            async with aclosing(follower.events()) as events:
                async for event in events:
                    yield event
        except KubeError as error:
            client.presence.missed(error)
            for event in follower.broken_by(error):
                yield event
            gap = isinstance(error, Gone) and follower.streams
            if on_error is not None and not on_error(error) and not gap:
                raise
        if time.monotonic() - began > HEALTHY_SECONDS:
            pause = FIRST_PAUSE
        await client.presence.until_back()
        await asyncio.sleep(pause * random.uniform(0.75, 1.25))
        pause = min(LONGEST_PAUSE, pause * 2)


@dataclass(slots=True)
class _Follower:
    """Where a watch stands: the last resource version, and which objects have been told."""

    client: KubeClient
    gvk: GroupVersionKind
    selection: Selection
    since: str = ""
    resource_version: str = ""
    told: dict[Key, tuple[str, str]] = field(default_factory=dict)
    """By namespace and name: uid and resource version."""
    interrupted: bool = False
    """Whether there was trouble since all was told."""
    streams: bool = False
    """Whether the server had begun to tell what happens when the last attempt ended."""
    lasts_until: float = 0.0
    """When the stream may end, by the monotonic clock."""

    async def events(self) -> AsyncGenerator[WatchEvent, None]:
        """What happens until the stream ends."""
        self.streams = False
        if self.since and self.resource_version == self.since:
            yield WatchEvent("SYNCED", {}, self.since)
        if not self.resource_version:
            if self.since:
                yield WatchEvent("RESET", {}, "")
                self.told.clear()
            for event in await self._listed():
                yield event
            self.interrupted = False
        async with aclosing(self._lines()) as lines:
            async for line in lines:
                if not line and self.interrupted:
                    self.interrupted = False
                    yield WatchEvent("SYNCED", {}, self.resource_version)
                happened = self._read(parsed(line)) if line else None
                if happened is not None:
                    yield happened
        if time.monotonic() < self.lasts_until:
            raise Unreachable("the watch ended before its time")

    async def _listed(self) -> list[WatchEvent]:
        """The differences between what has been told and what is there; then ``SYNCED``."""
        listing = await self.client.list(self.gvk, self.selection)
        present = {_key(item): item for item in listing.items}
        events: list[WatchEvent] = []
        for key in [key for key in self.told if key not in present]:
            events.append(WatchEvent("DELETED", self._tombstone(key), listing.resource_version))
            del self.told[key]
        for item in present.values():
            events += self._news(item)
        self.resource_version = listing.resource_version
        return [*events, WatchEvent("SYNCED", {}, listing.resource_version)]

    def broken_by(self, error: KubeError) -> list[WatchEvent]:
        """What an error that ended an attempt means for what was told, and for where to go on."""
        self.interrupted = True
        if isinstance(error, NoMatch):
            return self._vanished()
        if isinstance(error, ApiError) and is_unserved(error):
            self.client.mapper.forget(self.gvk)
        if isinstance(error, Gone):
            self.resource_version = ""
        elif is_away(error):
            self.resource_version = ""
            self.told = {key: (uid, "") for key, (uid, _) in self.told.items()}
        return []

    def _vanished(self) -> list[WatchEvent]:
        """The kind is served no longer: everything told is gone, and what comes next is listed anew."""
        events = [WatchEvent("DELETED", self._tombstone(key), "") for key in self.told]
        self.told.clear()
        self.resource_version = ""
        return events

    def _news(self, item: Manifest) -> list[WatchEvent]:
        key, mark = _key(item), _mark(item)
        before = self.told.get(key)
        self.told[key] = mark
        if before == mark:
            return []
        replaced = before is not None and before[0] != mark[0]
        gone = [WatchEvent("DELETED", self._tombstone(key, before), mark[1])] if replaced else []
        return [*gone, WatchEvent("ADDED" if before is None or replaced else "MODIFIED", item, mark[1])]

    def _tombstone(self, key: Key, mark: tuple[str, str] | None = None) -> Manifest:
        uid = (mark or self.told[key])[0]
        metadata = {"name": key[1], "uid": uid} | ({"namespace": key[0]} if key[0] else {})
        return {"apiVersion": self.gvk.api_version, "kind": self.gvk.kind, "metadata": metadata}

    def _read(self, frame: Json) -> WatchEvent | None:
        kind, item = frame.get("type"), frame.get("object")
        if kind not in _FRAMES or not isinstance(item, dict):
            raise InvalidAnswer(f"the server answered with something that isn't a watch event: {str(frame)[:200]}")
        if kind == "ERROR":
            raise error_from_status(item, int(item.get("code") or 500))
        mark = _mark(item)
        self.resource_version = mark[1] or self.resource_version
        if kind == "BOOKMARK":
            return None
        if kind == "DELETED":
            self.told.pop(_key(item), None)
        else:
            self.told[_key(item)] = mark
        item["apiVersion"], item["kind"] = self.gvk.api_version, self.gvk.kind
        return WatchEvent(kind, item, mark[1])

    async def _lines(self) -> AsyncGenerator[bytes, None]:
        """The stream, a frame a line; an empty one first, when the server has begun to answer."""
        resource = await self.client.mapper.resource_for(self.gvk)
        seconds = random.randint(*STREAM_SECONDS)
        parameters = self.selection.parameters() | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self.resource_version,
            "timeoutSeconds": str(seconds),
        }
        accept = self.selection.accept.replace("PartialObjectMetadataList", "PartialObjectMetadata")
        request = Request("GET", resource.path(self.selection.namespace), parameters, accept=accept)
        begun: list[bytes] = []
        stream = self.client.transport.stream(request, self.client.impersonation, silence=seconds + 15.0)
        async with stream as chunks:
            self.streams, self.lasts_until = True, time.monotonic() + seconds - _PUNCTUALITY
            yield b""
            size = 0
            async for chunk in chunks:
                *lines, rest = chunk.split(b"\n")
                if lines:
                    lines[0] = b"".join([*begun, lines[0]])
                    begun, size = [], 0
                for line in lines:
                    if line:
                        yield line
                begun.append(rest)
                size += len(rest)
                if size > LARGEST_FRAME:
                    server = self.client.transport.config.server
                    raise Unreachable(f"{server}: an event of more than {LARGEST_FRAME} bytes was not read")


def _key(item: Manifest) -> Key:
    metadata = metadata_of(item)
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")


def _mark(item: Manifest) -> tuple[str, str]:
    metadata = metadata_of(item)
    return str(metadata.get("uid") or ""), str(metadata.get("resourceVersion") or "")
