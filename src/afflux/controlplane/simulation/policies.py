"""Kinds that only look on: autoscalers, disruption budgets, API services, and the node itself."""

from __future__ import annotations

from collections.abc import Sequence

from afflux.controlplane.simulation.decisions import (
    Change,
    Create,
    Decision,
    Moment,
    is_going,
    merged_conditions,
    replicas_of,
)
from afflux.controlplane.simulation.pods import HOST_IP, is_active, is_ready
from afflux.controlplane.simulation.templates import NODE_NAME
from afflux.objects.manifest import Json, Manifest

NODE_LABELS = {
    "beta.kubernetes.io/arch": "amd64",
    "beta.kubernetes.io/os": "linux",
    "kubernetes.io/arch": "amd64",
    "kubernetes.io/hostname": NODE_NAME,
    "kubernetes.io/os": "linux",
    "node-role.kubernetes.io/control-plane": "",
}
_CAPACITY = {"cpu": "8", "ephemeral-storage": "100Gi", "memory": "32Gi", "pods": "1000"}
_NOT_READY = "node.kubernetes.io/not-ready"


def the_node() -> Manifest:
    """The one node of the simulated cluster."""
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE_NAME, "labels": NODE_LABELS}, "spec": {}}


def decide_node(node: Manifest, version: str, now: Moment) -> Decision:
    """The node is ready, and loses the taint that new nodes have."""
    decision = Decision()
    if is_going(node) or node["metadata"]["name"] != NODE_NAME:
        return decision
    taints = (node.get("spec") or {}).get("taints") or []
    rest = [taint for taint in taints if taint.get("key") != _NOT_READY]
    if rest != taints:
        decision.writes.append(Change(node, {"spec": {"taints": rest or None}}))
    before = node.get("status") or {}
    decision.status(node, {**before, **_node_status(before, version, now)})
    return decision


def _node_status(before: Manifest, version: str, now: Moment) -> Manifest:
    facts = (
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    )
    heartbeat = next((one.get("lastHeartbeatTime") for one in before.get("conditions") or ()), None) or now.text
    conditions = [
        {"type": kind, "status": status, "reason": reason, "message": text, "lastHeartbeatTime": heartbeat}
        for kind, status, reason, text in facts
    ]
    addresses = [{"type": "InternalIP", "address": HOST_IP}, {"type": "Hostname", "address": NODE_NAME}]
    info = {
        **(before.get("nodeInfo") or {}),
        "architecture": "amd64",
        "containerRuntimeVersion": "simulated://1.0",
        "kernelVersion": "6.1.0",
        "kubeletVersion": version,
        "operatingSystem": "linux",
        "osImage": "Simulated Linux",
    }
    return {
        "addresses": addresses,
        "allocatable": _CAPACITY,
        "capacity": _CAPACITY,
        "conditions": merged_conditions(before.get("conditions") or (), conditions, now),
        "nodeInfo": info,
    }


def decide_autoscaler(autoscaler: Manifest, target: Manifest | None, now: Moment) -> Decision:
    """An autoscaler finds its target as it should be: there are no metrics that say otherwise."""
    decision = Decision()
    if is_going(autoscaler):
        return decision
    before = autoscaler.get("status") or {}
    if target is None:
        text = "the HPA controller was unable to get the target's current scale"
        facts: list[tuple[str, str, str, str]] = [("AbleToScale", "False", "FailedGetScale", text)]
        replicas = 0
    else:
        replicas = replicas_of(target)
        facts = [
            ("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size"),
            ("ScalingActive", "True", "ValidMetricFound", "the HPA was able to successfully calculate a replica count"),
            ("ScalingLimited", "False", "DesiredWithinRange", "the desired count is within the acceptable range"),
        ]
    status = {
        **before,
        "currentReplicas": replicas,
        "desiredReplicas": replicas,
        "conditions": _conditions(before, facts, now),
    }
    decision.status(autoscaler, status)
    return decision


def _conditions(before: Manifest, facts: Sequence[tuple[str, str, str, str]], now: Moment) -> list[Manifest]:
    new = [{"type": kind, "status": status, "reason": reason, "message": text} for kind, status, reason, text in facts]
    return merged_conditions(before.get("conditions") or (), new, now)


def decide_budget(budget: Manifest, pods: Sequence[Manifest], now: Moment) -> Decision:
    """How many of the selected Pods may be disrupted."""
    decision = Decision()
    if is_going(budget):
        return decision
    spec, before = budget.get("spec") or {}, budget.get("status") or {}
    expected = [pod for pod in pods if is_active(pod)]
    healthy = sum(is_ready(pod) for pod in expected)
    least = _least(spec, len(expected))
    allowed = max(healthy - least, 0)
    enough = bool(allowed)
    reason = "SufficientPods" if enough else "InsufficientPods"
    status = {
        **before,
        "observedGeneration": budget["metadata"].get("generation", 1),
        "currentHealthy": healthy,
        "desiredHealthy": least,
        "disruptionsAllowed": allowed,
        "expectedPods": len(expected),
        "conditions": _conditions(before, [("DisruptionAllowed", str(enough), reason, "")], now),
    }
    decision.status(budget, status)
    return decision


def _least(spec: Manifest, expected: int) -> int:
    if spec.get("maxUnavailable") is not None:
        return max(expected - _share(spec["maxUnavailable"], expected), 0)
    return _share(spec.get("minAvailable", 1), expected)


def _share(value: Json, of: int) -> int:
    if isinstance(value, int):
        return value
    return -(-int(str(value).rstrip("%") or 0) * of // 100)


def decide_api_service(service: Manifest, backend: Manifest | None, now: Moment) -> Decision:
    """An API of the server itself is available; one of a Service that doesn't exist isn't."""
    decision = Decision()
    before, wanted = service.get("status") or {}, (service.get("spec") or {}).get("service")
    if not wanted:
        fact = ("Available", "True", "Local", "Local APIServices are always available")
    elif backend is None:
        name = f"{wanted.get('namespace')}/{wanted.get('name')}"
        fact = ("Available", "False", "ServiceNotFound", f'service "{name}" is not present')
    else:
        fact = ("Available", "True", "Passed", "all checks passed")
    decision.status(service, {**before, "conditions": _conditions(before, [fact], now)})
    return decision


def node_lease(now: Moment) -> Create:
    """The Lease with which a kubelet says that it lives. The simulated one doesn't need to say it again."""
    spec = {"holderIdentity": NODE_NAME, "leaseDurationSeconds": 40, "renewTime": now.text.replace("Z", ".000000Z")}
    metadata = {"name": NODE_NAME, "namespace": "kube-node-lease"}
    return Create({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})
