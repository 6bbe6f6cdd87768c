"""The pure steps of the simulation: what they make of images, switches and sizes."""

from __future__ import annotations

from typing import Any

import pytest

from afflux.controlplane.simulation import cron_jobs
from afflux.controlplane.simulation.decisions import Change, Create, Moment, Remove, merge_difference
from afflux.controlplane.simulation.faults import Fate, fate_of, is_bad_image
from afflux.controlplane.simulation.rollouts import read_rollout, target_sizes
from afflux.controlplane.simulation.view import View, place_of


def template(image: str) -> dict[str, Any]:
    return {"metadata": {"labels": {"a": "x"}}, "spec": {"containers": [{"name": "c", "image": image}]}}


@pytest.mark.parametrize(
    ("image", "bad"),
    [
        ("bad", True),
        ("bad:1", True),
        ("registry/bad:1", True),
        ("nginx:bad", True),
        ("nginx-doesnotexist:1", True),
        ("nginx:broken", True),
        ("nginx:bad-1", True),
        ("nginx-bad@sha256:0", True),
        ("doesnotexist/nginx", True),
        ("badge:1", False),
        ("notbad:1", False),
        ("nginx:does-not-exist", False),
        ("broken:1", False),
        ("nginx:broken-2", False),
        ("nginx:1", False),
    ],
)
def test_images_that_cannot_be_pulled(image: str, bad: bool) -> None:
    assert is_bad_image(image) is bad


def test_a_misspelt_switch_changes_nothing() -> None:
    annotations = {"sim.gitops/fail": "sometimes", "sim.gitops/ready-after": "soon"}
    assert fate_of({"metadata": {"annotations": annotations}, "spec": {"containers": []}}) == Fate()


def replica_set(image: str, size: int, available: int, created: int) -> dict[str, Any]:
    return {
        "metadata": {"uid": image, "name": image, "creationTimestamp": f"2026-01-01T00:00:0{created}Z"},
        "spec": {"replicas": size, "template": template(image)},
        "status": {"replicas": size, "availableReplicas": available},
    }


@pytest.mark.parametrize(
    ("replicas", "old", "new", "expected"),
    [
        (4, (4, 4), (0, 0), (3, 1)),
        (4, (3, 3), (1, 0), (3, 2)),
        (4, (3, 3), (2, 2), (1, 2)),
        (4, (4, 0), (1, 0), (3, 1)),
        (1, (1, 1), (1, 0), (1, 1)),
        (1, (1, 1), (1, 1), (0, 1)),
        (2, (5, 5), (0, 0), (2, 0)),
    ],
)
def test_the_sizes_of_a_rolling_update(
    replicas: int, old: tuple[int, int], new: tuple[int, int], expected: tuple[int, int]
) -> None:
    deployment = {
        "metadata": {"name": "d"},
        "spec": {
            "replicas": replicas,
            "template": template("new"),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        },
    }
    rollout = read_rollout(deployment, [replica_set("old", *old, 1), replica_set("new", *new, 2)])
    sizes = target_sizes(rollout)
    assert (sizes["old"], sizes["new"]) == expected


def test_a_difference_is_a_merge_patch() -> None:
    old = {"a": 1, "b": {"c": 1, "d": 2}, "e": [1]}
    assert merge_difference(old, {"b": {"c": 1, "d": 3}, "e": [1, 2]}) == {"a": None, "b": {"d": 3}, "e": [1, 2]}
    assert merge_difference(old, dict(old)) == {}


def seen(version: int, uid: str = "u") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "uid": uid, "resourceVersion": str(version)}}


def test_a_late_watch_does_not_undo_what_was_written() -> None:
    view = View()
    assert view.put(seen(1), watched=True)
    assert view.put(seen(3))
    assert not view.put(seen(2), watched=True)
    view.remove(seen(4))
    assert not view.put(seen(3))


def test_a_cluster_restored_from_a_backup_is_believed() -> None:
    view = View()
    assert view.put(seen(9), watched=True)
    assert view.put(seen(5), watched=True)
    view.remove(seen(10))
    assert view.put(seen(5), watched=True)
    assert view.get(place_of(seen(5))) == seen(5)


def cron_job(switch: str = "true", last: str | None = None, **spec: Any) -> dict[str, Any]:
    job = {"metadata": {"labels": {"a": "x"}}, "spec": {"template": template("i:1")}}
    status = {"lastScheduleTime": last} if last else {}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {
            "name": "nightly",
            "namespace": "ns",
            "uid": "u",
            "creationTimestamp": "2026-01-01T00:00:30Z",
            "annotations": {"sim.gitops/on-schedule": switch, "sim.gitops/fail": "job-failed"},
        },
        "spec": {"schedule": "*/10 * * * *", "jobTemplate": job, **spec},
        "status": status,
    }


def job_of(number: int, ended: str = "") -> dict[str, Any]:
    name = f"nightly-{number}"
    status: dict[str, Any] = {}
    if ended:
        status["conditions"] = [{"type": ended, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    if ended == "Complete":
        status["completionTime"] = f"2026-01-01T00:0{number}:00Z"
    metadata = {"name": name, "namespace": "ns", "uid": name, "resourceVersion": "1"}
    metadata["creationTimestamp"] = f"2026-01-01T00:0{number}:00Z"
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "status": status}


LATER = Moment(1767226200.0 + 60, "2026-01-01T00:11:00Z")


def test_a_job_is_made_when_it_is_due_and_asked_for() -> None:
    decision = cron_jobs.decide(cron_job(), [], LATER)
    made, told = decision.writes
    assert isinstance(made, Create)
    assert made.manifest["metadata"]["name"] == "nightly-29453770"
    assert made.manifest["metadata"]["annotations"] == {
        "sim.gitops/fail": "job-failed",
        "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-01-01T00:10:00Z",
    }
    assert isinstance(told, Change)
    assert told.patch["status"] == {"lastScheduleTime": "2026-01-01T00:10:00Z"}
    assert decision.again_in == pytest.approx(540.0)


@pytest.mark.parametrize(
    ("given", "jobs", "makes"),
    [
        (cron_job("false"), [], 0),
        (cron_job(suspend=True), [], 0),
        (cron_job(last="2026-01-01T00:10:00Z"), [], 0),
        (cron_job(startingDeadlineSeconds=30), [], 0),
        (cron_job(startingDeadlineSeconds=90), [], 1),
        (cron_job(timeZone="Nowhere/Else"), [], 0),
        (cron_job(concurrencyPolicy="Forbid"), [job_of(1)], 0),
        (cron_job(concurrencyPolicy="Forbid"), [job_of(1, "Complete")], 1),
        (cron_job(), [job_of(1)], 1),
    ],
)
def test_whether_a_cron_job_starts_one(given: Any, jobs: Any, makes: int) -> None:
    decision = cron_jobs.decide(given, jobs, LATER)
    assert sum(isinstance(write, Create) for write in decision.writes) == makes


def test_a_replaced_job_goes_and_finished_ones_go_beyond_the_limits() -> None:
    jobs = [job_of(number, "Complete") for number in range(5)] + [job_of(5, "Failed"), job_of(6, "Failed"), job_of(7)]
    decision = cron_jobs.decide(cron_job(concurrencyPolicy="Replace"), jobs, LATER)
    removed = [write.about["metadata"]["name"] for write in decision.writes if isinstance(write, Remove)]
    assert removed == ["nightly-0", "nightly-1", "nightly-5", "nightly-7"]


def test_running_jobs_and_the_last_success_are_told() -> None:
    told = cron_jobs.decide(cron_job("false"), [job_of(1, "Complete"), job_of(2)], LATER).writes[-1]
    assert isinstance(told, Change)
    assert told.patch["status"]["lastSuccessfulTime"] == "2026-01-01T00:01:00Z"
    assert [one["name"] for one in told.patch["status"]["active"]] == ["nightly-2"]
