"""What a new Pod gets: its service account with the token's volume, priority, tolerations, quality of service."""

from __future__ import annotations

import hashlib

from afflux.controlplane.pipeline import WriteContext
from afflux.controlplane.served_kind import StorageKey
from afflux.objects.manifest import Json, Manifest

_SERVICE_ACCOUNTS = StorageKey("", "serviceaccounts")
_PRIORITY_CLASSES = StorageKey("scheduling.k8s.io", "priorityclasses")
_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SYSTEM_PRIORITIES = {"system-node-critical": 2000001000, "system-cluster-critical": 2000000000}
_PATIENCE = tuple(
    {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for state in ("not-ready", "unreachable")
)


def create(context: WriteContext, new: Manifest) -> Manifest:
    """The Pod as the plugins of a real server leave it."""
    spec = _with_service_account(context, new)
    spec = _with_priority(context, spec)
    missing = [dict(wanted) for wanted in _PATIENCE if not _tolerates(spec, wanted)]
    if missing:
        spec = {**spec, "tolerations": [*(spec.get("tolerations") or ()), *missing]}
    return {**new, "spec": spec, "status": {"phase": "Pending", "qosClass": quality_of_service(spec)}}


def update(context: WriteContext, new: Manifest, old: Manifest) -> Manifest:
    """What the server chose at creation stays where a PUT leaves it out."""
    chosen = ("nodeName", "serviceAccountName", "serviceAccount", "priority", "preemptionPolicy", "tolerations")
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    kept = {name: before[name] for name in chosen if name in before and spec.get(name) is None}
    return {**new, "spec": {**spec, **kept}} if kept else new


def quality_of_service(spec: Manifest) -> str:
    """``Guaranteed``, ``Burstable`` or ``BestEffort``, from the containers' cpu and memory."""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    resources = [container.get("resources") or {} for container in containers]
    if not any(_counted(r.get("limits")) or _counted(r.get("requests")) for r in resources):
        return "BestEffort"
    full = all(
        len(_counted(r.get("limits"))) == 2 and _counted(r.get("requests")) == _counted(r.get("limits"))
        for r in resources
    )
    return "Guaranteed" if full else "Burstable"


def _counted(amounts: Json) -> dict[str, Json]:
    return {name: amount for name, amount in (amounts or {}).items() if name in ("cpu", "memory")}


def _tolerates(spec: Manifest, wanted: Manifest) -> bool:
    def covers(toleration: Manifest) -> bool:
        same_key = toleration.get("key") in (wanted["key"], None, "")
        return same_key and toleration.get("effect") in ("NoExecute", None, "")

    # A bare key tolerates any effect only for that key; an empty key with Exists tolerates everything.
    return any(covers(t) and (t.get("key") or t.get("operator") == "Exists") for t in spec.get("tolerations") or ())


def _with_priority(context: WriteContext, spec: Manifest) -> Manifest:
    name = spec.get("priorityClassName") or ""
    priority, preemption = _SYSTEM_PRIORITIES.get(name, 0), "PreemptLowerPriority"
    stored = context.store.get(_PRIORITY_CLASSES, "", name) if name else None
    if stored is not None:
        priority = stored.manifest.get("value", 0)
        preemption = stored.manifest.get("preemptionPolicy") or preemption
    return {**spec, "priority": priority, "preemptionPolicy": spec.get("preemptionPolicy") or preemption}


def _with_service_account(context: WriteContext, pod: Manifest) -> Manifest:
    spec: Manifest = pod.get("spec") or {}
    name = spec.get("serviceAccountName") or "default"
    spec = {**spec, "serviceAccountName": name, "serviceAccount": name}
    stored = context.store.get(_SERVICE_ACCOUNTS, pod["metadata"].get("namespace", ""), name)
    account: Manifest = stored.manifest if stored else {}
    if account.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
        spec["imagePullSecrets"] = account["imagePullSecrets"]
    mounted = spec.get("automountServiceAccountToken")
    if mounted is None:
        mounted = account.get("automountServiceAccountToken")
    return spec if mounted is False else _with_token(spec, pod["metadata"].get("uid", ""))


def _with_token(spec: Manifest, uid: str) -> Manifest:
    volume = f"kube-api-access-{_suffix(uid)}"
    mount = {"name": volume, "readOnly": True, "mountPath": _TOKEN_PATH}
    changed: Manifest = {}
    for field in ("containers", "initContainers"):
        containers = spec.get(field) or ()
        with_mount = [container if _has_token(container) else _mounting(container, mount) for container in containers]
        if any(a is not b for a, b in zip(with_mount, containers, strict=True)):
            changed[field] = with_mount
    if not changed:
        return spec
    return {**spec, **changed, "volumes": [*(spec.get("volumes") or ()), _token_volume(volume)]}


def _has_token(container: Manifest) -> bool:
    return any(mount.get("mountPath") == _TOKEN_PATH for mount in container.get("volumeMounts") or ())


def _mounting(container: Manifest, mount: Manifest) -> Manifest:
    return {**container, "volumeMounts": [*(container.get("volumeMounts") or ()), dict(mount)]}


def _token_volume(name: str) -> Manifest:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 420}}


def _suffix(uid: str) -> str:
    digest = hashlib.sha256(uid.encode()).digest()
    return "".join(_SUFFIX_LETTERS[byte % len(_SUFFIX_LETTERS)] for byte in digest[:5])
