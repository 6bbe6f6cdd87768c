"""Whether what was applied works: the verdict on a set of objects, in Flux's words. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from afflux.apply.changes import Action, Change, ChangeSet
from afflux.kube.client import Target
from afflux.manifests.readiness import Readiness
from afflux.objects.identity import GroupVersionKind, ObjectRef
from afflux.objects.manifest import Json, Manifest, metadata_of

Assess: TypeAlias = Callable[[Manifest], Readiness | Awaitable[Readiness]]
"""How the readiness of an object is judged: by the kind's rule at once, by the user's expressions in a worker."""


@dataclass(frozen=True, slots=True)
class Watched:
    """An object whose health matters.

    ``owned``: it carries the owner's labels, so that one watch a kind shows it. ``uid`` and ``generation`` are those
    that were applied: an older state of the same object says nothing. ``may_vanish``: a Job that deletes itself when
    it is done counts as ready when it is gone. ``version``: the resourceVersion that its last known state has.
    """

    target: Target
    owned: bool = True
    uid: str = ""
    generation: int = 0
    may_vanish: bool = False
    version: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.target.namespace, self.target.name

    @property
    def ref(self) -> ObjectRef:
        gvk = self.target.gvk
        return ObjectRef(gvk.group, gvk.kind, self.target.namespace, self.target.name)

    def judged(self, live: Manifest | None, assess: Assess) -> Readiness | Awaitable[Readiness]:
        """What a state of the object means; None is its absence."""
        if live is None:
            return _VANISHED if self.may_vanish else _ABSENT
        metadata = metadata_of(live)
        stale = metadata.get("uid") == self.uid and int(metadata.get("generation") or 0) < self.generation
        return _OLD if stale else assess(live)


_ABSENT = Readiness("NotFound", "Resource not found")
_VANISHED = Readiness("Current", "the Job was deleted after it finished")
_OLD = Readiness("InProgress", "the change is not visible yet")

Statuses: TypeAlias = Mapping[Watched, Readiness]


@dataclass(frozen=True, slots=True)
class Verdict:
    """``pending`` may still become one of the others; ``message`` is Flux's text of a failure, then the reasons."""

    state: Literal["healthy", "failed", "pending"]
    message: str = ""


HEALTHY = Verdict("healthy")
PENDING = Verdict("pending")


def verdict(statuses: Statuses, *, timed_out: bool, fail_fast: bool = True) -> Verdict:
    """The verdict on a set of objects as they are now."""
    unready = {watched: one for watched, one in statuses.items() if one.status != "Current"}
    if not unready:
        return HEALTHY
    if timed_out:
        return Verdict("failed", _complaint("timeout waiting for", unready))
    failed = {watched: one for watched, one in unready.items() if one.status == "Failed"}
    if failed and (fail_fast or len(failed) == len(unready)):
        return Verdict("failed", _complaint("failed early due to stalled resources", failed))
    return PENDING


def _complaint(what: str, unready: Statuses) -> str:
    items = sorted(unready.items(), key=lambda item: item[0].ref.subject)
    listed = ", ".join(f"{watched.ref.subject} status: '{one.status}'" for watched, one in items)
    reasons = [f"{watched.ref.subject}: {one.message}" for watched, one in items if one.message]
    return "\n".join((f"{what}: [{listed}]", *reasons))


def applied_objects(changes: ChangeSet, except_for: ObjectRef) -> list[tuple[Watched, Manifest | None]]:
    """What ``wait`` waits for: all that was applied and not skipped, but not the owner itself; with its last state."""
    return [
        (_watched(change), change.live)
        for change in changes
        if change.action is not Action.SKIPPED and change.ref != except_for
    ]


def _watched(change: Change) -> Watched:
    live = change.live
    metadata = metadata_of(live) if live else {}
    vanishes = change.ref.kind == "Job" and live is not None and "ttlSecondsAfterFinished" in (live.get("spec") or {})
    return Watched(
        change.target,
        uid=str(metadata.get("uid") or ""),
        generation=int(metadata.get("generation") or 0),
        may_vanish=vanishes,
        version=str(metadata.get("resourceVersion") or ""),
    )


def referenced_objects(references: Iterable[Mapping[str, Json]]) -> list[Watched]:
    """What ``spec.healthChecks`` names; an empty apiVersion is read as ``apps/v1``, as Flux does."""
    found = []
    for reference in references:
        group, _, version = (reference.get("apiVersion") or "apps/v1").rpartition("/")
        gvk = GroupVersionKind(group, version, reference["kind"])
        found.append(Watched(Target(gvk, reference.get("namespace") or "", reference["name"]), owned=False))
    return found
