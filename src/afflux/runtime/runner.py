"""One run for one object, from what the informer knows of it to what is written back."""

import asyncio
import random
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar, cast

import structlog

from afflux.api import reasons
from afflux.api.kinds import FluxKind, InvalidObject, decode
from afflux.api.unsupported import obsolete_fields, unsupported_message
from afflux.kube.client import KubeClient
from afflux.objects.identity import ObjectRef
from afflux.objects.manifest import Json, Manifest, annotations_of, metadata_of
from afflux.runtime.ends import Cause, Done, Failure, Postponed, Waiting
from afflux.runtime.events import EventRecorder
from afflux.runtime.finalizers import add_finalizer, has_finalizer, remove_finalizer
from afflux.runtime.informer import Informer
from afflux.runtime.logging import run_logger
from afflux.runtime.metrics import Metrics
from afflux.runtime.outcome import Requeue, RunLog, Settlement, farewell, rested, settle
from afflux.runtime.reconciler import REQUESTED_AT, Known, Reconciler, Run
from afflux.runtime.rules import Rules
from afflux.runtime.status_writer import StatusWriter, status_of

T = TypeVar("T")

_ANNOUNCED = frozenset((Cause.GENERATION, Cause.REQUEST))
"""Causes for which something is really going to happen, so that the start of the run is worth writing."""


class Gone(Exception):
    """The object went away during its run; there is nobody to tell."""


@dataclass(slots=True, kw_only=True)
class Runner(Generic[T]):
    """Runs a kind's reconciler for one object at a time and settles what comes of it."""

    kind: FluxKind
    reconciler: Reconciler[T]
    rules: Rules[T]
    client: KubeClient
    informer: Informer
    recorder: EventRecorder
    metrics: Metrics
    log: structlog.typing.FilteringBoundLogger
    clock: Callable[[], datetime]
    known: Known
    jitter: float = 0.05
    """The part of an interval by which the next run may come sooner or later."""
    _failures: dict[ObjectRef, int] = field(default_factory=dict, init=False)

    async def run(self, key: ObjectRef, causes: frozenset[Cause]) -> Requeue | None:
        """Bring one object further; when to come back, or None if nothing is to be done until something changes.

        Raises ``ApiError`` where the object itself can't be read or written.
        """
        manifest = self.informer.get(key)
        if manifest is None:
            self._forget(key)
            return None
        log = run_logger(self.log, key)
        deleting = bool(metadata_of(manifest).get("deletionTimestamp"))
        finalizer = self.rules.finalizer
        if deleting and (finalizer is None or not has_finalizer(manifest, finalizer)):
            return None
        if not deleting and finalizer is not None and not has_finalizer(manifest, finalizer):
            held = await add_finalizer(self.client, manifest, finalizer, self._field_manager)
            if held is None:
                return None
            self.informer.remember(held)
            manifest = held
        attempt = _Attempt(self, key, manifest, causes, log)
        began = time.monotonic()
        try:
            if not deleting and _is_suspended(manifest):
                await attempt.rest()
                return None
            requeue = await attempt.finish(deleting=deleting)
        except Gone:
            return None
        finally:
            duration = time.monotonic() - began
            self.metrics.reconcile_duration.labels(key.kind, key.name, key.namespace).observe(duration)
        return requeue and self._jittered(requeue)

    def _forget(self, key: ObjectRef) -> None:
        self._failures.pop(key, None)
        self.metrics.forget(key)
        self.reconciler.forget(key)

    def _jittered(self, requeue: Requeue) -> Requeue:
        if requeue.cause is not Cause.INTERVAL:
            return requeue
        return requeue._replace(after=requeue.after * random.uniform(1 - self.jitter, 1 + self.jitter))

    @property
    def _field_manager(self) -> str:
        return self.rules.field_manager or self.rules.controller

    def failures_of(self, key: ObjectRef) -> int:
        """How many runs for the object failed in a row."""
        return self._failures.get(key, 0)

    def count(self, key: ObjectRef, end: Done | Waiting | Failure) -> None:
        """Keep count of failures in a row, and of results for the metrics."""
        name = self.kind.kind.lower()
        if isinstance(end, Failure):
            self._failures[key] = self._failures.get(key, 0) + 1
            self.metrics.reconcile_errors.labels(name).inc()
            self.metrics.reconcile_total.labels(name, "error").inc()
            return
        self._failures.pop(key, None)
        self.metrics.reconcile_total.labels(name, "requeue_after").inc()


@dataclass(slots=True)
class _Attempt(Generic[T]):
    """What one run needs to remember: the object as last written."""

    runner: Runner[T]
    key: ObjectRef
    manifest: Manifest
    causes: frozenset[Cause]
    log: structlog.typing.FilteringBoundLogger
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def finish(self, *, deleting: bool) -> Requeue | None:
        """Decode, reconcile or finalize, settle, write, tell."""
        try:
            decoded = self._decoded()
        except InvalidObject as error:
            await self._refuse(reasons.INVALID_OBJECT, self._complaint(error, deleting=deleting))
            return None
        run = self._new_run(decoded)
        if not deleting:
            self._warn_of_obsolete_fields(run)
        unsupported = None if deleting else unsupported_message(decoded)  # type: ignore[arg-type]
        if unsupported:
            return await self._settle(run.log_so_far(Failure(reasons.UNSUPPORTED_FIELD, unsupported, stalled=True)))
        if self.causes & _ANNOUNCED and self.runner.rules.announced and not deleting:
            await run.publish()
        end = await self._end_of(run, deleting=deleting)
        if isinstance(end, Postponed):
            return Requeue(end.seconds, end.cause)
        self.runner.count(self.key, end)
        if deleting and isinstance(end, Done):
            await self._release(run.log_so_far(end))
            return None
        if isinstance(end, Waiting) and end.quiet:
            return self._kept_quiet(run.log_so_far(end), end)
        return await self._settle(run.log_so_far(end))

    def _kept_quiet(self, run_log: RunLog[T], end: Waiting) -> Requeue:
        """What happened is told, but the wait is written of only if it goes on."""
        self._tell(settle(status_of(self.manifest), run_log, self.runner.rules, self.runner.clock()))
        return Requeue(min(end.quiet, end.check_in), Cause.RETRY)

    def _warn_of_obsolete_fields(self, run: Run[T]) -> None:
        """Once a spec: what old versions have and nothing acts on."""
        fields = obsolete_fields(run.object) if Cause.GENERATION in self.causes else []  # type: ignore[arg-type]
        if fields:
            has = "is obsolete and has" if len(fields) == 1 else "are obsolete and have"
            message = f"{', '.join(fields)} {has} no effect"
            self.log.info(message)
            run.event("error", reasons.OBSOLETE_FIELD, message)

    async def rest(self) -> None:
        """Nothing is done for a suspended object, but that it was looked at is recorded."""
        self.log.info(self.runner.rules.wording.suspended)
        generation = int(metadata_of(self.manifest).get("generation") or 0)
        requested_at = annotations_of(self.manifest).get(REQUESTED_AT)
        await self._write(rested(status_of(self.manifest), generation, requested_at))

    def _complaint(self, error: InvalidObject, *, deleting: bool) -> str:
        """What is wrong, and for an object that is to go what people can do, since we can't clean up after it."""
        finalizer = self.runner.rules.finalizer
        if not deleting or finalizer is None:
            return str(error)
        return (
            f"{error}; the object can't be deleted while it can't be read: mend {error.field or 'it'}, or remove "
            f"'{finalizer}' from metadata.finalizers to leave behind whatever was made for it"
        )

    def _decoded(self) -> T:
        try:
            return cast(T, decode(self.runner.kind, self.manifest))
        except InvalidObject as error:
            # What is wrong in status isn't the user's: it is settled anew.
            if not error.field.startswith("status"):
                raise
            return cast(T, decode(self.runner.kind, {**self.manifest, "status": {}}))

    def _new_run(self, decoded: T) -> Run[T]:
        return Run(
            object=decoded,
            manifest=self.manifest,
            key=self.key,
            causes=self.causes,
            log=self.log,
            clock=self.runner.clock,
            publisher=self._publish,
            known=self.runner.known,
            failures=self.runner.failures_of(self.key),
            default_failure=self.runner.rules.failure_reason,
        )

    async def _end_of(self, run: Run[T], *, deleting: bool) -> Done | Waiting | Failure | Postponed:
        reconciler = self.runner.reconciler
        try:
            return await (reconciler.finalize(run) if deleting else reconciler.reconcile(run))
        except Gone:
            raise
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise
            return Failure(self.runner.rules.failure_reason, "something that the run waited for was cancelled")
        except Exception as error:
            self.log.debug("run failed", stacktrace="".join(traceback.format_exception(error)))
            return run.failed_by(error)

    async def _publish(self, run_log: RunLog[T]) -> None:
        async with self._writing:
            previous = status_of(self.manifest)
            await self._write(settle(previous, run_log, self.runner.rules, self.runner.clock()).status)

    async def _settle(self, run_log: RunLog[T]) -> Requeue | None:
        settlement = settle(status_of(self.manifest), run_log, self.runner.rules, self.runner.clock())
        try:
            await self._write(settlement.status)
        finally:
            self._tell(settlement)
        return settlement.requeue

    async def _release(self, run_log: RunLog[T]) -> None:
        self._tell(farewell(status_of(self.manifest), run_log, self.runner.rules, self.runner.clock()))
        rules = self.runner.rules
        if rules.finalizer is not None:
            await remove_finalizer(self.runner.client, self.manifest, rules.finalizer, self.runner._field_manager)

    async def _refuse(self, reason: str, message: str) -> None:
        """An object that can't be decoded: it alone is stalled, with the field that is wrong."""
        run_log: RunLog[Json] = RunLog(
            object=None,
            generation=int(metadata_of(self.manifest).get("generation") or 0),
            started=self.runner.clock(),
            requested_at=annotations_of(self.manifest).get(REQUESTED_AT),
            causes=self.causes,
            end=Failure(reason, message, stalled=True),
        )
        self.runner.count(self.key, Failure(reason, message, stalled=True))
        await self._settle(run_log)

    async def _write(self, status: Manifest) -> None:
        rules = self.runner.rules
        writer = StatusWriter(self.runner.client, self.runner._field_manager, rules.owned)
        written = await writer.write(self.manifest, status)
        if written is None:
            raise Gone
        self.manifest = written
        self.runner.informer.remember(written)

    def _tell(self, settlement: Settlement) -> None:
        for event in settlement.events:
            self.runner.recorder.record(self.manifest, event)
        for line in settlement.log_lines:
            getattr(self.log, line.level)(line.message, **line.fields)


def _is_being_cancelled() -> bool:
    """Whether it is this task that is to end, and not one that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _is_suspended(manifest: Manifest) -> bool:
    spec = manifest.get("spec")
    return isinstance(spec, dict) and spec.get("suspend") is True
