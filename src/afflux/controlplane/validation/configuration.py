"""ConfigMaps, Secrets, storage, autoscaling, disruption budgets and priorities."""

import base64
import json

from afflux.controlplane.errors import FieldError
from afflux.controlplane.field_errors import (
    forbidden,
    immutable,
    invalid_value,
    not_supported,
    printed,
    required,
    too_long,
)
from afflux.controlplane.validation.checks import Errors, Node, counts, node, nodes, one_of, present, well_formed
from afflux.controlplane.validation.formats import amount, config_key, count_or_percent, dns_subdomain
from afflux.objects.manifest import Json

MAX_DATA = 1024 * 1024
"""Bytes of data that a ConfigMap or Secret may hold."""
_FROZEN = "field is immutable when `immutable` is set"


_EVENT_FIELDS = (
    *(("regarding", "involvedObject"), ("reason", "reason"), ("note", "message"), ("deprecatedSource", "source")),
    *(("deprecatedFirstTimestamp", "firstTimestamp"), ("deprecatedLastTimestamp", "lastTimestamp")),
    *(("deprecatedCount", "count"), ("type", "type"), ("eventTime", "eventTime"), ("action", "action")),
    *(("related", "related"), ("reportingController", "reportingController")),
    ("reportingInstance", "reportingInstance"),
)
"""Of an Event in its newer version: the field, and what refusals call it."""


def validate_event(new: Node, old: Node | None) -> Errors:
    """Through ``events.k8s.io`` an Event stays as it was made, but for its series."""
    if old is not None:
        for name, shown in _EVENT_FIELDS:
            if new.get(name) != old.get(name):
                yield immutable(shown, new.get(name))


def validate_config_map(new: Node, old: Node | None) -> Errors:
    """Keys, size, and what ``immutable`` froze."""
    data, binary = node(new.get("data")), node(new.get("binaryData"))
    for key in data:
        yield from well_formed(f"data[{key}]", key, config_key)
        if key in binary:
            yield invalid_value(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key in binary:
        yield from well_formed(f"binaryData[{key}]", key, config_key)
    if _text_size(data) + _decoded_size(binary) > MAX_DATA:
        yield too_long("[]", MAX_DATA)
    yield from _frozen(new, old, "data", "binaryData")


def validate_secret(new: Node, old: Node | None) -> Errors:
    """Keys, size, what its type asks for; the type stays."""
    data = node(new.get("data"))
    for key in data:
        yield from well_formed(f"data[{key}]", key, config_key)
    if _decoded_size(data) > MAX_DATA:
        yield too_long("data", MAX_DATA)
    yield from _typed_secret(new, data)
    if old is not None and new.get("type") != old.get("type"):
        yield immutable("type", new.get("type"))
    yield from _frozen(new, old, "data")


_SECRET_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def _typed_secret(secret: Node, data: Node) -> Errors:
    kind = str(secret.get("type") or "")
    for key in _SECRET_KEYS.get(kind, ()):
        if key not in data:
            yield required(f"data[{key}]")
        elif key.startswith(".docker") and not _is_json(data[key]):
            # The value is never shown.
            yield invalid_value(f"data[{key}]", "<secret contents redacted>", "invalid character in JSON document")
    if kind == "kubernetes.io/basic-auth" and not ("username" in data or "password" in data):
        yield required("data[username]")
        yield required("data[password]")
    if kind == "kubernetes.io/service-account-token":
        annotations = node(node(secret.get("metadata")).get("annotations"))
        if not annotations.get("kubernetes.io/service-account.name"):
            yield required("metadata.annotations[kubernetes.io/service-account.name]")


def _is_json(encoded: Json) -> bool:
    try:
        json.loads(base64.b64decode(encoded or ""))
    except ValueError:
        return False
    return True


def _frozen(new: Node, old: Node | None, *names: str) -> Errors:
    if old is None or not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield forbidden("immutable", _FROZEN)
    for name in names:
        if node(new.get(name)) != node(old.get(name)):
            yield forbidden(name, _FROZEN)


def _text_size(data: Node) -> int:
    return sum(len(value.encode()) for value in data.values() if isinstance(value, str))


def _decoded_size(data: Node) -> int:
    return sum(len(value) * 3 // 4 for value in data.values() if isinstance(value, str))


_CLAIM_UPDATE = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)


def validate_claim(new: Node, old: Node | None) -> Errors:
    """Access modes and a size; afterwards only the size may grow."""
    spec = node(new.get("spec"))
    if not spec.get("accessModes"):
        yield required("spec.accessModes", "at least 1 access mode is required")
    if not node(node(spec.get("resources")).get("requests")).get("storage"):
        yield required("spec.resources[storage]")
    if old is not None and _claim_frozen(spec) != _claim_frozen(node(old.get("spec"))):
        # Binding may fill in the volume once.
        before = node(old.get("spec"))
        if before.get("volumeName") or _claim_frozen({**spec, "volumeName": None}) != _claim_frozen(before):
            yield forbidden("spec", _CLAIM_UPDATE)


def _claim_frozen(spec: Node) -> Node:
    free = ("resources", "volumeAttributesClassName")
    return {name: value for name, value in spec.items() if name not in free and value is not None}


_NOT_A_SOURCE = frozenset(
    {
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    }
)


def validate_volume(new: Node, old: Node | None) -> Errors:
    """A capacity, access modes and one source."""
    spec = node(new.get("spec"))
    if not spec.get("accessModes"):
        yield required("spec.accessModes")
    if not spec.get("capacity"):
        yield required("spec.capacity")
    size = amount(node(spec.get("capacity")).get("storage", "1"))
    if size is not None and size <= 0:
        yield invalid_value("spec.capacity[storage]", str(spec["capacity"]["storage"]), "must be greater than zero")
    sources = [name for name in spec if name not in _NOT_A_SOURCE and spec[name] is not None]
    if not sources:
        yield required("spec", "must specify a volume type")
    for extra in sources[1:]:
        yield forbidden(f"spec.{extra}", "may not specify more than 1 volume type")


def validate_storage_class(new: Node, old: Node | None) -> Errors:
    """A provisioner; nearly nothing may change."""
    yield from present(new, "", "provisioner")
    if old is None:
        return
    for name in ("provisioner", "parameters", "reclaimPolicy"):
        if (new.get(name) or {}) != (old.get(name) or {}):
            yield forbidden(name, f"updates to {name} are forbidden.")
    if new.get("volumeBindingMode") != old.get("volumeBindingMode"):
        yield immutable("volumeBindingMode", new.get("volumeBindingMode"))


def validate_autoscaler(new: Node, old: Node | None) -> Errors:
    """A target and bounds that make sense."""
    spec = node(new.get("spec"))
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if isinstance(least, int) and least < 1:
        yield invalid_value("spec.minReplicas", least, "must be greater than or equal to 1")
    if most < 1:
        yield invalid_value("spec.maxReplicas", most, "must be greater than 0")
    if isinstance(least, int) and most < least:
        yield invalid_value("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    target = node(spec.get("scaleTargetRef"))
    yield from present(target, "spec.scaleTargetRef", "kind", "name")
    if "/" not in str(target.get("apiVersion") or "") and target.get("kind") not in (None, "", "ReplicationController"):
        words = "apiVersion must specify API group"
        yield invalid_value("spec.scaleTargetRef.apiVersion", target.get("apiVersion") or "", words)
    for index, metric in enumerate(nodes(spec.get("metrics"))):
        if not metric.get("type"):
            yield required(f"spec.metrics[{index}].type", "must specify a metric source type")


def validate_disruption_budget(new: Node, old: Node | None) -> Errors:
    """One of the two limits."""
    spec = node(new.get("spec"))
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        # The real server shows its internal struct here: Go's names, in Go's order.
        names = ("MinAvailable", "Selector", "MaxUnavailable", "UnhealthyPodEvictionPolicy")
        shown = ",".join(f'"{name}":{printed(spec.get(name[0].lower() + name[1:]))}' for name in names)
        words = f"Invalid value: {{{shown}}}: minAvailable and maxUnavailable cannot be both set"
        yield FieldError("FieldValueInvalid", words, "spec")
    for name in ("minAvailable", "maxUnavailable"):
        for problem in count_or_percent(spec.get(name)):
            yield invalid_value(f"spec.{name}", spec.get(name), problem)


def validate_priority_class(new: Node, old: Node | None) -> Errors:
    """The value stays, and high values are the system's."""
    value, name = new.get("value") or 0, str(node(new.get("metadata")).get("name") or "")
    if value > 1_000_000_000 and not name.startswith("system-"):
        text = "maximum allowed value of a user defined priority is 1000000000"
        yield forbidden("value", text)
    if old is not None and value != (old.get("value") or 0):
        yield forbidden("value", "may not be changed in an update.")


def validate_lease(new: Node, old: Node | None) -> Errors:
    """Durations and counts that aren't negative."""
    spec = node(new.get("spec"))
    if isinstance(spec.get("leaseDurationSeconds"), int) and spec["leaseDurationSeconds"] <= 0:
        yield invalid_value("spec.leaseDurationSeconds", spec["leaseDurationSeconds"], "must be greater than 0")
    yield from counts(spec, "spec", "leaseTransitions")


def validate_endpoint_slice(new: Node, old: Node | None) -> Errors:
    """An address type that stays."""
    kind = new.get("addressType")
    if not kind:
        yield required("addressType")
    else:
        yield from one_of("addressType", kind, ("FQDN", "IPv4", "IPv6"))
    if old is not None and kind != old.get("addressType"):
        yield immutable("addressType", kind)


def validate_webhooks(new: Node, old: Node | None) -> Errors:
    """What a webhook can't be without."""
    for index, webhook in enumerate(nodes(new.get("webhooks"))):
        where = f"webhooks[{index}]"
        yield from well_formed(f"{where}.name", webhook.get("name") or "", dns_subdomain)
        config = node(webhook.get("clientConfig"))
        if bool(config.get("url")) == bool(config.get("service")):
            yield required(f"{where}.clientConfig", "exactly one of url or service is required")
        if webhook.get("sideEffects") not in ("None", "NoneOnDryRun"):
            yield not_supported(f"{where}.sideEffects", webhook.get("sideEffects") or "", ("None", "NoneOnDryRun"))
