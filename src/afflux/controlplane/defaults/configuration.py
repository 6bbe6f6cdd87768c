"""Defaults of Secrets, storage, access, autoscaling and registration."""

import base64

from afflux.controlplane.defaults.pod import VOLUME_SOURCES
from afflux.controlplane.defaults.rules import Fields, Node

_RBAC_GROUP = "rbac.authorization.k8s.io"


def _string_data(secret: Node) -> Node:
    """``stringData`` is write-only: it ends in ``data``, over what is there."""
    if "stringData" not in secret:
        return secret
    encoded = {
        key: base64.b64encode((value or "").encode()).decode() for key, value in (secret["stringData"] or {}).items()
    }
    rest = {name: value for name, value in secret.items() if name != "stringData"}
    return {**rest, "data": {**(secret.get("data") or {}), **encoded}} if encoded else rest


SECRET = Fields({"type": "Opaque"}, then=(_string_data,))


def _name_label(namespace: Node) -> Node:
    metadata = namespace.get("metadata") or {}
    name, labels = metadata.get("name"), metadata.get("labels") or {}
    if not name or labels.get("kubernetes.io/metadata.name") == name:
        return namespace
    return {**namespace, "metadata": {**metadata, "labels": {**labels, "kubernetes.io/metadata.name": name}}}


NAMESPACE = Fields(then=(_name_label,))

PERSISTENT_VOLUME_CLAIM = Fields(inside={"spec": Fields({"volumeMode": "Filesystem"})})
PERSISTENT_VOLUME = Fields(
    inside={
        "spec": Fields({"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"}, inside=VOLUME_SOURCES)
    }
)
STORAGE_CLASS = Fields({"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"})
PRIORITY_CLASS = Fields({"preemptionPolicy": "PreemptLowerPriority"})


def _container_limits(limit: Node) -> Node:
    """A container's default limit is the maximum; its default request the default limit, then the minimum."""
    if limit.get("type") != "Container":
        return limit
    default = {**(limit.get("max") or {}), **(limit.get("default") or {})}
    request = {**(limit.get("min") or {}), **default, **(limit.get("defaultRequest") or {})}
    sides = {"default": default, "defaultRequest": request}
    changes = {name: amounts for name, amounts in sides.items() if amounts and amounts != limit.get(name)}
    return {**limit, **changes} if changes else limit


LIMIT_RANGE = Fields(inside={"spec": Fields(each={"limits": _container_limits})})


def _subject(subject: Node) -> Node:
    if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
        return {**subject, "apiGroup": _RBAC_GROUP}
    return subject


def _role_group(role: Node) -> Node:
    return role if role.get("apiGroup") else {**role, "apiGroup": _RBAC_GROUP}


BINDING = Fields(inside={"roleRef": _role_group}, each={"subjects": _subject})

_CPU_80 = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
_UP_POLICIES = [
    {"type": "Pods", "value": 4, "periodSeconds": 15},
    {"type": "Percent", "value": 100, "periodSeconds": 15},
]
_SCALE_UP = {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": _UP_POLICIES}
_SCALE_DOWN = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}
_BEHAVIOR = Fields(
    {"scaleUp": {}, "scaleDown": {}}, inside={"scaleUp": Fields(_SCALE_UP), "scaleDown": Fields(_SCALE_DOWN)}
)


def _metrics(spec: Node) -> Node:
    return spec if spec.get("metrics") else {**spec, "metrics": [_CPU_80]}


HORIZONTAL_POD_AUTOSCALER = Fields(
    inside={"spec": Fields({"minReplicas": 1}, inside={"behavior": _BEHAVIOR}, then=(_metrics,))}
)
HORIZONTAL_POD_AUTOSCALER_V1 = Fields(inside={"spec": Fields({"minReplicas": 1})})

_WEBHOOK_RULE = Fields({"scope": "*"})
_WEBHOOK = {
    "failurePolicy": "Fail",
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
    "timeoutSeconds": 10,
}
_SERVICE_PORT = Fields(inside={"service": Fields({"port": 443})})
_WEBHOOK_INSIDE = {"clientConfig": _SERVICE_PORT}
VALIDATING_WEBHOOKS = Fields(each={"webhooks": Fields(_WEBHOOK, inside=_WEBHOOK_INSIDE, each={"rules": _WEBHOOK_RULE})})
MUTATING_WEBHOOKS = Fields(
    each={
        "webhooks": Fields(
            {**_WEBHOOK, "reinvocationPolicy": "Never"}, inside=_WEBHOOK_INSIDE, each={"rules": _WEBHOOK_RULE}
        )
    }
)
_MATCH = {"namespaceSelector": {}, "objectSelector": {}, "matchPolicy": "Equivalent"}
_RESOURCES = Fields(_MATCH, each={"resourceRules": _WEBHOOK_RULE, "excludeResourceRules": _WEBHOOK_RULE})
ADMISSION_POLICY = Fields(inside={"spec": Fields({"failurePolicy": "Fail"}, inside={"matchConstraints": _RESOURCES})})
ADMISSION_POLICY_BINDING = Fields(inside={"spec": Fields(inside={"matchResources": _RESOURCES})})
API_SERVICE = Fields(inside={"spec": _SERVICE_PORT})


def _names(spec: Node) -> Node:
    names = spec.get("names")
    if not isinstance(names, dict) or not names.get("kind"):
        return spec
    kind = str(names["kind"])
    new = Fields({"singular": kind.lower(), "listKind": f"{kind}List"})(names)
    return spec if new is names else {**spec, "names": new}


_WEBHOOK_CONVERSION = Fields(inside={"webhook": Fields(inside={"clientConfig": _SERVICE_PORT})})
CUSTOM_RESOURCE_DEFINITION = Fields(
    inside={
        "spec": Fields({"conversion": {"strategy": "None"}}, inside={"conversion": _WEBHOOK_CONVERSION}, then=(_names,))
    }
)


_EVENT_ZEROS: Node = {"firstTimestamp": None, "lastTimestamp": None, "eventTime": None}


def _event(event: Node) -> Node:
    """Times and reporters that Go prints when they are empty."""
    zeros = {**_EVENT_ZEROS, "source": {}, "reportingComponent": "", "reportingInstance": ""}
    missing = {name: zero for name, zero in zeros.items() if name not in event}
    return {**event, **missing} if missing else event


EVENT = Fields(then=(_event,))
