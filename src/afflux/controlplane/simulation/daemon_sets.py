"""DaemonSets: one Pod on the one node, if it is of the right sort."""

from __future__ import annotations

from collections.abc import Sequence

from afflux.controlplane.defaults.workloads import TEMPLATE_GENERATION
from afflux.controlplane.simulation.decisions import Create, Decision, Moment, Remove, is_going, nonzero
from afflux.controlplane.simulation.pods import is_active, is_ready
from afflux.controlplane.simulation.replica_sets import count_available
from afflux.controlplane.simulation.revisions import HASH, current_revision, keep_history
from afflux.controlplane.simulation.templates import pod_from
from afflux.objects.manifest import Manifest, annotations_of, labels_of


def decide(
    daemon_set: Manifest,
    pods: Sequence[Manifest],
    revisions: Sequence[Manifest],
    node_labels: Manifest,
    now: Moment,
) -> Decision:
    """Make the Pod, replace it when the template changed, count."""
    decision = Decision()
    if is_going(daemon_set):
        return decision
    revision = current_revision(daemon_set)
    hashes = {labels_of(pod).get(HASH) for pod in pods}
    name = daemon_set["metadata"]["name"]
    keep_history(decision, daemon_set, revisions, {f"{name}-{digest}" for digest in hashes})
    selector = (daemon_set["spec"]["template"]["spec"].get("nodeSelector")) or {}
    wanted = int(selector.items() <= node_labels.items())
    active = [pod for pod in pods if is_active(pod)]
    ended = [pod for pod in pods if not is_active(pod) and not is_going(pod)]
    decision.writes.extend(Remove(pod) for pod in (*ended, *active[wanted:]))
    if wanted and not pods:
        labels = {
            HASH: revision.hash,
            "pod-template-generation": annotations_of(daemon_set).get(TEMPLATE_GENERATION, "1"),
        }
        decision.writes.append(
            Create(pod_from(daemon_set, daemon_set["spec"]["template"], labels, generateName=f"{name}-"))
        )
    elif active[:wanted] and _must_be_replaced(daemon_set, active[0], revision.hash):
        decision.writes.append(Remove(active[0]))
    _status(decision, daemon_set, active[:wanted], wanted, now)
    return decision


def _must_be_replaced(daemon_set: Manifest, pod: Manifest, digest: str) -> bool:
    rolling = (daemon_set["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"
    return rolling and labels_of(pod).get(HASH) != digest


def _status(decision: Decision, daemon_set: Manifest, active: list[Manifest], wanted: int, now: Moment) -> None:
    digest = current_revision(daemon_set).hash
    ready = [pod for pod in active if is_ready(pod)]
    available = count_available(decision, ready, int(daemon_set["spec"].get("minReadySeconds") or 0), now)
    updated = sum(labels_of(pod).get(HASH) == digest for pod in active)
    status = {
        "currentNumberScheduled": len(active),
        "numberMisscheduled": 0,
        "desiredNumberScheduled": wanted,
        "numberReady": len(ready),
        "observedGeneration": daemon_set["metadata"].get("generation", 1),
        **nonzero(
            (
                ("updatedNumberScheduled", updated),
                ("numberAvailable", available),
                ("numberUnavailable", wanted - available),
            )
        ),
    }
    decision.status(daemon_set, status)
