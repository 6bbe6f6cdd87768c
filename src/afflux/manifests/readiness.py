"""How far along an object is, read from its own status, by the rules of kstatus as Flux uses them.

Flux's own rule is the one for Jobs: a Job that still runs is in progress, not current.
"""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from afflux.objects.identity import gvk_of
from afflux.objects.manifest import Json, Manifest, metadata_of

Status = Literal["Current", "InProgress", "Failed", "Terminating", "NotFound", "Unknown"]


class Readiness(NamedTuple):
    """A status and the sentence that explains it."""

    status: Status
    message: str


_Rule = Callable[[Manifest], Readiness | None]


def readiness(manifest: Manifest) -> Readiness:
    """The readiness of a live object. Parts of a status that are malformed count as absent."""
    gvk = gvk_of(manifest)
    rule = _RULES.get((gvk.group, gvk.kind), _by_ready_condition)
    return _generic(manifest) or rule(manifest) or Readiness("Current", "Resource is current")


def _generic(manifest: Manifest) -> Readiness | None:
    """What holds for every kind: deletion, the observed generation, and the two standard conditions."""
    if metadata_of(manifest).get("deletionTimestamp"):
        return Readiness("Terminating", "Resource scheduled for deletion")
    generation = metadata_of(manifest).get("generation")
    observed = _at(manifest, "status", "observedGeneration")
    if generation is not None and observed is not None and generation != observed:
        kind = manifest.get("kind")
        return _waiting(f"{kind} generation is {generation}, but latest observed generation is {observed}")
    for condition in _conditions(manifest):
        if condition.get("status") == "True" and condition.get("type") == "Reconciling":
            return _waiting(_message(condition))
        if condition.get("status") == "True" and condition.get("type") == "Stalled":
            return Readiness("Failed", _message(condition))
    return None


def _by_ready_condition(manifest: Manifest) -> Readiness | None:
    condition = _condition(manifest, "Ready")
    match condition.get("status"):
        case "True":
            return Readiness("Current", "Resource is Ready")
        case "False" | "Unknown":
            return _waiting(_message(condition))
    return None


def _deployment(manifest: Manifest) -> Readiness:
    progressing = _condition(manifest, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Readiness("Failed", "Progress deadline exceeded")
    wanted = _count(manifest, "spec", "replicas", default=1)
    present, updated = _count(manifest, "status", "replicas"), _count(manifest, "status", "updatedReplicas")
    available, ready = _count(manifest, "status", "availableReplicas"), _count(manifest, "status", "readyReplicas")
    behind = (
        _fewer("Replicas", present, wanted)
        or _fewer("Updated", updated, wanted)
        or _extra(present, wanted)
        or _fewer("Available", available, updated)
        or _fewer("Ready", ready, wanted)
    )
    if behind:
        return behind
    rolled_out = progressing.get("status") == "True" and progressing.get("reason") == "NewReplicaSetAvailable"
    if _has_deadline(manifest) and not rolled_out:
        return _waiting("ReplicaSet not Available")
    if _condition(manifest, "Available").get("status") != "True":
        return _waiting("Deployment not Available")
    return Readiness("Current", f"Deployment is available. Replicas: {present}")


def _has_deadline(manifest: Manifest) -> bool:
    """Without a deadline (or with Go's largest one) the controller sets no Progressing condition."""
    return _count(manifest, "spec", "progressDeadlineSeconds", default=_NO_DEADLINE) != _NO_DEADLINE


def _replica_set(manifest: Manifest) -> Readiness:
    if _condition(manifest, "ReplicaFailure").get("status") == "True":
        return _waiting("Replica Failure condition. Check Pods")
    wanted, present = _count(manifest, "spec", "replicas", default=1), _count(manifest, "status", "replicas")
    return (
        _fewer("Labelled", _count(manifest, "status", "fullyLabeledReplicas"), wanted)
        or _fewer("Available", _count(manifest, "status", "availableReplicas"), wanted)
        or _fewer("Ready", _count(manifest, "status", "readyReplicas"), wanted)
        or _extra(present, wanted)
        or Readiness("Current", f"ReplicaSet is available. Replicas: {present}")
    )


def _stateful_set(manifest: Manifest) -> Readiness:
    if _at(manifest, "spec", "updateStrategy", "type") == "OnDelete":
        return Readiness("Current", "StatefulSet is using the ondelete update strategy")
    wanted, present = _count(manifest, "spec", "replicas", default=1), _count(manifest, "status", "replicas")
    behind = (
        _fewer("Replicas", present, wanted)
        or _fewer("Ready", _count(manifest, "status", "readyReplicas"), wanted)
        or _extra(present, wanted)
    )
    if behind:
        return behind
    partition = _count(manifest, "spec", "updateStrategy", "rollingUpdate", "partition", default=-1)
    if partition != -1:
        updated = _count(manifest, "status", "updatedReplicas")
        done = Readiness("Current", f"Partition rollout complete. updated: {updated}")
        return _fewer("updated", updated, wanted - partition) or done
    if behind := _fewer("current", _count(manifest, "status", "currentReplicas"), wanted):
        return behind
    if _at(manifest, "status", "currentRevision") != _at(manifest, "status", "updateRevision"):
        return _waiting("Waiting for updated revision to match current")
    return Readiness("Current", f"All replicas scheduled as expected. Replicas: {present}")


def _daemon_set(manifest: Manifest) -> Readiness:
    if unset := _generation_unset(manifest):
        return unset
    wanted = _count(manifest, "status", "desiredNumberScheduled", default=-1)
    if wanted == -1:
        return _waiting("Missing .status.desiredNumberScheduled")
    return (
        _fewer("Current", _count(manifest, "status", "currentNumberScheduled"), wanted)
        or _fewer("Updated", _count(manifest, "status", "updatedNumberScheduled"), wanted)
        or _fewer("Available", _count(manifest, "status", "numberAvailable"), wanted)
        or _fewer("Ready", _count(manifest, "status", "numberReady"), wanted)
        or Readiness("Current", f"All replicas scheduled as expected. Replicas: {wanted}")
    )


def _disruption_budget(manifest: Manifest) -> Readiness:
    return _generation_unset(manifest) or Readiness("Current", "AllowedDisruptions has been computed.")


def _generation_unset(manifest: Manifest) -> Readiness | None:
    """A controller that has acted sets both, so that for its kinds their absence isn't readiness."""
    for section, name in (("metadata", "generation"), ("status", "observedGeneration")):
        if _at(manifest, section, name) is None:
            return _waiting(f"{manifest.get('kind')} {section}.{name} not found")
    return None


def _claim(manifest: Manifest) -> Readiness:
    phase = _at(manifest, "status", "phase") or "unknown"
    if phase != "Bound":
        return _waiting(f"PVC is not Bound. phase: {phase}")
    return Readiness("Current", "PVC is Bound")


def _pod(manifest: Manifest) -> Readiness:
    match _at(manifest, "status", "phase"):
        case "Succeeded":
            return Readiness("Current", "Pod has completed successfully")
        case "Failed":
            return Readiness("Current", "Pod has completed, but not successfully")
        case "Running":
            return _running_pod(manifest)
        case "Pending":
            scheduled = _condition(manifest, "PodScheduled")
            if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
                return _waiting("Pod has not been scheduled")
            return _waiting("Pod is in the Pending phase")
        case None | "":
            return _waiting("Pod phase not available")
        case phase:
            return Readiness("Unknown", f"unknown phase {phase}")


def _running_pod(manifest: Manifest) -> Readiness:
    if _condition(manifest, "Ready").get("status") == "True":
        return Readiness("Current", "Pod is Ready")
    statuses = [_at(manifest, "status", field) for field in ("initContainerStatuses", "containerStatuses")]
    looping = [
        str(container.get("name"))
        for container in _objects([item for listed in statuses if isinstance(listed, list) for item in listed])
        if _at(container, "state", "waiting", "reason") == "CrashLoopBackOff"
    ]
    if looping:
        return Readiness("Failed", f"Containers in CrashLoop state: {','.join(looping)}")
    return _waiting("Pod is running but is not Ready")


def _job(manifest: Manifest) -> Readiness:
    completions = _count(manifest, "spec", "completions", default=_count(manifest, "spec", "parallelism", default=1))
    for condition in _conditions(manifest):
        match condition.get("type"), condition.get("status"):
            case "Complete", "True":
                succeeded = _count(manifest, "status", "succeeded")
                return Readiness("Current", f"Job Completed. succeeded: {succeeded}/{completions}")
            case "Failed", "True":
                failed = _count(manifest, "status", "failed")
                return Readiness("Failed", f"Job Failed. failed: {failed}/{completions}")
    if _at(manifest, "spec", "suspend") is True:
        return Readiness("Current", "Job is suspended")
    return _waiting("Job in progress")


def _service(manifest: Manifest) -> Readiness:
    if _at(manifest, "spec", "type") == "LoadBalancer":
        if not _at(manifest, "spec", "clusterIP"):
            return _waiting("ClusterIP not set. Service type: LoadBalancer")
        if not _at(manifest, "status", "loadBalancer", "ingress"):
            return _waiting("Ingress not set. Service type: LoadBalancer")
    return Readiness("Current", "Service is ready")


def _custom_resource_definition(manifest: Manifest) -> Readiness:
    for condition in _conditions(manifest):
        match condition.get("type"), condition.get("status"):
            case "NamesAccepted", "False":
                return Readiness("Failed", _message(condition))
            case "Established", "True":
                return Readiness("Current", "CRD is established")
            case "Established", "False" if condition.get("reason") != "Installing":
                return Readiness("Failed", _message(condition))
    return _waiting("Install in progress")


def _always(_: Manifest) -> Readiness:
    return Readiness("Current", "Resource is always ready")


_NO_DEADLINE: Final = 2**31 - 1

_RULES: Final[dict[tuple[str, str], _Rule]] = {
    ("", "ConfigMap"): _always,
    ("", "Secret"): _always,
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("", "PersistentVolumeClaim"): _claim,
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("batch", "CronJob"): _always,
    ("batch", "Job"): _job,
    ("policy", "PodDisruptionBudget"): _disruption_budget,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _custom_resource_definition,
}
"""Kinds whose status predates the standard conditions."""


def _waiting(message: str) -> Readiness:
    return Readiness("InProgress", message)


def _fewer(what: str, count: int, wanted: int) -> Readiness | None:
    return _waiting(f"{what}: {count}/{wanted}") if count < wanted else None


def _extra(present: int, wanted: int) -> Readiness | None:
    return _waiting(f"Pending termination: {present - wanted}") if present > wanted else None


def _at(value: Json, *path: str) -> Json:
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _count(manifest: Manifest, *path: str, default: int = 0) -> int:
    value = _at(manifest, *path)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _objects(value: Json) -> list[dict[str, Json]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _conditions(manifest: Manifest) -> list[dict[str, Json]]:
    return _objects(_at(manifest, "status", "conditions"))


def _condition(manifest: Manifest, type_: str) -> dict[str, Json]:
    """The condition of a type, or an empty dict."""
    return next((condition for condition in _conditions(manifest) if condition.get("type") == type_), {})


def _message(condition: dict[str, Json]) -> str:
    return str(condition.get("message") or "")
