"""StatefulSets: Pods with names and claims that stay, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from afflux.controlplane.simulation.decisions import (
    Create,
    Decision,
    Moment,
    Remove,
    controller_reference,
    is_going,
    nonzero,
    replicas_of,
)
from afflux.controlplane.simulation.pods import is_active, is_ready
from afflux.controlplane.simulation.replica_sets import count_available
from afflux.controlplane.simulation.revisions import HASH, Revision, current_revision, keep_history
from afflux.controlplane.simulation.templates import pod_from
from afflux.objects.manifest import Manifest, labels_of


def decide(stateful_set: Manifest, pods: Sequence[Manifest], revisions: Sequence[Manifest], now: Moment) -> Decision:
    """The next Pod to make, to replace or to end; claims, history and status."""
    decision = Decision()
    if is_going(stateful_set):
        return decision
    by_ordinal = {ordinal: pod for pod in pods if (ordinal := _ordinal(pod)) is not None}
    update = current_revision(stateful_set)
    former = (stateful_set.get("status") or {}).get("currentRevision") or update.name
    keep_history(decision, stateful_set, revisions, {former, update.name})
    _members(decision, stateful_set, by_ordinal, update)
    _status(decision, stateful_set, [pod for pod in pods if is_active(pod)], now)
    return decision


def _ordinal(pod: Manifest) -> int | None:
    text = str(pod["metadata"]["name"]).rpartition("-")[2]
    return int(text) if text.isdecimal() else None


def _members(decision: Decision, stateful_set: Manifest, by_ordinal: dict[int, Manifest], update: Revision) -> None:
    spec = stateful_set["spec"]
    first = int((spec.get("ordinals") or {}).get("start") or 0)
    wanted = range(first, first + replicas_of(stateful_set))
    in_order = spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady"
    for ordinal in wanted:
        pod = by_ordinal.get(ordinal)
        if pod is None:
            _create(decision, stateful_set, ordinal, update)
        elif not is_active(pod) and not is_going(pod):
            decision.writes.append(Remove(pod))
        if in_order and (pod is None or not is_ready(pod) or is_going(pod)) and not _broken(pod, update):
            return
    surplus = sorted((ordinal for ordinal in by_ordinal if ordinal not in wanted), reverse=True)
    for ordinal in surplus:
        if not is_going(by_ordinal[ordinal]):
            decision.writes.append(Remove(by_ordinal[ordinal]))
        if in_order:
            return
    _replace_one(decision, spec, [by_ordinal[ordinal] for ordinal in wanted if ordinal in by_ordinal], update)


def _broken(pod: Manifest | None, update: Revision) -> bool:
    """A Pod of an older revision that isn't ready must not keep the fix from coming."""
    return pod is not None and not is_going(pod) and not is_ready(pod) and labels_of(pod).get(HASH) != update.name


def _replace_one(decision: Decision, spec: Manifest, pods: list[Manifest], update: Revision) -> None:
    """From the highest ordinal down to the partition, one at a time, each once all above it are ready."""
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return
    partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    for pod in reversed(pods):
        ordinal = _ordinal(pod)
        if ordinal is None or ordinal < partition:
            return
        if is_going(pod):
            return
        if labels_of(pod).get(HASH) != update.name:
            decision.writes.append(Remove(pod))
            return
        if not is_ready(pod):
            return


def _create(decision: Decision, stateful_set: Manifest, ordinal: int, update: Revision) -> None:
    metadata, spec = stateful_set["metadata"], stateful_set["spec"]
    name = f"{metadata['name']}-{ordinal}"
    labels = {
        HASH: update.name,
        "statefulset.kubernetes.io/pod-name": name,
        "apps.kubernetes.io/pod-index": str(ordinal),
    }
    template = dict(spec["template"])
    volumes = list(template["spec"].get("volumes") or ())
    for claim in spec.get("volumeClaimTemplates") or ():
        claim_name = f"{claim['metadata']['name']}-{name}"
        decision.writes.append(Create(_claim(stateful_set, claim, claim_name)))
        volumes = [volume for volume in volumes if volume.get("name") != claim["metadata"]["name"]]
        volumes.append({"name": claim["metadata"]["name"], "persistentVolumeClaim": {"claimName": claim_name}})
    pod_spec = {**template["spec"], "hostname": name}
    if volumes:
        pod_spec["volumes"] = volumes
    if spec.get("serviceName"):
        pod_spec["subdomain"] = spec["serviceName"]
    decision.writes.append(Create(pod_from(stateful_set, {**template, "spec": pod_spec}, labels, name=name)))


def _claim(stateful_set: Manifest, template: Manifest, name: str) -> Manifest:
    metadata = template["metadata"]
    match = (stateful_set["spec"].get("selector") or {}).get("matchLabels") or {}
    own: Manifest = {
        "name": name,
        "namespace": stateful_set["metadata"]["namespace"],
        "labels": {**(metadata.get("labels") or {}), **match},
    }
    if metadata.get("annotations"):
        own["annotations"] = metadata["annotations"]
    retention = stateful_set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    if retention.get("whenDeleted") == "Delete":
        own["ownerReferences"] = [controller_reference(stateful_set)]
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": own, "spec": template["spec"]}


def _status(decision: Decision, stateful_set: Manifest, active: list[Manifest], now: Moment) -> None:
    update = current_revision(stateful_set)
    before = stateful_set.get("status") or {}
    ready = [pod for pod in active if is_ready(pod)]
    min_ready = int(stateful_set["spec"].get("minReadySeconds") or 0)
    updated = sum(labels_of(pod).get(HASH) == update.name for pod in active)
    current = str(before.get("currentRevision") or update.name)
    replicas = replicas_of(stateful_set)
    if updated == replicas == len(active) and len(ready) == replicas:
        current = update.name
    of_current = sum(labels_of(pod).get(HASH) == current for pod in active)
    status = {
        "observedGeneration": stateful_set["metadata"].get("generation", 1),
        "replicas": len(active),
        **nonzero((("readyReplicas", len(ready)), ("currentReplicas", of_current), ("updatedReplicas", updated))),
        "availableReplicas": count_available(decision, ready, min_ready, now),
        "currentRevision": current,
        "updateRevision": update.name,
        "collisionCount": int(before.get("collisionCount") or 0),
    }
    decision.status(stateful_set, status)
