"""Kinds that only look on: autoscalers, disruption budgets and API services."""

from __future__ import annotations

from collections.abc import Sequence

from afflux.controlplane.simulation.decisions import (
    Decision,
    Moment,
    is_going,
    merged_conditions,
    replicas_of,
)
from afflux.controlplane.simulation.pods import is_active, is_ready
from afflux.objects.manifest import Json, Manifest


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
    generation = budget["metadata"].get("generation", 1)
    condition = {
        "type": "DisruptionAllowed",
        "status": str(enough),
        "observedGeneration": generation,
        "reason": reason,
        "message": "",
    }
    status = {
        **before,
        "observedGeneration": generation,
        "currentHealthy": healthy,
        "desiredHealthy": least,
        "disruptionsAllowed": allowed,
        "expectedPods": len(expected),
        "conditions": merged_conditions(before.get("conditions") or (), [condition], now),
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
