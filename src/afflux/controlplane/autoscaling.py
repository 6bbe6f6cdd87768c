"""HorizontalPodAutoscalers as ``autoscaling/v1`` shows them: one CPU target; everything else in annotations."""

from __future__ import annotations

from typing import Final

import orjson

from afflux.objects.manifest import Json, Manifest

_METRICS: Final = "autoscaling.alpha.kubernetes.io/metrics"
_BEHAVIOR: Final = "autoscaling.alpha.kubernetes.io/behavior"
_CONDITIONS: Final = "autoscaling.alpha.kubernetes.io/conditions"


def to_v2(scaler: Manifest) -> Manifest:
    """A v1 object as v2."""
    spec = dict(scaler.get("spec") or {})
    annotations = dict(scaler["metadata"].get("annotations") or {})
    target = spec.pop("targetCPUUtilizationPercentage", None)
    metrics = [_from_v1_metric(each) for each in _parsed(annotations.pop(_METRICS, ""), [])]
    if target is not None:
        metrics.append(_cpu_metric(target))
    if metrics:
        spec["metrics"] = metrics
    behavior = _parsed(annotations.pop(_BEHAVIOR, ""), None)
    if behavior:
        spec["behavior"] = _uncapitalised(behavior)
    annotations.pop(_CONDITIONS, None)
    return {**scaler, "metadata": _with_annotations(scaler["metadata"], annotations), "spec": spec}


def from_v2(scaler: Manifest) -> Manifest:
    """A v2 object as v1."""
    spec = dict(scaler.get("spec") or {})
    annotations = dict(scaler["metadata"].get("annotations") or {})
    others = []
    for metric in spec.pop("metrics", None) or ():
        target = _cpu_target(metric)
        if target is not None and "targetCPUUtilizationPercentage" not in spec:
            spec["targetCPUUtilizationPercentage"] = target
        else:
            others.append(_to_v1_metric(metric))
    if others:
        annotations[_METRICS] = orjson.dumps(others).decode()
    behavior = spec.pop("behavior", None)
    if behavior:
        annotations[_BEHAVIOR] = orjson.dumps(_internal_behavior(behavior)).decode()
    status = dict(scaler.get("status") or {})
    status.pop("currentMetrics", None)
    if conditions := status.pop("conditions", None):
        annotations[_CONDITIONS] = orjson.dumps(conditions).decode()
    status.setdefault("currentReplicas", 0)
    metadata = _with_annotations(scaler["metadata"], annotations)
    return {**scaler, "metadata": metadata, "spec": spec, "status": status}


def _cpu_metric(target: int) -> Manifest:
    utilization = {"type": "Utilization", "averageUtilization": target}
    return {"type": "Resource", "resource": {"name": "cpu", "target": utilization}}


def _cpu_target(metric: Manifest) -> int | None:
    resource = metric.get("resource") or {}
    if resource.get("name") != "cpu":
        return None
    target: int | None = (resource.get("target") or {}).get("averageUtilization")
    return target


def _to_v1_metric(metric: Manifest) -> Manifest:
    resource = metric.get("resource")
    if not resource:
        return metric
    target = resource.get("target") or {}
    flat = {"name": resource["name"]}
    if "averageUtilization" in target:
        flat["targetAverageUtilization"] = target["averageUtilization"]
    if "averageValue" in target:
        flat["targetAverageValue"] = target["averageValue"]
    return {"type": "Resource", "resource": flat}


def _from_v1_metric(metric: Manifest) -> Manifest:
    resource = metric.get("resource")
    if not resource or "target" in resource:
        return metric
    if "targetAverageUtilization" in resource:
        target = {"type": "Utilization", "averageUtilization": resource["targetAverageUtilization"]}
    else:
        target = {"type": "AverageValue", "averageValue": resource.get("targetAverageValue", "0")}
    return {"type": "Resource", "resource": {"name": resource["name"], "target": target}}


def _internal_behavior(behavior: Manifest) -> Manifest:
    """``behavior`` as v1 keeps it in an annotation: capitalised, every field there, in the server's order."""
    return {name: _internal_rules(behavior.get(name[:1].lower() + name[1:])) for name in ("ScaleUp", "ScaleDown")}


def _internal_rules(rules: Manifest | None) -> Manifest | None:
    if rules is None:
        return None
    policies = rules.get("policies")
    listed = policies and [
        {"Type": each.get("type", ""), "Value": each.get("value", 0), "PeriodSeconds": each.get("periodSeconds", 0)}
        for each in policies
    ]
    return {
        "StabilizationWindowSeconds": rules.get("stabilizationWindowSeconds"),
        "SelectPolicy": rules.get("selectPolicy"),
        "Policies": listed,
        "Tolerance": rules.get("tolerance"),
    }


def _uncapitalised(value: Json) -> Json:
    if isinstance(value, dict):
        return {
            key[:1].lower() + key[1:]: _uncapitalised(member) for key, member in value.items() if member is not None
        }
    if isinstance(value, list):
        return [_uncapitalised(item) for item in value]
    return value


def _parsed(text: str, otherwise: Json) -> Json:
    try:
        return orjson.loads(text) if text else otherwise
    except orjson.JSONDecodeError:
        return otherwise


def _with_annotations(metadata: Manifest, annotations: Manifest) -> Manifest:
    kept = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**kept, "annotations": annotations} if annotations else kept
