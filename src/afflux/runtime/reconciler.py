"""What a controller's author writes against: ``Reconciler`` and ``Run``."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import structlog

from afflux.objects.identity import GroupVersionKind, ObjectRef
from afflux.objects.manifest import Json, Manifest, annotations_of, metadata_of
from afflux.runtime.ends import Cause, Done, Failure, Postponed, Truth, Waiting, failure_of
from afflux.runtime.history import Snapshot
from afflux.runtime.outcome import Fact, RecordedEvent, RunLog, Severity

T = TypeVar("T")

REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"


class Known(Protocol):
    """What this process knows of other objects from its watches, as fresh as those are."""

    def get(self, gvk: GroupVersionKind, key: ObjectRef) -> Manifest | None:
        """An object; None where there is none, or where its kind isn't watched."""
        ...

    def indexed(self, index: str, value: str) -> list[Manifest]:
        """Objects of the controller's own kind, by one of its indexes."""
        ...


class NothingKnown:
    """Of a run outside of any controller."""

    def get(self, gvk: GroupVersionKind, key: ObjectRef) -> Manifest | None:
        return None

    def indexed(self, index: str, value: str) -> list[Manifest]:
        return []


class Reconciler(Protocol[T]):
    """Makes one object so. Straight-line code of named steps; never sets a condition or chooses a requeue by itself."""

    async def reconcile(self, run: "Run[T]") -> Done | Waiting | Postponed:
        """Bring the world in line with ``run.object``; any error is a failure of the run."""
        ...

    async def finalize(self, run: "Run[T]") -> Done | Waiting:
        """Clean up for an object that is being deleted; after ``Done`` its finalizer is removed."""
        ...

    def forget(self, key: ObjectRef) -> None:
        """An object is gone, whether it was finalized or not; nothing of it need be remembered."""
        return None

    async def close(self) -> None:
        """No more runs come; whatever the reconciler keeps going ends."""
        return None


@dataclass(slots=True, kw_only=True)
class Run(Generic[T]):
    """One run for one object: what is known about it, and where what happens is written down."""

    object: T
    manifest: Manifest
    key: ObjectRef
    causes: frozenset[Cause]
    log: structlog.typing.FilteringBoundLogger
    clock: Callable[[], datetime]
    publisher: Callable[[RunLog[T]], Awaitable[None]]
    known: Known = field(default_factory=NothingKnown)
    failures: int = 0
    """Failures in a row before this run."""
    default_failure: str = "ReconciliationFailed"
    _started: datetime = field(init=False)
    _facts: dict[str, Fact | None] = field(init=False, default_factory=dict)
    _fields: dict[str, Json] = field(init=False, default_factory=dict)
    _events: list[RecordedEvent] = field(init=False, default_factory=list)
    _about: dict[str, str] = field(init=False, default_factory=dict)
    _snapshot: Snapshot | None = field(init=False, default=None)
    _progress: str | None = field(init=False, default=None)
    _failure: tuple[Exception, Failure] | None = field(init=False, default=None)
    _published: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._started = self.clock()

    @property
    def started(self) -> datetime:
        """When what this run does began; its duration in words and history counts from then."""
        return self._started

    def continues(self, started: datetime) -> None:
        """This run takes up what an earlier one began and left waiting."""
        self._started = started

    def repeats(self, log: RunLog[T]) -> None:
        """This run finds what an earlier one did: its facts, fields of status and snapshot."""
        self._facts.update(log.facts)
        self._fields.update(log.fields)
        self._snapshot = log.snapshot

    @asynccontextmanager
    async def step(
        self, doing: str, *, fails_as: str, condition: str | None = None, progress: str | None = None
    ) -> AsyncIterator[None]:
        """A named part of the run.

        An error that leaves it is recorded with the reason ``fails_as`` (a ``Stalled`` or ``NotReady`` keeps its own)
        and, if given, makes the abnormal ``condition`` (such as ``FetchFailed``) true; success clears that condition.
        ``progress`` becomes Reconciling's message at the next publication.
        """
        if progress is not None:
            self._progress = progress
        self.log.debug(doing)
        try:
            yield
        except Exception as error:
            self._fail(error, fails_as, condition)
            raise
        if condition is not None:
            self.clear(condition)

    def _fail(self, error: Exception, reason: str, condition: str | None) -> None:
        if self._failure is not None and self._failure[0] is error:
            return
        failure = failure_of(error, reason)
        self._failure = (error, failure)
        if condition is not None:
            self.fact(condition, "True", failure.reason, failure.message)

    def fact(self, type: str, status: Truth, reason: str, message: str) -> None:
        """A condition that is so now."""
        self._facts[type] = Fact(status, reason, message)

    def clear(self, type: str) -> None:
        """A condition that is no longer there."""
        self._facts[type] = None

    def set_status(self, **fields: Json) -> None:
        """Fields of status by their camelCase names; None removes one."""
        self._fields.update(fields)

    def event(self, severity: Severity, reason: str, message: str, metadata: Mapping[str, str] | None = None) -> None:
        """Something worth telling people; ``metadata`` keys get the kind's annotation prefix."""
        self._events.append(RecordedEvent(severity, reason, message, dict(metadata or {})))

    def annotate(self, **about: str) -> None:
        """What this run is about (``revision`` ...): in its events' metadata; the revision also in its last log."""
        self._about.update(about)

    def snapshot(self, digest: str, metadata: Mapping[str, str]) -> None:
        """For ``status.history``: the digest of what was built, and what it was built from."""
        self._snapshot = Snapshot(digest, dict(metadata))

    async def publish(self) -> None:
        """Write what is known so far, now. For transitions only: something is really going to happen."""
        self._published = True
        await self.publisher(self.log_so_far())

    @property
    def published(self) -> bool:
        """Whether anything was written of this run."""
        return self._published

    @property
    def status_fields(self) -> Mapping[str, Json]:
        """The fields of status that were set so far."""
        return dict(self._fields)

    @asynccontextmanager
    async def announced_after(self, seconds: float) -> AsyncIterator[None]:
        """A block that is written of when it takes longer than that, unless something was by then."""
        timer = asyncio.create_task(self._announce_after(seconds))
        try:
            yield
        finally:
            timer.cancel()
            await asyncio.gather(timer, return_exceptions=True)

    async def _announce_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if not self._published:
            await self.publish()

    def log_so_far(self, end: Done | Waiting | Failure | None = None) -> RunLog[T]:
        """The run as facts, with its end if it has one."""
        return RunLog(
            object=self.object,
            generation=int(metadata_of(self.manifest).get("generation") or 0),
            requested_at=annotations_of(self.manifest).get(REQUESTED_AT),
            causes=self.causes,
            started=self._started,
            facts=dict(self._facts),
            fields=dict(self._fields),
            events=tuple(self._events),
            about=dict(self._about),
            snapshot=self._snapshot,
            progress=self._progress,
            failures=self.failures,
            end=end,
        )

    def failed_by(self, error: Exception) -> Failure:
        """The failure that an error which left the reconciler means: as its step recorded it, or the kind's default."""
        if self._failure is not None and self._failure[0] is error:
            return self._failure[1]
        return failure_of(error, self.default_failure)
