"""ReplicaSets, and ReplicationControllers, their elders: as many Pods as asked for."""

from __future__ import annotations

from collections.abc import Sequence

from afflux.controlplane.simulation.decisions import (
    Change,
    Create,
    Decision,
    Moment,
    Remove,
    is_going,
    nonzero,
    replicas_of,
    seconds_of,
)
from afflux.controlplane.simulation.faults import PREFIX, inherited
from afflux.controlplane.simulation.pods import is_active, is_ready, ready_since
from afflux.controlplane.simulation.templates import pod_from
from afflux.objects.manifest import Manifest, annotations_of


def decide(replica_set: Manifest, pods: Sequence[Manifest], now: Moment) -> Decision:
    """Create or delete Pods, hand down the simulation's annotations, count."""
    decision = Decision()
    active = [pod for pod in pods if is_active(pod)]
    if is_going(replica_set):
        return decision
    _scale(decision, replica_set, active)
    _hand_down(decision, replica_set, active)
    if not any(isinstance(write, Create) for write in decision.writes):
        # Pods that are only now being made are counted in a moment.
        _count(decision, replica_set, pods, now)
    return decision


def _scale(decision: Decision, replica_set: Manifest, active: Sequence[Manifest]) -> None:
    spec, name = replica_set["spec"], replica_set["metadata"]["name"]
    missing = replicas_of(replica_set) - len(active)
    for _ in range(missing):
        decision.writes.append(Create(pod_from(replica_set, spec["template"], generateName=f"{name}-")))
    if missing < 0:
        for pod in sorted(active, key=_first_to_go)[:-missing]:
            decision.writes.append(Remove(pod))


def _first_to_go(pod: Manifest) -> tuple[bool, float, str]:
    """Pods that aren't ready go first, then the youngest."""
    metadata = pod["metadata"]
    return is_ready(pod), -seconds_of(metadata.get("creationTimestamp")), metadata["name"]


def _hand_down(decision: Decision, replica_set: Manifest, active: Sequence[Manifest]) -> None:
    """A switch of the simulation that was set on the workload later reaches the Pods that run."""
    template = (replica_set["spec"]["template"].get("metadata") or {}).get("annotations") or {}
    wanted = {**inherited(replica_set), **{k: v for k, v in template.items() if k.startswith(PREFIX)}}
    for pod in active:
        present = {name: value for name, value in annotations_of(pod).items() if name.startswith(PREFIX)}
        if present != wanted:
            patch = {name: wanted.get(name) for name in present.keys() | wanted.keys()}
            decision.writes.append(Change(pod, {"metadata": {"annotations": patch}}))


def _count(decision: Decision, replica_set: Manifest, pods: Sequence[Manifest], now: Moment) -> None:
    active = [pod for pod in pods if is_active(pod)]
    ready = [pod for pod in active if is_ready(pod)]
    available = count_available(decision, ready, int(replica_set["spec"].get("minReadySeconds") or 0), now)
    before = replica_set.get("status") or {}
    kept = {"conditions": before["conditions"]} if before.get("conditions") else {}
    status = {
        **kept,
        "replicas": len(active),
        **nonzero(
            (
                ("fullyLabeledReplicas", len(active)),
                ("readyReplicas", len(ready)),
                ("availableReplicas", available),
            )
        ),
        **({"terminatingReplicas": sum(is_going(pod) for pod in pods)} if replica_set["kind"] == "ReplicaSet" else {}),
        "observedGeneration": replica_set["metadata"].get("generation", 1),
    }
    decision.status(replica_set, status)


def count_available(decision: Decision, ready: Sequence[Manifest], min_ready: int, now: Moment) -> int:
    """How many Pods have been ready for long enough; asks to look again when the next one will have been."""
    if not min_ready:
        return len(ready)
    available = 0
    for pod in ready:
        left = seconds_of(ready_since(pod)) + min_ready - now.seconds
        if left <= 0:
            available += 1
        else:
            decision.look_again(left)
    return available
