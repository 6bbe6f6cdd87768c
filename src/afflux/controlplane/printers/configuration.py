"""Configuration, policy, storage and access: kinds that mostly show what is written in them."""

from __future__ import annotations

from typing import Final

from afflux.controlplane.printers.column import (
    NONE,
    Cells,
    Printer,
    age_of,
    columns,
    joined,
    name_of,
    spec_of,
    status_of,
)
from afflux.objects.manifest import Json, Manifest

_ACCESS_MODES: Final = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def _data_count(manifest: Manifest) -> int:
    return len(manifest.get("data") or ()) + len(manifest.get("binaryData") or ())


def _config_map(config_map: Manifest, now: float) -> list[Json]:
    return [name_of(config_map), _data_count(config_map), age_of(config_map, now)]


def _secret(secret: Manifest, now: float) -> list[Json]:
    return [name_of(secret), secret.get("type", ""), _data_count(secret), age_of(secret, now)]


def _only_age(manifest: Manifest, now: float) -> list[Json]:
    return [name_of(manifest), age_of(manifest, now)]


def _created_at(manifest: Manifest, now: float) -> list[Json]:
    return [name_of(manifest), manifest["metadata"].get("creationTimestamp", "<unknown>")]


def _binding(binding: Manifest, now: float) -> list[Json]:
    role, subjects = binding.get("roleRef") or {}, binding.get("subjects") or ()

    def named(kind: str) -> str:
        return ", ".join(
            f"{each['namespace']}/{each['name']}" if kind == "ServiceAccount" else each.get("name", "")
            for each in subjects
            if each.get("kind") == kind
        )

    shown = f"{role.get('kind')}/{role.get('name')}"
    return [name_of(binding), shown, age_of(binding, now), named("User"), named("Group"), named("ServiceAccount")]


def _quota(quota: Manifest, now: float) -> list[Json]:
    status = status_of(quota)
    hard, used = status.get("hard") or spec_of(quota).get("hard") or {}, status.get("used") or {}

    def listed(limits: bool) -> str:
        names = sorted(name for name in hard if name.startswith("limits.") is limits)
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)

    return [name_of(quota), listed(False), listed(True), age_of(quota, now)]


def _modes(spec: Manifest) -> str:
    return ",".join(_ACCESS_MODES.get(mode, mode) for mode in spec.get("accessModes") or ())


def _claim(claim: Manifest, now: float) -> list[Json]:
    spec, status = spec_of(claim), status_of(claim)
    bound = bool(spec.get("volumeName"))
    phase = "Terminating" if "deletionTimestamp" in claim["metadata"] else status.get("phase", "")
    return [
        name_of(claim),
        phase,
        spec.get("volumeName", ""),
        (status.get("capacity") or {}).get("storage", "") if bound else "",
        _modes(status) if bound else "",
        spec.get("storageClassName", ""),
        spec.get("volumeAttributesClassName") or "<unset>",
        age_of(claim, now),
        spec.get("volumeMode") or "<unset>",
    ]


def _volume(volume: Manifest, now: float) -> list[Json]:
    spec, status = spec_of(volume), status_of(volume)
    claim = spec.get("claimRef")
    phase = "Terminating" if "deletionTimestamp" in volume["metadata"] else status.get("phase", "")
    return [
        name_of(volume),
        (spec.get("capacity") or {}).get("storage", ""),
        _modes(spec),
        spec.get("persistentVolumeReclaimPolicy", ""),
        phase,
        f"{claim.get('namespace')}/{claim.get('name')}" if claim else "",
        spec.get("storageClassName", ""),
        spec.get("volumeAttributesClassName") or "<unset>",
        status.get("reason", ""),
        age_of(volume, now),
        spec.get("volumeMode") or "<unset>",
    ]


def _storage_class(class_: Manifest, now: float) -> list[Json]:
    is_default = class_["metadata"].get("annotations", {}).get("storageclass.kubernetes.io/is-default-class") == "true"
    return [
        f"{name_of(class_)} (default)" if is_default else name_of(class_),
        class_.get("provisioner", ""),
        class_.get("reclaimPolicy", "Delete"),
        class_.get("volumeBindingMode", "Immediate"),
        bool(class_.get("allowVolumeExpansion")),
        age_of(class_, now),
    ]


def _disruption_budget(budget: Manifest, now: float) -> list[Json]:
    spec, status = spec_of(budget), status_of(budget)

    def shown(key: str) -> str:
        value = spec.get(key)
        return "N/A" if value is None else str(value)

    allowed = status.get("disruptionsAllowed", 0)
    return [name_of(budget), shown("minAvailable"), shown("maxUnavailable"), allowed, age_of(budget, now)]


def _scaler(scaler: Manifest, now: float) -> list[Json]:
    spec, status = spec_of(scaler), status_of(scaler)
    target = spec.get("scaleTargetRef") or {}
    return [
        name_of(scaler),
        f"{target.get('kind')}/{target.get('name')}",
        _targets(spec, status),
        str(spec["minReplicas"]) if spec.get("minReplicas") is not None else "<unset>",
        spec.get("maxReplicas", 0),
        status.get("currentReplicas", 0),
        age_of(scaler, now),
    ]


def _targets(spec: Manifest, status: Manifest) -> str:
    if spec.get("targetCPUUtilizationPercentage") is not None:
        current = status.get("currentCPUUtilizationPercentage")
        shown = "<unknown>" if current is None else f"{current}%"
        return f"cpu: {shown}/{spec['targetCPUUtilizationPercentage']}%"
    metrics = spec.get("metrics") or ()
    current_metrics = status.get("currentMetrics") or ()
    shown_metrics = [
        _metric(metric, current_metrics[index] if index < len(current_metrics) else {})
        for index, metric in enumerate(metrics[:2])
    ]
    more = f" + {len(metrics) - 2} more..." if len(metrics) > 2 else ""
    return joined(shown_metrics).replace(",", ", ") + more


def _metric(metric: Manifest, current: Manifest) -> str:
    kind = str(metric.get("type", ""))
    field = kind[:1].lower() + kind[1:]
    body, now = metric.get(field) or {}, (current.get(field) or {}).get("current") or {}
    target = body.get("target") or {}
    name = f"{body['name']}: " if body.get("name") else ""
    if target.get("averageUtilization") is not None:
        used = now.get("averageUtilization")
        return f"{name}{'<unknown>' if used is None else f'{used}%'}/{target['averageUtilization']}%"
    wanted = target.get("averageValue") or target.get("value") or "<unknown>"
    average = " (avg)" if target.get("averageValue") else ""
    return f"{name}{now.get('averageValue') or now.get('value') or '<unknown>'}/{wanted}{average}"


def _priority_class(class_: Manifest, now: float) -> list[Json]:
    return [
        name_of(class_),
        class_.get("value", 0),
        bool(class_.get("globalDefault")),
        age_of(class_, now),
        class_.get("preemptionPolicy", NONE),
    ]


def _counting(field: str) -> Cells:
    def cells(manifest: Manifest, now: float) -> list[Json]:
        return [name_of(manifest), len(manifest.get(field) or ()), age_of(manifest, now)]

    return cells


def _policy(field: str) -> Cells:
    def cells(policy: Manifest, now: float) -> list[Json]:
        spec = spec_of(policy)
        kind = spec.get("paramKind")
        param = f"{kind.get('apiVersion')}/{kind.get('kind')}" if kind else "<unset>"
        return [name_of(policy), len(spec.get(field) or ()), param, age_of(policy, now)]

    return cells


def _policy_binding(binding: Manifest, now: float) -> list[Json]:
    spec = spec_of(binding)
    ref = spec.get("paramRef")
    param = "<unset>"
    if ref:
        name = ref.get("name") or "*"
        param = f"{ref['namespace']}/{name}" if ref.get("namespace") else name
    return [name_of(binding), spec.get("policyName", ""), param, age_of(binding, now)]


_HPA_COLUMNS: Final = "Reference, Targets, MinPods, MaxPods, Replicas, Age"
_ADMISSION: Final = "admissionregistration.k8s.io"
_RBAC: Final = "rbac.authorization.k8s.io"

PRINTERS: Final = {
    ("", "ConfigMap"): Printer(columns("Data, Age"), _config_map),
    ("", "Secret"): Printer(columns("Type, Data, Age"), _secret),
    ("", "ServiceAccount"): Printer(columns("Age"), _only_age),
    ("", "LimitRange"): Printer(columns("Created At:date"), _created_at),
    ("", "ResourceQuota"): Printer(columns("Request, Limit, Age"), _quota),
    ("", "PersistentVolumeClaim"): Printer(
        columns("Status, Volume, Capacity, Access Modes, StorageClass, VolumeAttributesClass, Age, VolumeMode*"), _claim
    ),
    ("", "PersistentVolume"): Printer(
        columns(
            "Capacity, Access Modes, Reclaim Policy, Status, Claim, StorageClass, VolumeAttributesClass, Reason, Age, "
            "VolumeMode*"
        ),
        _volume,
    ),
    ("storage.k8s.io", "StorageClass"): Printer(
        columns("Provisioner, ReclaimPolicy, VolumeBindingMode, AllowVolumeExpansion, Age"), _storage_class
    ),
    ("policy", "PodDisruptionBudget"): Printer(
        columns("Min Available, Max Unavailable, Allowed Disruptions:int, Age"), _disruption_budget
    ),
    ("autoscaling", "HorizontalPodAutoscaler"): Printer(columns(_HPA_COLUMNS), _scaler),
    ("scheduling.k8s.io", "PriorityClass"): Printer(
        columns("Value:int, Global-Default:bool, Age, PreemptionPolicy"), _priority_class
    ),
    (_RBAC, "RoleBinding"): Printer(columns("Role, Age, Users*, Groups*, ServiceAccounts*"), _binding),
    (_RBAC, "ClusterRoleBinding"): Printer(columns("Role, Age, Users*, Groups*, ServiceAccounts*"), _binding),
    (_RBAC, "Role"): Printer(columns("Created At:date"), _created_at),
    (_RBAC, "ClusterRole"): Printer(columns("Created At:date"), _created_at),
    (_ADMISSION, "ValidatingWebhookConfiguration"): Printer(columns("Webhooks:int, Age"), _counting("webhooks")),
    (_ADMISSION, "MutatingWebhookConfiguration"): Printer(columns("Webhooks:int, Age"), _counting("webhooks")),
    (_ADMISSION, "ValidatingAdmissionPolicy"): Printer(
        columns("Validations:int, ParamKind, Age"), _policy("validations")
    ),
    (_ADMISSION, "MutatingAdmissionPolicy"): Printer(columns("Mutations:int, ParamKind, Age"), _policy("mutations")),
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): Printer(columns("PolicyName, ParamRef, Age"), _policy_binding),
    (_ADMISSION, "MutatingAdmissionPolicyBinding"): Printer(columns("PolicyName, ParamRef, Age"), _policy_binding),
}
