"""One kind's controller: what wakes its objects, and the workers that run them."""

import asyncio
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, TypeVar, cast

from afflux.api.kinds import FluxKind, decode
from afflux.kube.client import EVERYTHING, KubeClient, Selection
from afflux.kube.errors import KubeError
from afflux.objects.identity import GroupVersionKind, ObjectRef, ref_of
from afflux.objects.manifest import Json, Manifest, annotations_of, metadata_of
from afflux.runtime.dependencies import Dependency
from afflux.runtime.ends import Cause
from afflux.runtime.events import EventRecorder
from afflux.runtime.informer import Informer, is_newer
from afflux.runtime.informers import Informers
from afflux.runtime.logging import controller_logger
from afflux.runtime.metrics import Metrics
from afflux.runtime.queue import Work, WorkQueue
from afflux.runtime.reconciler import REQUESTED_AT, Reconciler
from afflux.runtime.rules import Backoff, Rules
from afflux.runtime.runner import Runner
from afflux.runtime.status_writer import status_of
from afflux.runtime.triggers import Triggers

T = TypeVar("T")

GRACE = 10.0
"""Seconds that running reconciles get to end when the process stops, as Flux's controllers give them."""

_TROUBLE = Backoff(initial=0.5, maximum=60.0)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True, kw_only=True)
class Settings:
    """What differs between installations. ``selection`` narrows what is watched (a namespace, a shard's labels)."""

    selection: Selection = EVERYTHING
    jitter: float = 0.05
    grace: Callable[[], float] = lambda: GRACE
    """Seconds that running reconciles get to end, asked when the time has come."""
    clock: Callable[[], datetime] = _utc_now


class Controller(Generic[T]):
    """Reconciles the objects of one kind. ``indexes`` name functions from the decoded object to strings."""

    def __init__(
        self,
        kind: FluxKind,
        reconciler: Reconciler[T],
        rules: Rules[T],
        *,
        client: KubeClient,
        concurrency: int = 4,
        dependencies: tuple[Dependency, ...] = (),
        indexes: Mapping[str, Callable[[T], Iterable[str]]] | None = None,
    ) -> None:
        self.kind = kind
        self.reconciler = reconciler
        self.rules = rules
        self.client = client
        self.concurrency = concurrency
        self.dependencies = dependencies
        self.indexes = dict(indexes or {})

    def index_values(self, manifest: Manifest) -> dict[str, Iterable[str]]:
        """What an object is found by. Raises ``InvalidObject``."""
        decoded = cast(T, decode(self.kind, manifest))
        return {name: values(decoded) for name, values in self.indexes.items()}

    def start(
        self, informers: Informers, triggers: Triggers, metrics: Metrics, settings: Settings
    ) -> "RunningController":
        """Wire the controller up: from now on changes put keys into its queue. Its workers start with ``run``."""
        informer = informers.own(self.client, self.kind.gvk, settings.selection, self.index_values)
        log = controller_logger(self.rules.controller, self.kind.group, self.kind.kind)
        recorder = EventRecorder(self.client, self.rules.controller, self.rules.annotation_prefix, settings.clock)
        watched = {one: informers.shared(self.client, one.gvk, one.selection) for one in self.dependencies}
        runner = Runner(
            kind=self.kind,
            reconciler=self.reconciler,
            rules=self.rules,
            client=self.client,
            informer=informer,
            recorder=recorder,
            metrics=metrics,
            log=log,
            clock=settings.clock,
            known=_Watched(informer, {one.gvk: found for one, found in watched.items() if one.selection == EVERYTHING}),
            jitter=settings.jitter,
        )
        name = self.kind.kind.lower()
        queue = WorkQueue(on_add=metrics.queue_adds.labels(name, name).inc)
        metrics.queues.queues[name] = (queue, self.concurrency)
        running = RunningController(name, queue, runner, metrics, self.concurrency, settings.grace)
        triggers.register(self.kind.kind, queue.add)
        informer.subscribe(running.receive)
        for dependency, found in watched.items():
            found.subscribe(_waker(dependency, informer, queue))
        return running


@dataclass(frozen=True, slots=True)
class _Watched:
    """What a controller's informers know: its own objects, and those of kinds that it watches whole."""

    own: Informer
    informers: Mapping[GroupVersionKind, Informer]

    def get(self, gvk: GroupVersionKind, key: ObjectRef) -> Manifest | None:
        informer = self.informers.get(gvk)
        return None if informer is None else informer.get(key)

    def indexed(self, index: str, value: str) -> list[Manifest]:
        return self.own.indexed(index, value)


def _waker(
    dependency: Dependency, own: Informer, queue: WorkQueue
) -> Callable[[Manifest | None, Manifest | None], None]:
    def wake(old: Manifest | None, new: Manifest | None) -> None:
        present = new if new is not None else old
        if present is not None and dependency.changed(old, new):
            for key in dependency.keys_of(present, own):
                queue.add(key, dependency.cause)

    return wake


@dataclass(slots=True)
class RunningController:
    """A controller's queue and workers."""

    name: str
    queue: WorkQueue
    runner: Runner[Json]
    metrics: Metrics
    concurrency: int
    grace: Callable[[], float]
    _troubles: dict[ObjectRef, int] = field(default_factory=dict, init=False)
    _held: set["asyncio.Task[None]"] = field(default_factory=set, init=False)
    """Workers that begin nothing because the API server is away."""

    def receive(self, old: Manifest | None, new: Manifest | None) -> None:
        """A change of one of our own objects; edits of labels, annotations or status alone are nobody's business."""
        present = new if new is not None else old
        if present is None:
            return
        key = ref_of(present)
        if new is None:
            self.queue.unschedule(key)
            self.queue.add(key, Cause.GENERATION)
            return
        for cause in causes_of(old, new):
            self.queue.add(key, cause)

    async def run(self) -> None:
        """Work until cancelled; then running reconciles get their grace."""
        recorder = asyncio.create_task(self.runner.recorder.run())
        workers = [asyncio.create_task(self._work()) for _ in range(self.concurrency)]
        try:
            ended, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            for worker in ended:
                worker.result()
        except asyncio.CancelledError:
            self.queue.close()
            for worker in self._held:
                worker.cancel()
            _, late = await asyncio.wait(workers, timeout=self.grace())
            for worker in late:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            try:
                await asyncio.wait_for(self.runner.recorder.flushed(), timeout=2.0)
            except TimeoutError:
                pass
            raise
        finally:
            recorder.cancel()
            await self.runner.reconciler.close()

    async def _work(self) -> None:
        while True:
            await self._until_served()
            work = await self.queue.take()
            if work is None:
                return
            began = self.queue.clock()
            self.metrics.queue_duration.labels(self.name, self.name).observe(work.waited)
            try:
                await self._run(work)
            finally:
                self.queue.done(work.key)
                self.metrics.work_duration.labels(self.name, self.name).observe(self.queue.clock() - began)

    async def _until_served(self) -> None:
        """Nothing is begun while the API server is away, nor before it is known what it says when it is back."""
        worker = asyncio.current_task()
        assert worker is not None
        self._held.add(worker)
        try:
            await self.runner.client.presence.until_back()
            await self.runner.informer.until_current()
        finally:
            self._held.discard(worker)

    async def _run(self, work: Work) -> None:
        """Run one key. Whatever goes wrong here is that key's alone, and is tried again."""
        try:
            requeue = await self.runner.run(work.key, work.causes)
        except KubeError as error:
            self._retry(work, str(error))
        except Exception as error:
            self._retry(work, f"internal error: {type(error).__name__}: {error}")
            self.runner.log.debug("runtime defect", stacktrace="".join(traceback.format_exception(error)))
        else:
            self._troubles.pop(work.key, None)
            if requeue is not None:
                if requeue.cause is Cause.RETRY:
                    self.metrics.queue_retries.labels(self.name, self.name).inc()
                self.queue.schedule(work.key, requeue.after, requeue.cause)

    def _retry(self, work: Work, error: str) -> None:
        self._troubles[work.key] = self._troubles.get(work.key, 0) + 1
        after = _TROUBLE.after(self._troubles[work.key])
        log = self.runner.log.bind(namespace=work.key.namespace, name=work.key.name)
        log.error("Reconciler error", error=error)
        self.metrics.queue_retries.labels(self.name, self.name).inc()
        self.queue.schedule(work.key, after, *work.causes)


def causes_of(old: Manifest | None, new: Manifest) -> list[Cause]:
    """Why an object is to be run after it changed from ``old`` to ``new``; none for edits that don't matter."""
    metadata, status = metadata_of(new), status_of(new)
    request = annotations_of(new).get(REQUESTED_AT)
    if old is None:
        causes = [Cause.START]
        causes += [Cause.GENERATION] if metadata.get("generation") != status.get("observedGeneration") else []
        causes += [Cause.REQUEST] if request and request != status.get("lastHandledReconcileAt") else []
        return causes
    before = metadata_of(old)
    changed = any(before.get(name) != metadata.get(name) for name in ("uid", "generation", "deletionTimestamp"))
    causes = [Cause.GENERATION] if changed else []
    if not is_newer(old, new):  # restored from a backup: what was done since is undone, and not only here
        causes.append(Cause.START)
    return causes + ([Cause.REQUEST] if request and request != annotations_of(old).get(REQUESTED_AT) else [])
