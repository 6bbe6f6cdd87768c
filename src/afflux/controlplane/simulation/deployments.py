"""Deployments: ReplicaSets by revision, rolled from one to the next."""

from __future__ import annotations

from collections.abc import Sequence

from afflux.controlplane.simulation.decisions import (
    Change,
    Create,
    Decision,
    Moment,
    Remove,
    controller_reference,
    counter,
    is_going,
    replicas_of,
)
from afflux.controlplane.simulation.deployment_status import decide_status
from afflux.controlplane.simulation.rollouts import (
    REVISION,
    Rollout,
    grown,
    read_rollout,
    revision_of,
    target_sizes,
)
from afflux.controlplane.simulation.templates import TEMPLATE_HASH, template_hash
from afflux.objects.manifest import Manifest, annotations_of

_DESIRED = "deployment.kubernetes.io/desired-replicas"
_MAXIMUM = "deployment.kubernetes.io/max-replicas"
_HISTORY = "deployment.kubernetes.io/revision-history"
_OWN = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        "deprecated.deployment.rollback.to",
        REVISION,
        _HISTORY,
        _DESIRED,
        _MAXIMUM,
    }
)
"""Annotations of a Deployment that its ReplicaSets don't take over."""


def decide(deployment: Manifest, sets: Sequence[Manifest], now: Moment) -> Decision:
    """The next step of a rollout: one set made or named, sizes moved, history cut, status told."""
    decision = Decision()
    rollout = read_rollout(deployment, sets)
    if is_going(deployment):
        return decision
    paused = bool(deployment["spec"].get("paused"))
    if not paused:
        _current_set(decision, rollout)
    _sizes(decision, rollout, paused=paused)
    if not paused:
        _forget_history(decision, rollout)
    if not any(isinstance(write, Create) for write in decision.writes):
        # A set that is only now being made will say more in a moment.
        decide_status(decision, rollout, now)
    return decision


def _current_set(decision: Decision, rollout: Rollout) -> None:
    revision = str(rollout.revision)
    if rollout.current is None:
        # Recreate: the old Pods go before the first new one comes.
        if rollout.recreate and any(counter(old, "replicas") for old in rollout.old):
            return
        decision.writes.append(Create(_new_set(rollout, revision)))
    else:
        _annotate(decision, rollout.current, revision, rollout)


def _annotate(decision: Decision, current: Manifest, revision: str, rollout: Rollout) -> None:
    present = annotations_of(current)
    wanted = {**_handed_down(rollout.deployment), REVISION: revision}
    former = revision_of(current)
    if former and str(former) != revision:
        wanted[_HISTORY] = ",".join(part for part in (present.get(_HISTORY, ""), str(former)) if part)
    gone = {name: None for name in present if name not in wanted and name not in _OWN}
    changed = {name: value for name, value in wanted.items() if present.get(name) != value}
    if gone or changed:
        decision.writes.append(Change(current, {"metadata": {"annotations": {**gone, **changed}}}))


def _handed_down(deployment: Manifest) -> dict[str, str]:
    return {name: value for name, value in annotations_of(deployment).items() if name not in _OWN}


def _scale_notes(rollout: Rollout) -> dict[str, str]:
    return {_DESIRED: str(rollout.replicas), _MAXIMUM: str(rollout.replicas + rollout.max_surge)}


def _new_set(rollout: Rollout, revision: str) -> Manifest:
    deployment = rollout.deployment
    spec, metadata = deployment["spec"], deployment["metadata"]
    template, selector = spec["template"], spec["selector"]
    suffix = template_hash(template)
    labels = {**((template.get("metadata") or {}).get("labels") or {}), TEMPLATE_HASH: suffix}
    set_spec: Manifest = {
        "replicas": grown(rollout, 0),
        "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), TEMPLATE_HASH: suffix}},
        "template": {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}},
    }
    if spec.get("minReadySeconds"):
        set_spec["minReadySeconds"] = spec["minReadySeconds"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name']}-{suffix}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": {**_handed_down(deployment), **_scale_notes(rollout), REVISION: revision},
            "ownerReferences": [controller_reference(deployment)],
        },
        "spec": set_spec,
    }


def _sizes(decision: Decision, rollout: Rollout, *, paused: bool) -> None:
    sizes = _paused_sizes(rollout) if paused else target_sizes(rollout)
    notes = _scale_notes(rollout)
    for each in rollout.all_sets:
        size = sizes[each["metadata"]["uid"]]
        noted = annotations_of(each)
        stale = size and any(noted.get(name) != value for name, value in notes.items())
        if not is_going(each) and (size != replicas_of(each) or stale):
            decision.writes.append(Change(each, {"metadata": {"annotations": notes}, "spec": {"replicas": size}}))


def _paused_sizes(rollout: Rollout) -> dict[str, int]:
    """A paused Deployment still scales, but only the newest set that has replicas."""
    sizes = {each["metadata"]["uid"]: replicas_of(each) for each in rollout.all_sets}
    running = [each for each in rollout.all_sets if replicas_of(each)] or list(rollout.all_sets[-1:])
    if running:
        newest = running[-1]["metadata"]["uid"]
        others = sum(size for uid, size in sizes.items() if uid != newest)
        sizes[newest] = max(rollout.replicas - others, 0)
    return sizes


def _forget_history(decision: Decision, rollout: Rollout) -> None:
    """Beyond ``revisionHistoryLimit`` the oldest empty sets are deleted, once the current one is complete."""
    limit = rollout.deployment["spec"].get("revisionHistoryLimit", 10)
    empty = [old for old in rollout.old if not (replicas_of(old) or counter(old, "replicas") or is_going(old))]
    current = rollout.current
    if current is None or counter(current, "availableReplicas") < rollout.replicas:
        return
    for old in sorted(empty, key=revision_of)[: max(len(empty) - limit, 0)]:
        decision.writes.append(Remove(old))
