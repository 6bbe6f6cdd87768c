"""CronJobs: what they have running, and Jobs on schedule where somebody asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from afflux.controlplane.simulation.decisions import (
    Create,
    Decision,
    Moment,
    Remove,
    controller_reference,
    is_going,
    seconds_of,
)
from afflux.controlplane.simulation.faults import ON_SCHEDULE, inherited
from afflux.controlplane.simulation.jobs import finished_at
from afflux.lang.cron import InvalidSchedule, Schedule, parse_schedule
from afflux.objects.manifest import Manifest, annotations_of

_SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_MISSED = 100
"""So many due times in a row are looked through before the present one is taken instead, as on a real server."""


def decide(cron_job: Manifest, jobs: Sequence[Manifest], now: Moment) -> Decision:
    """Note the Jobs that run, forget old ones, and start one that is due."""
    decision = Decision()
    if is_going(cron_job):
        return decision
    status = dict(cron_job.get("status") or {})
    active = [job for job in jobs if finished_at(job) is None and not is_going(job)]
    _forget_history(decision, cron_job, jobs)
    due = _due(decision, cron_job, now)
    if due is not None:
        policy = cron_job["spec"].get("concurrencyPolicy", "Allow")
        if policy == "Replace":
            decision.writes.extend(Remove(job) for job in active)
            active = []
        if policy != "Forbid" or not active:
            decision.writes.append(Create(_job(cron_job, due)))
            status["lastScheduleTime"] = _text(due)
    references = [_reference(job, status.get("active") or ()) for job in active]
    status.pop("active", None)
    ends = [job["status"]["completionTime"] for job in jobs if (job.get("status") or {}).get("completionTime")]
    if ends:
        status["lastSuccessfulTime"] = max(ends)
    decision.status(cron_job, {**status, **({"active": references} if references else {})})
    return decision


def _reference(job: Manifest, known: Sequence[Manifest]) -> Manifest:
    metadata = job["metadata"]
    found = next((entry for entry in known if entry.get("uid") == metadata["uid"]), None)
    return found or {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "resourceVersion": metadata["resourceVersion"],
        "uid": metadata["uid"],
    }


def _forget_history(decision: Decision, cron_job: Manifest, jobs: Sequence[Manifest]) -> None:
    """Finished Jobs beyond the limits go, the oldest first."""
    spec = cron_job["spec"]
    finished = [job for job in jobs if finished_at(job) is not None and not is_going(job)]
    finished.sort(key=lambda job: (seconds_of(job["metadata"].get("creationTimestamp")), job["metadata"]["name"]))
    limits = int(spec.get("successfulJobsHistoryLimit", 3)), int(spec.get("failedJobsHistoryLimit", 1))
    good = [job for job in finished if (job.get("status") or {}).get("completionTime")]
    bad = [job for job in finished if job not in good]
    for kept, limit in zip((good, bad), limits, strict=True):
        decision.writes.extend(Remove(job) for job in kept[: max(len(kept) - limit, 0)])


def _due(decision: Decision, cron_job: Manifest, now: Moment) -> datetime | None:
    """The time for which a Job must be started just now; asks to look again at the next one."""
    spec = cron_job["spec"]
    if annotations_of(cron_job).get(ON_SCHEDULE) != "true" or spec.get("suspend"):
        return None
    try:
        schedule = parse_schedule(str(spec.get("schedule")))
        zone = ZoneInfo(spec["timeZone"]) if spec.get("timeZone") else UTC
    except (InvalidSchedule, ZoneInfoNotFoundError, ValueError, OSError):
        return None
    last = (cron_job.get("status") or {}).get("lastScheduleTime") or cron_job["metadata"].get("creationTimestamp")
    present = datetime.fromtimestamp(now.seconds, zone)
    found, following = _newest(schedule, datetime.fromtimestamp(seconds_of(last), zone), present)
    if following is not None:
        decision.look_again(max((following - present).total_seconds(), 0.01))
    deadline = spec.get("startingDeadlineSeconds")
    late = found is not None and deadline is not None and (present - found).total_seconds() > int(deadline)
    return None if late else found


def _newest(schedule: Schedule, last: datetime, present: datetime) -> tuple[datetime | None, datetime | None]:
    """The newest due time since the last one, and the next."""
    found, due = None, schedule.after(last)
    for _ in range(_MISSED):
        if due is None or due > present:
            return found, due
        found, due = due, schedule.after(due)
    return present.replace(microsecond=0), schedule.after(present)


def _job(cron_job: Manifest, due: datetime) -> Manifest:
    metadata, template = cron_job["metadata"], cron_job["spec"]["jobTemplate"]
    given = template.get("metadata") or {}
    switches = {name: value for name, value in inherited(cron_job).items() if name != ON_SCHEDULE}
    scheduled = {_SCHEDULED: due.isoformat().replace("+00:00", "Z")}
    own: Manifest = {
        "name": f"{metadata['name']}-{int(due.timestamp()) // 60}",
        "namespace": metadata["namespace"],
        "annotations": {**switches, **(given.get("annotations") or {}), **scheduled},
        "ownerReferences": [controller_reference(cron_job)],
    }
    if given.get("labels"):
        own["labels"] = given["labels"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": own, "spec": template["spec"]}


def _text(due: datetime) -> str:
    return due.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
