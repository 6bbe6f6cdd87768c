"""The one node: who it is, that it is ready, and the Lease by which it says that it lives."""

from __future__ import annotations

from dataclasses import dataclass

from afflux.controlplane.simulation.decisions import (
    LEASE,
    Change,
    Create,
    Decision,
    Moment,
    is_going,
    merged_conditions,
)
from afflux.controlplane.simulation.pods import HOST_IP
from afflux.objects.manifest import Manifest

_LABELS = {
    "beta.kubernetes.io/arch": "amd64",
    "beta.kubernetes.io/os": "linux",
    "kubernetes.io/arch": "amd64",
    "kubernetes.io/os": "linux",
    "node-role.kubernetes.io/control-plane": "",
}
_CAPACITY = {"cpu": "8", "ephemeral-storage": "100Gi", "memory": "32Gi", "pods": "1000"}
_NOT_READY = "node.kubernetes.io/not-ready"
_LEASES = "kube-node-lease"


@dataclass(frozen=True, slots=True)
class SimulatedNode:
    """``version`` is what its kubelet says to be. ``heartbeat``: every so many seconds its Lease is renewed.

    A server without a node life cycle controller needs no heartbeat (None); another takes a silent node for dead.
    """

    name: str = "node-1"
    version: str = "v1.36.0"
    heartbeat: float | None = None

    @property
    def labels(self) -> dict[str, str]:
        """The labels of a fresh node."""
        return {**_LABELS, "kubernetes.io/hostname": self.name}

    def manifest(self) -> Manifest:
        """The Node, as its kubelet registers it."""
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": self.labels},
            "spec": {},
        }


def decide_node(node: Manifest, simulated: SimulatedNode, now: Moment) -> Decision:
    """The node is ready, and loses the taint that new nodes have. Other nodes are left alone."""
    decision = Decision()
    if is_going(node) or node["metadata"]["name"] != simulated.name:
        return decision
    taints = (node.get("spec") or {}).get("taints") or []
    rest = [taint for taint in taints if taint.get("key") != _NOT_READY]
    if rest != taints:
        decision.writes.append(Change(node, {"spec": {"taints": rest or None}}))
    before = node.get("status") or {}
    decision.status(node, {**before, **_status(before, simulated, now)})
    return decision


def _status(before: Manifest, simulated: SimulatedNode, now: Moment) -> Manifest:
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
    addresses = [{"type": "InternalIP", "address": HOST_IP}, {"type": "Hostname", "address": simulated.name}]
    info = {
        **(before.get("nodeInfo") or {}),
        "architecture": "amd64",
        "containerRuntimeVersion": "simulated://1.0",
        "kernelVersion": "6.1.0",
        "kubeletVersion": simulated.version,
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


def new_lease(simulated: SimulatedNode, now: Moment) -> Create:
    """The Lease with which a kubelet says that it lives."""
    spec = {"holderIdentity": simulated.name, "leaseDurationSeconds": 40, "renewTime": _precise(now)}
    metadata = {"name": simulated.name, "namespace": _LEASES}
    return Create({"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec})


def renewed_lease(simulated: SimulatedNode, now: Moment) -> Change:
    """It still lives."""
    lease = {"apiVersion": LEASE.api_version, "kind": LEASE.kind}
    about = {**lease, "metadata": {"name": simulated.name, "namespace": _LEASES}}
    return Change(about, {"spec": {"holderIdentity": simulated.name, "renewTime": _precise(now)}})


def _precise(now: Moment) -> str:
    return now.text.replace("Z", ".000000Z")
