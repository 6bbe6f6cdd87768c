"""Kubernetes Events: what a controller tells people about an object, repeated ones counted."""

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import structlog

from afflux.kube.client import KubeClient, PatchType, Target
from afflux.kube.errors import KubeError, NotFound, TooManyRequests, is_away
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Json, Manifest, annotations_of, metadata_of
from afflux.runtime.conditions import timestamp
from afflux.runtime.outcome import RecordedEvent
from afflux.runtime.rules import Backoff

EVENT = GroupVersionKind("", "v1", "Event")

MESSAGE_LIMIT = 1024
"""Bytes that the API allows a message."""

REMEMBERED = 4096
"""How many different events are remembered to count repetitions."""

_FOR_EVENTS = "event.toolkit.fluxcd.io/"

WRITERS = 4
"""How many events are written at a time. Those of one object keep their order."""

WAITING = 4096
"""How many events wait for each writer at most; what comes then is dropped, as in client-go."""


TRIES = 12
"""How often an event is tried to be written while the server has trouble, as in client-go."""

_PAUSE = Backoff(initial=0.25, maximum=10.0)


class _Seen(NamedTuple):
    target: Target
    times: int


@dataclass(slots=True)
class EventRecorder:
    """Writes the events of one controller in the background, those of each object in order."""

    client: KubeClient
    controller: str
    annotation_prefix: str
    clock: Callable[[], datetime]
    _waiting: list[asyncio.Queue[tuple[Manifest, RecordedEvent]]] = field(
        default_factory=lambda: [asyncio.Queue(WAITING) for _ in range(WRITERS)], init=False
    )
    _seen: OrderedDict[tuple[str, ...], _Seen] = field(default_factory=OrderedDict, init=False)

    def record(self, manifest: Manifest, event: RecordedEvent) -> None:
        """Something that happened to an object; returns at once."""
        try:
            self._waiting[hash(metadata_of(manifest).get("uid")) % WRITERS].put_nowait((manifest, event))
        except asyncio.QueueFull:
            structlog.get_logger().debug("dropped an event: too many wait to be written", reason=event.reason)

    async def run(self) -> None:
        """Write what is recorded, until cancelled."""
        async with asyncio.TaskGroup() as writers:
            for waiting in self._waiting:
                writers.create_task(self._write_all(waiting))

    async def _write_all(self, waiting: asyncio.Queue[tuple[Manifest, RecordedEvent]]) -> None:
        while True:
            manifest, event = await waiting.get()
            try:
                await self._write_patiently(manifest, event)
            except Exception as error:  # an event that can't be written must not cost us those after it
                structlog.get_logger().debug("failed to write an event", reason=event.reason, error=str(error))
            finally:
                waiting.task_done()

    async def flushed(self) -> None:
        """Return when everything recorded so far is written."""
        await asyncio.gather(*(waiting.join() for waiting in self._waiting))

    async def _write_patiently(self, manifest: Manifest, event: RecordedEvent) -> None:
        """Once more after each failure of the server, so that what happened while it was away is told, too."""
        for failures in range(1, TRIES):
            try:
                return await self._write(manifest, event)
            except KubeError as error:
                if not (is_away(error) or isinstance(error, TooManyRequests)):
                    raise
            await self.client.presence.until_back()
            await asyncio.sleep(_PAUSE.after(failures))
        return await self._write(manifest, event)

    async def _write(self, manifest: Manifest, event: RecordedEvent) -> None:
        identity = (str(metadata_of(manifest).get("uid")), event.severity, event.reason, event.message)
        seen = self._seen.get(identity)
        if seen is not None:
            repeated = {"count": seen.times + 1, "lastTimestamp": timestamp(self.clock())}
            try:
                await self.client.patch(seen.target, repeated, patch_type=PatchType.MERGE)
            except NotFound:
                seen = None
        if seen is None:
            body = event_manifest(manifest, event, self.controller, self.annotation_prefix, timestamp(self.clock()))
            await self.client.create(body, field_manager=self.controller)
            seen = _Seen(Target.of(body), 0)
        self._seen[identity] = seen._replace(times=seen.times + 1)
        self._seen.move_to_end(identity)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)


def event_manifest(manifest: Manifest, event: RecordedEvent, controller: str, prefix: str, now: str) -> Manifest:
    """The ``v1`` Event that says ``event`` of an object; what people annotated it with for its events goes along."""
    metadata = metadata_of(manifest)
    namespace = metadata.get("namespace") or "default"
    about: dict[str, Json] = {"kind": manifest.get("kind"), "apiVersion": manifest.get("apiVersion")}
    about |= {name: metadata[name] for name in ("name", "namespace", "uid", "resourceVersion") if metadata.get(name)}
    annotations = {f"{prefix}/{name}": value for name, value in event.metadata.items()}
    annotations |= {name: value for name, value in annotations_of(manifest).items() if name.startswith(_FOR_EVENTS)}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata.get('name')}.{uuid.uuid4().hex[:16]}",
            "namespace": namespace,
            **({"annotations": annotations} if annotations else {}),
        },
        "involvedObject": about,
        "type": "Warning" if event.severity == "error" else "Normal",
        "reason": event.reason,
        "message": _cut(event.message),
        "source": {"component": controller},
        "reportingComponent": controller,
        "reportingInstance": controller,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }


def _cut(message: str) -> str:
    encoded = message.encode()
    if len(encoded) <= MESSAGE_LIMIT:
        return message
    return encoded[: MESSAGE_LIMIT - 3].decode("utf-8", "ignore") + "..."
