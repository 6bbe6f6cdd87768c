"""A Deployment's status: counters, and the conditions Available and Progressing."""

from __future__ import annotations

from afflux.controlplane.simulation.decisions import (
    Decision,
    Moment,
    counter,
    nonzero,
    replicas_of,
    seconds_of,
)
from afflux.controlplane.simulation.faults import FAIL
from afflux.controlplane.simulation.rollouts import REVISION, Rollout
from afflux.objects.manifest import Manifest, annotations_of


def decide_status(decision: Decision, rollout: Rollout, now: Moment) -> None:
    """Tell the status as the real controller would; asks to look again when the progress deadline ends."""
    deployment = rollout.deployment
    before: Manifest = deployment.get("status") or {}
    counters = _counters(rollout)
    conditions = {entry["type"]: entry for entry in before.get("conditions") or ()}
    _note(conditions, _available(rollout, counters), now)
    progressing = _progressing(rollout, counters, conditions.get("Progressing"), now)
    if progressing is not None:
        _note(conditions, progressing, now)
    _await_deadline(decision, rollout, conditions.get("Progressing"), now)
    status = {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        **nonzero(counters.items()),
        "terminatingReplicas": sum(counter(each, "terminatingReplicas") for each in rollout.all_sets),
        "conditions": list(conditions.values()),
    }
    if before.get("collisionCount"):
        status["collisionCount"] = before["collisionCount"]
    paused = bool(deployment["spec"].get("paused"))
    noted = {REVISION: str(rollout.revision)} if rollout.current is not None and not paused else {}
    decision.status(deployment, status, noted)


def _counters(rollout: Rollout) -> dict[str, int]:
    sets = rollout.all_sets
    available = sum(counter(each, "availableReplicas") for each in sets)
    wanted = sum(replicas_of(each) for each in sets)
    return {
        "replicas": sum(counter(each, "replicas") for each in sets),
        "updatedReplicas": counter(rollout.current, "replicas") if rollout.current is not None else 0,
        "readyReplicas": sum(counter(each, "readyReplicas") for each in sets),
        "availableReplicas": available,
        "unavailableReplicas": max(wanted - available, 0),
    }


def _note(conditions: dict[str, Manifest], entry: Manifest, now: Moment) -> None:
    """Put a condition in its place; its times move only when it says something new."""
    before = conditions.get(entry["type"])
    fresh = entry.pop("fresh", False)
    if before is not None and not fresh:
        same = all(before.get(name) == entry[name] for name in ("status", "reason"))
        if same and before.get("message") == entry["message"]:
            return
    kept = before is not None and before.get("status") == entry["status"]
    transition = before["lastTransitionTime"] if kept and before is not None else now.text
    conditions[entry["type"]] = {**entry, "lastUpdateTime": now.text, "lastTransitionTime": transition}


def _condition(kind: str, status: str, reason: str, message: str) -> Manifest:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _available(rollout: Rollout, counters: dict[str, int]) -> Manifest:
    if counters["availableReplicas"] >= rollout.replicas - rollout.max_unavailable:
        return _condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    text = "Deployment does not have minimum availability."
    return _condition("Available", "False", "MinimumReplicasUnavailable", text)


def _progressing(rollout: Rollout, counters: dict[str, int], before: Manifest | None, now: Moment) -> Manifest | None:
    """The Progressing condition; None where it stays as it is."""
    deployment, current = rollout.deployment, rollout.current
    if deployment["spec"].get("paused"):
        return _condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    if deadline is None:
        return None
    if current is None:
        return None
    name, reason = current["metadata"]["name"], (before or {}).get("reason")
    settled = counters["replicas"] == counters["updatedReplicas"] and reason == "NewReplicaSetAvailable"
    if settled and name in str((before or {}).get("message")):
        return None
    if _complete(rollout, counters):
        return _condition(
            "Progressing", "True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.'
        )
    if before is None:
        return _condition("Progressing", "True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
    if _moved(rollout, counters) or name not in str(before.get("message")):
        entry = _condition("Progressing", "True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
        return {**entry, "fresh": True}
    if _overdue(rollout, before, now) <= 0:
        return _condition(
            "Progressing", "False", "ProgressDeadlineExceeded", f'ReplicaSet "{name}" has timed out progressing.'
        )
    return None


def _complete(rollout: Rollout, counters: dict[str, int]) -> bool:
    wanted = ("replicas", "updatedReplicas", "availableReplicas")
    return all(counters[name] == rollout.replicas for name in wanted)


def _moved(rollout: Rollout, counters: dict[str, int]) -> bool:
    """Whether anything got better since the last status."""
    deployment = rollout.deployment
    old_before = counter(deployment, "replicas") - counter(deployment, "updatedReplicas")
    return (
        counters["updatedReplicas"] > counter(deployment, "updatedReplicas")
        or counters["replicas"] - counters["updatedReplicas"] < old_before
        or counters["readyReplicas"] > counter(deployment, "readyReplicas")
        or counters["availableReplicas"] > counter(deployment, "availableReplicas")
    )


def _overdue(rollout: Rollout, progressing: Manifest, now: Moment) -> float:
    """Seconds that are left until the deadline; none when the user asked for it to pass."""
    if annotations_of(rollout.deployment).get(FAIL) == "progress-deadline":
        return 0.0
    deadline = float(rollout.deployment["spec"]["progressDeadlineSeconds"])
    return seconds_of(progressing.get("lastUpdateTime")) + deadline - now.seconds


def _await_deadline(decision: Decision, rollout: Rollout, progressing: Manifest | None, now: Moment) -> None:
    if progressing is None or progressing.get("status") != "True":
        return
    if progressing.get("reason") == "NewReplicaSetAvailable" or rollout.deployment["spec"].get("paused"):
        return
    if rollout.deployment["spec"].get("progressDeadlineSeconds") is not None:
        # A second more, as times in objects are whole seconds.
        decision.look_again(max(_overdue(rollout, progressing, now), 0) + 1)
