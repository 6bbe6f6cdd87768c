"""Pods and what makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from afflux.controlplane.printers.column import (
    NONE,
    UNKNOWN,
    Cells,
    Printer,
    age,
    age_of,
    columns,
    containers_and_images,
    duration,
    labels_text,
    name_of,
    seconds_of,
    selector_text,
    spec_of,
    status_of,
)
from afflux.objects.manifest import Json, Manifest


def _template(manifest: Manifest) -> tuple[str, str]:
    return containers_and_images((spec_of(manifest).get("template") or {}).get("spec"))


def _deployment(deployment: Manifest, now: float) -> list[Json]:
    spec, status = spec_of(deployment), status_of(deployment)
    return [
        name_of(deployment),
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        age_of(deployment, now),
        *_template(deployment),
        selector_text(spec.get("selector")),
    ]


def _replica_set(select: Callable[[Json], str]) -> Cells:
    def cells(replica_set: Manifest, now: float) -> list[Json]:
        spec, status = spec_of(replica_set), status_of(replica_set)
        return [
            name_of(replica_set),
            spec.get("replicas", 0),
            status.get("replicas", 0),
            status.get("readyReplicas", 0),
            age_of(replica_set, now),
            *_template(replica_set),
            select(spec.get("selector")),
        ]

    return cells


def _stateful_set(stateful_set: Manifest, now: float) -> list[Json]:
    ready = status_of(stateful_set).get("readyReplicas", 0)
    wanted = spec_of(stateful_set).get("replicas", 0)
    return [name_of(stateful_set), f"{ready}/{wanted}", age_of(stateful_set, now), *_template(stateful_set)]


def _daemon_set(daemon_set: Manifest, now: float) -> list[Json]:
    spec, status = spec_of(daemon_set), status_of(daemon_set)
    template_spec = (spec.get("template") or {}).get("spec") or {}
    return [
        name_of(daemon_set),
        status.get("desiredNumberScheduled", 0),
        status.get("currentNumberScheduled", 0),
        status.get("numberReady", 0),
        status.get("updatedNumberScheduled", 0),
        status.get("numberAvailable", 0),
        labels_text(template_spec.get("nodeSelector")),
        age_of(daemon_set, now),
        *_template(daemon_set),
        selector_text(spec.get("selector")),
    ]


def _job(job: Manifest, now: float) -> list[Json]:
    spec, status = spec_of(job), status_of(job)
    return [
        name_of(job),
        _job_status(spec, status),
        _completions(spec, status),
        _job_duration(status, now),
        age_of(job, now),
        *_template(job),
        selector_text(spec.get("selector")),
    ]


_JOB_CONDITIONS: Final = (
    ("Complete", "Complete"),
    ("Failed", "Failed"),
    ("Suspended", "Suspended"),
    ("FailureTarget", "FailureTarget"),
    ("SuccessCriteriaMet", "SuccessCriteriaMet"),
)


def _job_status(spec: Manifest, status: Manifest) -> str:
    held = {each.get("type") for each in status.get("conditions") or () if each.get("status") == "True"}
    for condition, word in _JOB_CONDITIONS:
        if condition in held:
            return word
    return "Suspended" if spec.get("suspend") else "Running"


def _completions(spec: Manifest, status: Manifest) -> str:
    done = status.get("succeeded", 0)
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallelism = spec.get("parallelism", 0)
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _job_duration(status: Manifest, now: float) -> str:
    start, end = seconds_of(status.get("startTime")), seconds_of(status.get("completionTime"))
    if start is None:
        return ""
    return duration((now if end is None else end) - start)


def _cron_job(cron_job: Manifest, now: float) -> list[Json]:
    spec, status = spec_of(cron_job), status_of(cron_job)
    last = status.get("lastScheduleTime")
    job_spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    return [
        name_of(cron_job),
        spec.get("schedule", ""),
        spec.get("timeZone") or NONE,
        str(bool(spec.get("suspend"))),
        len(status.get("active") or ()),
        age(last, now) if last else NONE,
        age_of(cron_job, now),
        *containers_and_images((job_spec.get("template") or {}).get("spec")),
        selector_text(job_spec.get("selector")),
    ]


def _pod_template(template: Manifest, now: float) -> list[Json]:
    inner = template.get("template") or {}
    labels = labels_text((inner.get("metadata") or {}).get("labels"))
    return [name_of(template), *containers_and_images(inner.get("spec")), labels]


def _controller_revision(revision: Manifest, now: float) -> list[Json]:
    owner = next((each for each in revision["metadata"].get("ownerReferences") or () if each.get("controller")), None)
    group = owner["apiVersion"].rpartition("/")[0] if owner else ""
    controller = f"{owner['kind'].lower()}{'.' if group else ''}{group}/{owner['name']}" if owner else NONE
    return [name_of(revision), controller, revision.get("revision", 0), age_of(revision, now)]


def _pod(pod: Manifest, now: float) -> list[Json]:
    spec, status = spec_of(pod), status_of(pod)
    statuses = status.get("containerStatuses") or []
    ready = sum(1 for each in statuses if each.get("ready"))
    return [
        name_of(pod),
        f"{ready}/{len(spec.get('containers') or ())}",
        _pod_status(pod, spec, status),
        _restarts(statuses, now),
        age_of(pod, now),
        status.get("podIP") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _readiness_gates(spec, status),
    ]


def _pod_status(pod: Manifest, spec: Manifest, status: Manifest) -> str:
    if "deletionTimestamp" in pod["metadata"]:
        return UNKNOWN if status.get("reason") == "NodeLost" else "Terminating"
    return (
        _initializing(spec, status)
        or _container_reason(status)
        or status.get("reason")
        or status.get("phase")
        or UNKNOWN
    )


def _initializing(spec: Manifest, status: Manifest) -> str:
    total = len(spec.get("initContainers") or ())
    for index, each in enumerate(status.get("initContainerStatuses") or ()):
        state = each.get("state") or {}
        terminated, waiting = state.get("terminated"), state.get("waiting") or {}
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if terminated is not None:
            return f"Init:{terminated.get('reason') or 'ExitCode:' + str(terminated['exitCode'])}"
        if waiting.get("reason") and waiting["reason"] != "PodInitializing":
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{total}"
    return ""


def _container_reason(status: Manifest) -> str:
    reason, running = "", False
    for each in reversed(status.get("containerStatuses") or ()):
        state = each.get("state") or {}
        waiting, terminated = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif terminated is not None:
            reason = terminated.get("reason") or f"ExitCode:{terminated.get('exitCode', 0)}"
        elif each.get("ready"):
            running = True
    return "Running" if reason == "Completed" and running else reason


def _restarts(statuses: Json, now: float) -> str:
    count, last = 0, None
    for each in statuses:
        count += each.get("restartCount", 0)
        finished = seconds_of(((each.get("lastState") or {}).get("terminated") or {}).get("finishedAt"))
        if finished is not None:
            last = max(last or 0, finished)
    return f"{count} ({duration(now - last)} ago)" if count and last is not None else str(count)


def _readiness_gates(spec: Manifest, status: Manifest) -> str:
    gates = spec.get("readinessGates") or ()
    if not gates:
        return NONE
    true = {each.get("type") for each in status.get("conditions") or () if each.get("status") == "True"}
    return f"{sum(1 for gate in gates if gate.get('conditionType') in true)}/{len(gates)}"


PRINTERS: Final = {
    ("", "Pod"): Printer(
        columns("Ready, Status, Restarts, Age, IP*, Node*, Nominated Node*, Readiness Gates*"),
        _pod,
    ),
    ("", "ReplicationController"): Printer(
        columns("Desired:int, Current:int, Ready:int, Age, Containers*, Images*, Selector*"), _replica_set(labels_text)
    ),
    ("", "PodTemplate"): Printer(columns("Containers, Images, Pod Labels"), _pod_template),
    ("apps", "Deployment"): Printer(
        columns("Ready, Up-to-date, Available, Age, Containers*, Images*, Selector*"), _deployment
    ),
    ("apps", "ReplicaSet"): Printer(
        columns("Desired:int, Current:int, Ready:int, Age, Containers*, Images*, Selector*"),
        _replica_set(selector_text),
    ),
    ("apps", "StatefulSet"): Printer(columns("Ready, Age, Containers*, Images*"), _stateful_set),
    ("apps", "DaemonSet"): Printer(
        columns(
            "Desired:int, Current:int, Ready:int, Up-to-date:int, Available:int, Node Selector, Age, Containers*, "
            "Images*, Selector*"
        ),
        _daemon_set,
    ),
    ("apps", "ControllerRevision"): Printer(columns("Controller, Revision, Age"), _controller_revision),
    ("batch", "Job"): Printer(columns("Status, Completions, Duration, Age, Containers*, Images*, Selector*"), _job),
    ("batch", "CronJob"): Printer(
        columns("Schedule, Timezone, Suspend:bool, Active:int, Last Schedule, Age, Containers*, Images*, Selector*"),
        _cron_job,
    ),
}
