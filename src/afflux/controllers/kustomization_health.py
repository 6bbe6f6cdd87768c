"""Waiting for health as state: what a Kustomization waits for, since when, and what follows.

Nobody holds a worker meanwhile. The wait belongs to one revision, generation and request: when one of them is another,
it is over at once, whatever it waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from afflux.api.kustomization import Kustomization
from afflux.api.reasons import HEALTH_CHECK_FAILED, PROGRESSING, SUCCEEDED
from afflux.apply.changes import ChangeSet
from afflux.apply.health import (
    Assess,
    Statuses,
    Verdict,
    Watched,
    applied_objects,
    referenced_objects,
    verdict,
)
from afflux.apply.health_tracker import HealthTracker
from afflux.kube.client import KubeClient
from afflux.kube.errors import KubeError
from afflux.lang.duration import format_duration
from afflux.manifests.readiness import Readiness
from afflux.objects.identity import ObjectRef
from afflux.objects.manifest import Json, Manifest
from afflux.runtime.conditions import condition_of
from afflux.runtime.ends import NotReady, Waiting
from afflux.runtime.reconciler import Run

HEALTHY = "Healthy"


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a wait is about."""

    revision: str
    generation: int
    requested_at: str


@dataclass(frozen=True, slots=True)
class HealthWait:
    """A wait under way. ``began``: when the run did that led to it. ``news``: whether passing is worth an event.
    ``digest``: of what was built. ``fields``: of status, as that run had set them, where they aren't written yet."""

    occasion: Occasion
    began: datetime
    started: datetime
    timeout: float
    digest: str
    news: bool
    fields: Mapping[str, Json] = field(default_factory=dict)

    def seconds_left(self, now: datetime) -> float:
        return self.timeout - (now - self.started).total_seconds()

    def lasted(self, now: datetime) -> str:
        """The time since the start, as Go prints it."""
        return format_duration((now - self.started).total_seconds())


class HealthWaits:
    """All waits of this process, by Kustomization."""

    def __init__(self, tracker: HealthTracker) -> None:
        self._tracker = tracker
        self._waits: dict[ObjectRef, HealthWait] = {}

    def resumable(self, key: ObjectRef, occasion: Occasion) -> HealthWait | None:
        """The wait that a run only has to look after; None where something is new."""
        wait = self._waits.get(key)
        return wait if wait is not None and wait.occasion == occasion else None

    def forget(self, key: ObjectRef) -> None:
        """No more waiting for this Kustomization."""
        self._waits.pop(key, None)
        self._tracker.forget(key)

    async def begin(
        self,
        key: ObjectRef,
        wait: HealthWait,
        client: KubeClient,
        objects: list[tuple[Watched, Manifest | None]],
        assess: Assess,
        bell: Callable[[], None],
    ) -> Verdict:
        """The verdict on what is known already; starts to watch the rest where it isn't final."""
        statuses = {watched: await _first_look(watched, live, assess) for watched, live in objects}
        first = verdict(statuses, timed_out=False)
        if first.state == "pending":
            unready = {watched: one for watched, one in statuses.items() if one.status != "Current"}
            self._waits[key] = wait
            self._tracker.expect(key, client, unready, assess, bell)
        return first

    def look(self, key: ObjectRef, wait: HealthWait, now: datetime) -> Verdict:
        """The verdict as it is now."""
        statuses: Statuses = self._tracker.statuses(key) or {}
        return verdict(statuses, timed_out=wait.seconds_left(now) <= 0)


async def _first_look(watched: Watched, live: Manifest | None, assess: Assess) -> Readiness:
    if live is None:
        return Readiness("Unknown", "")
    status = watched.judged(live, assess)
    return status if isinstance(status, Readiness) else await status


async def objects_to_check(
    client: KubeClient, kustomization: Kustomization, key: ObjectRef, changes: ChangeSet
) -> list[tuple[Watched, Manifest | None]]:
    """What has to be healthy, with its last known state: everything applied (``wait``), else what ``healthChecks``
    names."""
    applied = applied_objects(changes, except_for=key)
    if kustomization.spec.wait:
        return applied
    references = [
        {"apiVersion": one.api_version, "kind": one.kind, "namespace": one.namespace, "name": one.name}
        for one in kustomization.spec.health_checks
    ]
    ours = {watched.ref: (watched, live) for watched, live in applied}
    named = [watched for watched in referenced_objects(references) if watched.ref != key]
    foreign = [watched for watched in named if watched.ref not in ours]
    states = await asyncio.gather(*(_state(client, watched) for watched in foreign))
    return [ours[watched.ref] for watched in named if watched.ref in ours] + list(zip(foreign, states, strict=True))


async def _state(client: KubeClient, watched: Watched) -> Manifest | None:
    """An object as it is; None where it can't be seen, which the watch will tell more of."""
    try:
        return await client.get(watched.target)
    except KubeError:
        return None


def is_news(status: Manifest, *, new_revision: bool, drifted: bool) -> bool:
    """Whether a passed check is worth an event: it wasn't so before, or it is about something new."""
    return not _is_true(status) or (new_revision and drifted)


def _is_true(status: Manifest) -> bool:
    condition = condition_of(status, HEALTHY)
    return condition is not None and condition.get("status") == "True"


def still_waiting(run: Run[Kustomization], wait: HealthWait) -> Waiting:
    """The end of a run that leaves the wait to the watches."""
    timeout = format_duration(wait.timeout)
    progress = f"Running health checks for revision {wait.occasion.revision} with a timeout of {timeout}"
    run.fact(HEALTHY, "Unknown", PROGRESSING, progress)
    return Waiting(
        on="health",
        reason=PROGRESSING,
        message="Reconciliation in progress",
        check_in=max(0.0, wait.seconds_left(run.clock())),
        ready="Unknown",
        progress=progress,
    )


def passed(run: Run[Kustomization], wait: HealthWait) -> None:
    """Records that all is well, and tells where that is news."""
    if not wait.news and _is_true(run.manifest.get("status") or {}):
        return
    message = f"Health check passed in {wait.lasted(run.clock())}"
    run.fact(HEALTHY, "True", SUCCEEDED, message)
    if wait.news:
        run.event("info", PROGRESSING, message)


def failed(run: Run[Kustomization], wait: HealthWait, why: str) -> NotReady:
    """The failure of the run, with Flux's texts."""
    run.fact(HEALTHY, "False", HEALTH_CHECK_FAILED, why)
    return NotReady(HEALTH_CHECK_FAILED, f"health check failed after {wait.lasted(run.clock())}: {why}")
