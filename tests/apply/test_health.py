"""The verdict on what was applied, in Flux's words."""

import asyncio
import time

import pytest

from afflux import offload
from afflux.apply.changes import Action, Change, ChangeSet
from afflux.apply.health import Watched, applied_objects, referenced_objects, verdict
from afflux.apply.health_expressions import Assessor, HealthExpressions
from afflux.kube.client import Target
from afflux.manifests.readiness import Readiness, readiness
from afflux.objects.identity import GroupVersionKind, ObjectRef, ref_of
from afflux.objects.manifest import Json, Manifest

WEB = Watched(Target(GroupVersionKind("apps", "v1", "Deployment"), "apps", "web"), uid="u1", generation=2)
DB = Watched(Target(GroupVersionKind("apps", "v1", "StatefulSet"), "apps", "db"))
READY = Readiness("Current", "")
PROGRESSING = Readiness("InProgress", "Updated: 0/1")
BROKEN = Readiness("Failed", "Progress deadline exceeded")


def config(generation: int = 0, uid: str = "u1", **more: Json) -> Manifest:
    metadata = {"name": "web", "namespace": "apps", "uid": uid, "generation": generation}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **more}


def test_all_ready_is_healthy() -> None:
    assert verdict({WEB: READY, DB: READY}, timed_out=True).state == "healthy"
    assert verdict({}, timed_out=False).state == "healthy"


def test_something_under_way_is_pending() -> None:
    assert verdict({WEB: PROGRESSING, DB: READY}, timed_out=False).state == "pending"


def test_a_failed_object_ends_the_wait_at_once() -> None:
    found = verdict({WEB: BROKEN, DB: PROGRESSING}, timed_out=False)
    assert found.state == "failed"
    assert found.message == (
        "failed early due to stalled resources: [Deployment/apps/web status: 'Failed']\n"
        "Deployment/apps/web: Progress deadline exceeded"
    )


def test_without_failing_fast_a_failure_waits_for_the_others() -> None:
    assert verdict({WEB: BROKEN, DB: PROGRESSING}, timed_out=False, fail_fast=False).state == "pending"
    assert verdict({WEB: BROKEN, DB: READY}, timed_out=False, fail_fast=False).state == "failed"


def test_a_timeout_names_everything_that_is_not_ready() -> None:
    message = verdict({WEB: PROGRESSING, DB: BROKEN}, timed_out=True).message
    assert message.splitlines()[0] == (
        "timeout waiting for: [Deployment/apps/web status: 'InProgress', StatefulSet/apps/db status: 'Failed']"
    )


def test_a_state_from_before_the_apply_says_nothing() -> None:
    assert WEB.judged(config(generation=1), readiness).status == "InProgress"
    assert WEB.judged(config(generation=2), readiness).status == "Current"


def test_a_successor_of_the_same_name_is_judged_by_itself() -> None:
    assert WEB.judged(config(generation=1, uid="u2"), readiness).status == "Current"


def test_an_absent_object_is_not_found_unless_it_may_vanish() -> None:
    assert DB.judged(None, readiness).status == "NotFound"
    job = Watched(Target(GroupVersionKind("batch", "v1", "Job"), "apps", "once"), may_vanish=True)
    assert job.judged(None, readiness).status == "Current"


def test_everything_applied_is_waited_for_but_the_owner_and_what_was_skipped() -> None:
    owner = ObjectRef("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "flux-system")
    live = config(generation=3)
    changes = ChangeSet(
        (
            Change(ref_of(live), "v1", Action.CREATED, live),
            Change(owner, "v1", Action.UNCHANGED),
            Change(ObjectRef("", "Secret", "apps", "s"), "v1", Action.SKIPPED),
        )
    )
    [(watched, state)] = applied_objects(changes, except_for=owner)
    assert (watched.ref, watched.generation, state) == (ref_of(live), 3, live)


def test_a_reference_without_a_version_is_an_apps_v1_kind() -> None:
    [watched] = referenced_objects([{"kind": "Deployment", "namespace": "apps", "name": "web", "apiVersion": ""}])
    assert watched.target == WEB.target


@pytest.mark.parametrize(
    ("phase", "status"), [("up", "Current"), ("down", "Failed"), ("starting", "InProgress"), (None, "InProgress")]
)
async def test_expressions_judge_their_kind(phase: str | None, status: str) -> None:
    assess = Assessor(
        [
            HealthExpressions(
                "example.com/v1", "Database", current="status.phase == 'up'", failed="status.phase == 'down'"
            )
        ]
    )
    database: Manifest = {"apiVersion": "example.com/v1", "kind": "Database", "metadata": {"generation": 1}}
    if phase is not None:
        database["status"] = {"phase": phase, "observedGeneration": 1}
    judging = assess(database)
    assert not isinstance(judging, Readiness)
    assert (await judging).status == status
    assert assess(config()) == Readiness("Current", "Resource is always ready")


async def test_an_expression_that_eats_time_and_memory_costs_only_its_worker() -> None:
    bomb = "metadata.name.replace('a', metadata.name).replace('a', metadata.name).replace('a', metadata.name) == ''"
    assess = Assessor([HealthExpressions("example.com/v1", "Database", current=bomb)])
    database = {"apiVersion": "example.com/v1", "kind": "Database", "metadata": {"name": "a" * 3000}}
    async with offload.WorkerPool(1):
        judging = assess(database)
        assert not isinstance(judging, Readiness)
        judged = await judging
        started = time.monotonic()
        others = await asyncio.gather(*(assess(database) for _ in range(100)))
    assert time.monotonic() - started < 5, "what went on and on for one object is not asked about the next"
    assert set(others) == {judged}
    assert judged.status == "InProgress"
    assert judged.message.startswith("health expression: ")
