"""Jobs: Pods that run to their end, counted until there are enough or too many failures."""

from __future__ import annotations

from collections.abc import Sequence

from afflux.controlplane.simulation.decisions import (
    Create,
    Decision,
    Moment,
    Remove,
    is_going,
    merged_conditions,
    nonzero,
    seconds_of,
)
from afflux.controlplane.simulation.faults import FAIL
from afflux.controlplane.simulation.pods import is_active, is_ready
from afflux.controlplane.simulation.templates import pod_from
from afflux.objects.manifest import Manifest, annotations_of

_INDEX = "batch.kubernetes.io/job-completion-index"
_FINISHED = ("Complete", "Failed")


def decide(job: Manifest, pods: Sequence[Manifest], now: Moment) -> Decision:
    """Start Pods, count them, and say when the Job is complete, failed or suspended."""
    decision = Decision()
    if is_going(job):
        return decision
    if finished_at(job) is not None:
        _expire(decision, job, now)
        return decision
    tally = _Tally(job, pods)
    verdict = _verdict(decision, job, tally, now)
    if verdict or job["spec"].get("suspend"):
        decision.writes.extend(Remove(pod) for pod in tally.active)
    else:
        _start(decision, job, tally)
    decision.status(job, _status(job, tally, verdict, now))
    return decision


class _Tally:
    """A Job's Pods, counted."""

    def __init__(self, job: Manifest, pods: Sequence[Manifest]) -> None:
        spec = job["spec"]
        phases = [(pod.get("status") or {}).get("phase") for pod in pods]
        before = job.get("status") or {}
        self.pods = pods
        self.active = [pod for pod in pods if is_active(pod)]
        self.ready = sum(is_ready(pod) for pod in self.active)
        self.succeeded = max(phases.count("Succeeded"), int(before.get("succeeded") or 0))
        self.failed = max(phases.count("Failed"), int(before.get("failed") or 0))
        self.parallelism = int(spec.get("parallelism", 1))
        completions = spec.get("completions")
        self.wanted = int(completions) if completions is not None else 1
        self.stuck = any(_is_stuck(pod) for pod in self.active)


def _is_stuck(pod: Manifest) -> bool:
    """A Pod that will never run: a simulated Job doesn't wait for it."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    reasons = [((one.get("state") or {}).get("waiting") or {}).get("reason") for one in statuses]
    return any(reason in ("ImagePullBackOff", "CrashLoopBackOff") for reason in reasons)


def finished_at(job: Manifest) -> str | None:
    """Since when the Job is complete or failed (RFC 3339); None while it isn't."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition.get("type") in _FINISHED and condition.get("status") == "True":
            return str(condition.get("lastTransitionTime") or "")
    return None


def _expire(decision: Decision, job: Manifest, now: Moment) -> None:
    seconds = job["spec"].get("ttlSecondsAfterFinished")
    if seconds is None:
        return
    left = seconds_of(finished_at(job)) + seconds - now.seconds
    if left <= 0:
        decision.writes.append(Remove(job))
    else:
        decision.look_again(left)


def _verdict(decision: Decision, job: Manifest, tally: _Tally, now: Moment) -> tuple[str, str, str] | None:
    """Condition, reason and message with which the Job ends; None while it goes on."""
    spec = job["spec"]
    if tally.succeeded >= tally.wanted:
        return "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
    told_to_fail = annotations_of(job).get(FAIL) == "job-failed" and bool(tally.pods)
    if tally.failed > int(spec.get("backoffLimit", 6)) or tally.stuck or told_to_fail:
        return "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    deadline, started = spec.get("activeDeadlineSeconds"), (job.get("status") or {}).get("startTime")
    if deadline is not None and started:
        left = seconds_of(started) + deadline - now.seconds
        if left <= 0:
            return "Failed", "DeadlineExceeded", "Job was active longer than specified deadline"
        decision.look_again(left)
    return None


def _start(decision: Decision, job: Manifest, tally: _Tally) -> None:
    spec, name = job["spec"], job["metadata"]["name"]
    missing = min(tally.parallelism, tally.wanted - tally.succeeded) - len(tally.active)
    if spec.get("completionMode") != "Indexed":
        for _ in range(missing):
            decision.writes.append(Create(pod_from(job, spec["template"], generateName=f"{name}-")))
        return
    for index in _free_indexes(tally)[: max(missing, 0)]:
        template = _indexed(spec["template"], name, index)
        pod = pod_from(job, template, {_INDEX: str(index)}, generateName=f"{name}-{index}-")
        decision.writes.append(Create(pod))


def _free_indexes(tally: _Tally) -> list[int]:
    busy = {
        annotations_of(pod).get(_INDEX)
        for pod in tally.pods
        if is_active(pod) or (pod.get("status") or {}).get("phase") == "Succeeded"
    }
    return [index for index in range(tally.wanted) if str(index) not in busy]


def _indexed(template: Manifest, name: str, index: int) -> Manifest:
    metadata = template.get("metadata") or {}
    annotations = {**(metadata.get("annotations") or {}), _INDEX: str(index)}
    spec = {**template["spec"], "hostname": f"{name}-{index}"}
    return {**template, "metadata": {**metadata, "annotations": annotations}, "spec": spec}


def _status(job: Manifest, tally: _Tally, verdict: tuple[str, str, str] | None, now: Moment) -> Manifest:
    before = job.get("status") or {}
    suspended = bool(job["spec"].get("suspend"))
    active = 0 if verdict or suspended else len(tally.active)
    status: Manifest = {
        **nonzero((("active", active), ("succeeded", tally.succeeded), ("failed", tally.failed))),
        "ready": 0 if verdict or suspended else tally.ready,
        "terminating": 0,
        "uncountedTerminatedPods": {},
    }
    if not suspended:
        status["startTime"] = before.get("startTime") or now.text
    conditions = _conditions(verdict, suspended, before)
    if conditions or before.get("conditions"):
        status["conditions"] = merged_conditions(before.get("conditions") or (), conditions, now)
    if verdict and verdict[0] == "Complete":
        status["completionTime"] = now.text
    if verdict and verdict[0] == "Failed" and not tally.failed:
        status["failed"] = int(job["spec"].get("backoffLimit", 6)) + 1
    return status


def _conditions(verdict: tuple[str, str, str] | None, suspended: bool, before: Manifest) -> list[Manifest]:
    if verdict is not None:
        kind, reason, message = verdict
        first = "SuccessCriteriaMet" if kind == "Complete" else "FailureTarget"
        return [_condition(each, "True", reason, message) for each in (first, kind)]
    if suspended:
        return [_condition("Suspended", "True", "JobSuspended", "Job suspended")]
    if any(entry.get("type") == "Suspended" for entry in before.get("conditions") or ()):
        return [_condition("Suspended", "False", "JobResumed", "Job resumed")]
    return []


def _condition(kind: str, status: str, reason: str, message: str) -> Manifest:
    return {"type": kind, "status": status, "reason": reason, "message": message}
