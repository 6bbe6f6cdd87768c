"""The simulated kubelet: Pods start, become ready, fail as they are told to, and end."""

from __future__ import annotations

from dataclasses import dataclass

from afflux.controlplane.simulation.decisions import (
    Bind,
    Create,
    Decision,
    Moment,
    Remove,
    controller_of,
    is_going,
    merged_conditions,
)
from afflux.controlplane.simulation.faults import Fate, fate_of
from afflux.controlplane.simulation.pod_events import trouble
from afflux.objects.manifest import Json, Manifest, annotations_of

HOST_IP = "172.18.0.2"
_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a Pod's fate depends on beyond the Pod.

    ``age`` is for how many seconds the simulation has known the Pod, ``delay`` how long it takes to start,
    ``missing_claim`` a claim that it waits for (empty: none), ``pod_ip`` its address, ``node`` where it goes if it
    hasn't been bound.
    """

    age: float
    delay: float
    now: Moment
    pod_ip: str
    missing_claim: str = ""
    node: str = ""


def decide(pod: Manifest, around: Surroundings) -> Decision:
    """What the kubelet does with a Pod just now."""
    decision = Decision()
    phase = (pod.get("status") or {}).get("phase")
    if is_going(pod):
        if around.age >= around.delay or phase in _ENDED:
            decision.writes.append(Remove(pod, grace_seconds=0))
        else:
            decision.look_again(around.delay - around.age)
        return decision
    if phase in _ENDED:
        return decision
    if (pod.get("spec") or {}).get("schedulingGates"):
        return decision
    if around.missing_claim:
        decision.status(pod, _unschedulable(pod, around))
        return decision
    node = (pod.get("spec") or {}).get("nodeName")
    if not node:
        node = around.node
        decision.writes.append(Bind(pod, node))
    fate = fate_of(pod)
    told = len(decision.writes)
    starts_after = around.delay if fate.ready_after is None else fate.ready_after
    if around.age < starts_after:
        decision.look_again(starts_after - around.age)
        return decision
    status = _status(pod, fate, around)
    decision.status(pod, status)
    if len(decision.writes) > told:
        decision.writes.extend(Create(event) for event in trouble(pod, status, node, around.now))
    if fate.flap and not fate.fault:
        decision.look_again(fate.flap - (around.age - starts_after) % fate.flap)
    return decision


def _status(pod: Manifest, fate: Fate, around: Surroundings) -> Manifest:
    """The status of a Pod whose time to start has come."""
    match fate.fault:
        case "image-pull":
            return _pulling(pod, around)
        case "crash-loop":
            return _running(pod, around, ready=False, crashing=True)
        case "never-ready" | "progress-deadline":
            return _running(pod, around, ready=False)
        case "job-failed" if (pod.get("spec") or {}).get("restartPolicy") != "Always":
            return _ended(pod, around, failed=True)
        case "job-failed":
            # What is always restarted never ends: a workload would make another one forever.
            return _running(pod, around, ready=False, crashing=True)
    if _runs_to_completion(pod):
        return _ended(pod, around, failed=False)
    flapping = bool(fate.flap) and int((around.age - (fate.ready_after or 0)) // (fate.flap or 1)) % 2 == 1
    return _running(pod, around, ready=not flapping)


def _runs_to_completion(pod: Manifest) -> bool:
    if (pod.get("spec") or {}).get("restartPolicy") == "Always":
        return False
    owner = controller_of(pod)
    return (owner is not None and owner.get("kind") == "Job") or "helm.sh/hook" in annotations_of(pod)


def _containers(pod: Manifest, field: str = "containers") -> list[Manifest]:
    containers: list[Manifest] = (pod.get("spec") or {}).get(field) or []
    return containers


def _placed(pod: Manifest, around: Surroundings, phase: str) -> Manifest:
    """What every Pod on the node has in its status."""
    status = pod.get("status") or {}
    return {
        **status,
        "observedGeneration": pod["metadata"].get("generation", 1),
        "phase": phase,
        "hostIP": HOST_IP,
        "hostIPs": [{"ip": HOST_IP}],
        "startTime": status.get("startTime") or around.now.text,
    }


def _with_address(pod: Manifest, status: Manifest, around: Surroundings) -> Manifest:
    on_host = bool((pod.get("spec") or {}).get("hostNetwork"))
    address = status.get("podIP") or (HOST_IP if on_host else around.pod_ip)
    return {**status, "podIP": address, "podIPs": [{"ip": address}]}


def _conditions(pod: Manifest, around: Surroundings, *, ready: bool, why: Manifest | None = None) -> list[Manifest]:
    """The five conditions of a Pod on a node, and its readiness gates."""
    unready = why or {"reason": "ContainersNotReady", "message": _unready_text(pod)}
    gates = [gate.get("conditionType") for gate in (pod.get("spec") or {}).get("readinessGates") or ()]
    facts = [
        ("PodReadyToStartContainers", True),
        ("Initialized", True),
        ("Ready", ready),
        ("ContainersReady", ready),
        ("PodScheduled", True),
        *((gate, True) for gate in gates),
    ]
    conditions = [{"type": kind, "status": str(holds), **({} if holds else unready)} for kind, holds in facts]
    return merged_conditions((pod.get("status") or {}).get("conditions") or (), conditions, around.now)


def _unready_text(pod: Manifest) -> str:
    names = " ".join(str(container.get("name")) for container in _containers(pod))
    return f"containers with unready status: [{names}]"


def _former(pod: Manifest, container: Manifest) -> Manifest:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    found: Manifest = next((status for status in statuses if status.get("name") == container.get("name")), {})
    return found


def _container_status(pod: Manifest, container: Manifest, state: Json, **more: Json) -> Manifest:
    name, image = container.get("name"), str(container.get("image"))
    return {
        "name": name,
        "image": image,
        "imageID": "",
        "ready": False,
        "started": False,
        "restartCount": 0,
        "state": state,
        **({} if "waiting" in state else _identity(pod, name, image)),
        **more,
    }


def _identity(pod: Manifest, name: Json, image: str) -> Manifest:
    repository = image.partition("@")[0].rpartition(":")[0] or image
    return {"containerID": f"simulated://{pod['metadata'].get('uid')}/{name}", "imageID": f"simulated://{repository}"}


def _started_at(pod: Manifest, container: Manifest, around: Surroundings) -> str:
    running = (_former(pod, container).get("state") or {}).get("running") or {}
    return str(running.get("startedAt") or around.now.text)


def _running(pod: Manifest, around: Surroundings, *, ready: bool, crashing: bool = False) -> Manifest:
    statuses = [
        _crashed(pod, container, around)
        if crashing
        else _container_status(
            pod,
            container,
            {"running": {"startedAt": _started_at(pod, container, around)}},
            ready=ready,
            started=True,
        )
        for container in _containers(pod)
    ]
    status = _with_address(pod, _placed(pod, around, "Running"), around)
    return {
        **status,
        **_initialized(pod, around),
        "conditions": _conditions(pod, around, ready=ready),
        "containerStatuses": statuses,
    }


def _initialized(pod: Manifest, around: Surroundings) -> Manifest:
    containers = _containers(pod, "initContainers")
    if not containers:
        return {}
    before = {one.get("name"): one for one in (pod.get("status") or {}).get("initContainerStatuses") or ()}
    statuses = [
        before.get(container.get("name")) or _initial_status(pod, container, around) for container in containers
    ]
    return {"initContainerStatuses": statuses}


def _initial_status(pod: Manifest, container: Manifest, around: Surroundings) -> Manifest:
    if container.get("restartPolicy") == "Always":
        state: Manifest = {"running": {"startedAt": around.now.text}}
        return _container_status(pod, container, state, ready=True, started=True)
    return _container_status(pod, container, _terminated(around, 0), ready=True)


def _terminated(around: Surroundings, code: int) -> Manifest:
    reason = "Error" if code else "Completed"
    now = around.now.text
    return {"terminated": {"exitCode": code, "reason": reason, "startedAt": now, "finishedAt": now}}


def _crashed(pod: Manifest, container: Manifest, around: Surroundings) -> Manifest:
    former = _former(pod, container)
    message = f"back-off 5m0s restarting failed container={container.get('name')} pod={pod['metadata']['name']}"
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
    last = former.get("lastState") or _terminated(around, 1)
    return _container_status(pod, container, state, restartCount=former.get("restartCount") or 4, lastState=last)


def _pulling(pod: Manifest, around: Surroundings) -> Manifest:
    statuses = []
    for container in _containers(pod):
        message = f'Back-off pulling image "{container.get("image")}"'
        state = {"waiting": {"reason": "ImagePullBackOff", "message": message}}
        statuses.append(_container_status(pod, container, state))
    status = _with_address(pod, _placed(pod, around, "Pending"), around)
    return {**status, "conditions": _conditions(pod, around, ready=False), "containerStatuses": statuses}


def _ended(pod: Manifest, around: Surroundings, *, failed: bool) -> Manifest:
    why = {"reason": "PodFailed"} if failed else {"reason": "PodCompleted"}
    statuses = [_container_status(pod, container, _terminated(around, int(failed))) for container in _containers(pod)]
    status = _with_address(pod, _placed(pod, around, "Failed" if failed else "Succeeded"), around)
    return {
        **status,
        **_initialized(pod, around),
        "conditions": _conditions(pod, around, ready=False, why=why),
        "containerStatuses": statuses,
    }


def _unschedulable(pod: Manifest, around: Surroundings) -> Manifest:
    text = f'0/1 nodes are available: pod has unbound immediate PersistentVolumeClaim "{around.missing_claim}".'
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": text}
    status = pod.get("status") or {}
    conditions = merged_conditions(status.get("conditions") or (), [condition], around.now)
    return {**status, "phase": "Pending", "conditions": conditions}


def is_ready(pod: Manifest) -> bool:
    """Whether the Pod's Ready condition is true."""
    return ready_since(pod) is not None


def ready_since(pod: Manifest) -> str | None:
    """Since when the Pod is ready (RFC 3339); None while it isn't."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready" and condition.get("status") == "True":
            return str(condition.get("lastTransitionTime") or "")
    return None


def is_active(pod: Manifest) -> bool:
    """Whether the Pod counts as a replica: neither ended nor about to go."""
    return not is_going(pod) and (pod.get("status") or {}).get("phase") not in _ENDED
