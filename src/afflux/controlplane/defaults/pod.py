"""Defaults of Pods and of every Pod template."""

from afflux.controlplane.defaults.rules import Fields, Node
from afflux.objects.manifest import Json

_MODE_420 = {"defaultMode": 420}
_HTTP_GET = Fields({"path": "/", "scheme": "HTTP"})
_HANDLER = Fields(inside={"httpGet": _HTTP_GET})
_PROBE = Fields(
    {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
    inside={"httpGet": _HTTP_GET, "grpc": Fields({"service": ""})},
)
_FIELD_REF = Fields(inside={"fieldRef": Fields({"apiVersion": "v1"})})
_VALUE_FROM = Fields(
    inside={"fieldRef": Fields({"apiVersion": "v1"}), "fileKeyRef": Fields({"optional": False})},
)


def pull_policy(image: Json) -> str:
    """``Always`` for the tag ``latest`` (which no tag and no digest means), else ``IfNotPresent``."""
    text = image if isinstance(image, str) else ""
    name, _, digest = text.partition("@")
    _, _, tag = name.rpartition("/")[2].partition(":")
    return "Always" if tag == "latest" or not (tag or digest) else "IfNotPresent"


def _container_pull_policy(container: Node) -> Node:
    if container.get("imagePullPolicy"):
        return container
    return {**container, "imagePullPolicy": pull_policy(container.get("image"))}


_CONTAINER = Fields(
    {"resources": {}, "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"},
    inside={
        "livenessProbe": _PROBE,
        "readinessProbe": _PROBE,
        "startupProbe": _PROBE,
        "lifecycle": Fields(inside={"postStart": _HANDLER, "preStop": _HANDLER}),
    },
    each={"ports": Fields({"protocol": "TCP"}), "env": Fields(inside={"valueFrom": _VALUE_FROM})},
    then=(_container_pull_policy,),
)

_CLAIM_TEMPLATE = Fields({"metadata": {}}, inside={"spec": Fields({"volumeMode": "Filesystem"})})
_PROJECTION = Fields(
    inside={
        "serviceAccountToken": Fields({"expirationSeconds": 3600}),
        "downwardAPI": Fields(each={"items": _FIELD_REF}),
    }
)
VOLUME_SOURCES = {
    "secret": Fields(_MODE_420),
    "configMap": Fields(_MODE_420),
    "downwardAPI": Fields(_MODE_420, each={"items": _FIELD_REF}),
    "projected": Fields(_MODE_420, each={"sources": _PROJECTION}),
    "hostPath": Fields({"type": ""}),
    "iscsi": Fields({"iscsiInterface": "default"}),
    "rbd": Fields({"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"}),
    "azureDisk": Fields({"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False}),
    "scaleIO": Fields({"storageMode": "ThinProvisioned", "fsType": "xfs"}),
    "ephemeral": Fields(inside={"volumeClaimTemplate": _CLAIM_TEMPLATE}),
}


def _volume_has_a_source(volume: Node) -> Node:
    return {**volume, "emptyDir": {}} if all(name == "name" for name in volume) else volume


def _service_account(spec: Node) -> Node:
    """Both names of the field carry the same value; the new one wins."""
    name = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if not name or (spec.get("serviceAccountName") == name and spec.get("serviceAccount") == name):
        return spec
    return {**spec, "serviceAccountName": name, "serviceAccount": name}


_CONTAINER_LISTS = {"containers": _CONTAINER, "initContainers": _CONTAINER, "ephemeralContainers": _CONTAINER}

POD_SPEC = Fields(
    {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    },
    each={**_CONTAINER_LISTS, "volumes": Fields(inside=VOLUME_SOURCES, then=(_volume_has_a_source,))},
    then=(_service_account,),
)

TEMPLATE = Fields(inside={"spec": POD_SPEC})
"""A workload's ``spec.template``: limits stay limits here; only a Pod's own become requests."""


def _requests_from_limits(container: Node) -> Node:
    resources = container.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    missing = {name: amount for name, amount in limits.items() if name not in requests}
    if not missing:
        return container
    return {**container, "resources": {**resources, "requests": {**requests, **missing}}}


def _host_ports(spec: Node) -> Node:
    if not spec.get("hostNetwork"):
        return spec

    def host_port(port: Node) -> Node:
        return port if port.get("hostPort") else {**port, "hostPort": port.get("containerPort")}

    on_host = Fields(each={"ports": host_port})
    return Fields(each={"containers": on_host, "initContainers": on_host})(spec)


_OWN_CONTAINER = {"containers": _requests_from_limits, "initContainers": _requests_from_limits}
POD = Fields(
    inside={
        "spec": Fields(
            {"enableServiceLinks": True},
            then=(POD_SPEC, Fields(each=_OWN_CONTAINER), _host_ports),
        )
    }
)
