"""The requests of recordings that kept only a title and the answer: what was sent is told by both together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON = "application/json"


@dataclass(frozen=True)
class Step:
    """One request. ``title`` is the recording's; empty where the recording shows no answer."""

    title: str
    request: str
    body: Any = None
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


EM = "/api/v1/namespaces/em"
CONFIG_MAPS = f"{EM}/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/em/deployments"
BOB = {"Impersonate-User": "bob"}


def config_map(name: str, **content: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **content}


def _deployment(**spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    selector = {"matchLabels": {"a": "x"}}
    return {"metadata": {"name": "d"}, "spec": {"selector": selector, "template": template, **spec}}


_BAD_CONTAINERS = [{"name": "C!"}, {"name": "d", "ports": [{"containerPort": 99999}]}]
_TWICE = (
    '{"metadata":{"name":"d"},"spec":{"replicas":0,"replicas":0,"bogus":1,"selector":{"matchLabels":{"a":"x"}},'
    '"template":{"metadata":{"labels":{"a":"x"}},"spec":{"containers":[{"name":"c","image":"i","foo":1}]}}}}'
)
_TARGET = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}
_BEHAVIOR = {"scaleDown": {"stabilizationWindowSeconds": 5}}


def _utilization(name: str, percent: int) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": name, "target": target}}


def _job(image: str) -> dict[str, Any]:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]}
    return {"metadata": {"name": "j"}, "spec": {"template": {"spec": pod}}}


_CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
_ROLE_REF = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
_BINDINGS = "/apis/rbac.authorization.k8s.io/v1/namespaces/em/rolebindings"
_HPAS = "/apis/autoscaling/v2/namespaces/em/horizontalpodautoscalers"
_REVIEW = {"spec": {"resourceAttributes": {"namespace": "em", "verb": "create", "resource": "pods"}}}
_EVENT = {
    "metadata": {"name": "e1"},
    "involvedObject": {"kind": "ConfigMap", "namespace": "em", "name": "l0"},
    "reason": "R",
    "message": "m",
    "source": {"component": "me"},
    "firstTimestamp": "2026-01-01T00:00:00Z",
    "lastTimestamp": "2026-01-01T00:00:00Z",
    "count": 2,
    "type": "Normal",
}

OBJECTS = [
    Step("create ns", "POST /api/v1/namespaces", config_map("em")),
    Step("bad name", f"POST {CONFIG_MAPS}", config_map("Bad_Name")),
    Step("no name", f"POST {CONFIG_MAPS}", {"metadata": {}}),
    Step("generateName", f"POST {CONFIG_MAPS}", {"metadata": {"generateName": "g-"}}),
    Step("exists 1", f"POST {CONFIG_MAPS}", config_map("a", data={"x": "1"})),
    Step("exists 2", f"POST {CONFIG_MAPS}", config_map("a", data={"x": "1"})),
    Step("ns mismatch", f"POST {CONFIG_MAPS}", {"metadata": {"name": "b", "namespace": "zz"}}),
    Step("kind mismatch", f"POST {CONFIG_MAPS}", {"apiVersion": "v1", "kind": "Secret", **config_map("b")}),
    Step("bad json", f"POST {CONFIG_MAPS}", "{bad"),
    Step("rv on create", f"POST {CONFIG_MAPS}", {"metadata": {"name": "b", "resourceVersion": "1"}}),
    Step("ns missing", "POST /api/v1/namespaces/nope/configmaps", config_map("b")),
    Step("unknown resource", "GET /apis/nope.io/v1/x"),
    Step("unknown resource in known group", "GET /apis/apps/v1/nopes"),
    Step("post w/o ns", "POST /api/v1/configmaps", config_map("b")),
    Step("PUT create", f"PUT {CONFIG_MAPS}/putnew", config_map("putnew")),
    Step("PUT name mismatch", f"PUT {CONFIG_MAPS}/a", config_map("zz")),
    Step("PUT stale rv", f"PUT {CONFIG_MAPS}/a", {"metadata": {"name": "a", "resourceVersion": "1"}}),
    Step("PUT no rv", f"PUT {CONFIG_MAPS}/a", config_map("a", data={"x": "2"})),
    Step("PUT same (no-op keeps rv)", f"PUT {CONFIG_MAPS}/a", config_map("a", data={"x": "2"})),
    Step("PUT bad uid", f"PUT {CONFIG_MAPS}/a", {"metadata": {"name": "a", "uid": "x"}}),
    Step("immutable cm", f"PUT {CONFIG_MAPS}/a", config_map("a", data={"x": "2"}, immutable=True)),
    Step("immutable cm change", f"PUT {CONFIG_MAPS}/a", config_map("a", data={"x": "3"}, immutable=True)),
    Step("patch bad ct", f"PATCH {CONFIG_MAPS}/a", {}, JSON),
    Step(
        "json patch test fail",
        f"PATCH {CONFIG_MAPS}/a",
        [{"op": "test", "path": "/data/x", "value": "9"}],
        JSON_PATCH,
    ),
    Step("json patch missing path", f"PATCH {CONFIG_MAPS}/a", [{"op": "remove", "path": "/data/zz"}], JSON_PATCH),
    Step("json patch malformed", f"PATCH {CONFIG_MAPS}/a", {"a": 1}, JSON_PATCH),
    Step("patch missing obj", f"PATCH {CONFIG_MAPS}/none", {}, MERGE),
    Step("deploy selector mismatch", f"POST {DEPLOYMENTS}", _deployment(selector={"matchLabels": {"a": "y"}})),
    Step(
        "deploy many errors",
        f"POST {DEPLOYMENTS}",
        _deployment(template={"metadata": {"labels": {"a": "x"}}, "spec": {"containers": _BAD_CONTAINERS}}),
    ),
    Step("deploy wrong type", f"POST {DEPLOYMENTS}", _deployment(replicas="1")),
    Step("deploy strict unknown+dup", f"POST {DEPLOYMENTS}?fieldValidation=Strict", _TWICE),
    Step("deploy warn unknown+dup", f"POST {DEPLOYMENTS}?fieldManager=ex", _TWICE),
    Step("invalid fieldValidation", f"POST {CONFIG_MAPS}?fieldValidation=Foo", config_map("b")),
    Step("invalid dryRun", f"POST {CONFIG_MAPS}?dryRun=Foo", config_map("b")),
    Step(
        "selector immutable",
        f"PATCH {DEPLOYMENTS}/d",
        {"spec": {"selector": {"matchLabels": {"b": "y"}}, "template": {"metadata": {"labels": {"b": "y"}}}}},
        MERGE,
    ),
    Step("", f"PATCH {DEPLOYMENTS}/d", {"metadata": {"labels": {"q": "1"}}}, MERGE),
    Step("", f"PATCH {DEPLOYMENTS}/d", {"spec": {"minReadySeconds": 1}}, MERGE),
    Step("status via main ignored", f"PATCH {DEPLOYMENTS}/d", {"status": {"replicas": 7}}, MERGE),
    Step(
        "status subres",
        f"PATCH {DEPLOYMENTS}/d/status",
        {
            "metadata": {"labels": {"l": "1"}, "annotations": {"an": "1"}},
            "spec": {"replicas": 9},
            "status": {"collisionCount": 5},
        },
        MERGE,
    ),
    Step("scale get", f"GET {DEPLOYMENTS}/d/scale"),
    Step("scale put", f"PUT {DEPLOYMENTS}/d/scale", {"metadata": {"name": "d", "namespace": "em"}, "spec": {}}),
    Step("del precondition uid", f"DELETE {CONFIG_MAPS}/a", {"preconditions": {"uid": "zz"}}),
    Step("del dryRun", f"DELETE {CONFIG_MAPS}/a?dryRun=All"),
    Step("del cm", f"DELETE {CONFIG_MAPS}/a"),
    Step("del again", f"DELETE {CONFIG_MAPS}/a"),
    Step("", f"POST {CONFIG_MAPS}", {"metadata": {"name": "f", "finalizers": ["x.io/f"]}}),
    Step("del with finalizer", f"DELETE {CONFIG_MAPS}/f"),
    Step(
        "update deleted obj: add finalizer",
        f"PATCH {CONFIG_MAPS}/f",
        {"metadata": {"finalizers": ["x.io/f", "x.io/g"]}},
        MERGE,
    ),
    Step("re-create while terminating", f"POST {CONFIG_MAPS}", config_map("f")),
    Step("remove finalizer", f"PATCH {CONFIG_MAPS}/f", {"metadata": {"finalizers": None}}, MERGE),
    Step("gone", f"GET {CONFIG_MAPS}/f"),
    Step("bad finalizer name", f"POST {CONFIG_MAPS}", {"metadata": {"name": "ff", "finalizers": ["nofinal"]}}),
    Step("bad label", f"POST {CONFIG_MAPS}", {"metadata": {"name": "ff", "labels": {"a b": "1"}}}),
    *(
        Step(
            "",
            f"POST {CONFIG_MAPS}?fieldManager=ex",
            {"metadata": {"name": f"l{i}", "labels": {"i": f"{i}"}}},
        )
        for i in range(6)
    ),
    Step("bad field selector", f"GET {CONFIG_MAPS}?fieldSelector=data.x%3D1"),
    Step("bad label selector", f"GET {CONFIG_MAPS}?labelSelector=a%20in"),
    Step("bad continue", f"GET {CONFIG_MAPS}?limit=2&continue=zzz"),
    Step("rv too large", f"GET {CONFIG_MAPS}?resourceVersion=99999999"),
    Step("rvMatch exact no rv", f"GET {CONFIG_MAPS}?resourceVersionMatch=Exact"),
    Step("deletecollection", f"DELETE {CONFIG_MAPS}?labelSelector=i%3D1"),
    Step("ssar", "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", _REVIEW),
    Step("ssar as bob", "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", _REVIEW, JSON, BOB),
    Step("forbidden as bob", f"GET {CONFIG_MAPS}/l0", None, JSON, BOB),
    Step(
        "whoami sa",
        "POST /apis/authentication.k8s.io/v1/selfsubjectreviews",
        {},
        JSON,
        {"Impersonate-User": "system:serviceaccount:em:default"},
    ),
    Step("unauth", f"GET {CONFIG_MAPS}", None, JSON, {"Authorization": ""}),
    Step("accept bad", f"GET {CONFIG_MAPS}", None, JSON, {"Accept": "text/html"}),
    Step("yaml get", f"GET {CONFIG_MAPS}/l0", None, JSON, {"Accept": "application/yaml"}),
    Step("yaml post", f"POST {CONFIG_MAPS}", "metadata:\n  name: yy\n", "application/yaml"),
    Step(
        "pom",
        f"GET {CONFIG_MAPS}/l0",
        None,
        JSON,
        {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"},
    ),
    Step("table one", f"GET {CONFIG_MAPS}/l0", None, JSON, {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}),
    Step("secret bad b64", f"POST {EM}/secrets", config_map("s", data={"a": "!!"})),
    Step("secret type immutable", f"POST {EM}/secrets", config_map("s", type="A")),
    Step("..", f"PUT {EM}/secrets/s", config_map("s", type="B")),
    Step("svc", f"POST {EM}/services", config_map("s", spec={"ports": [{"port": 80}]})),
    Step(
        "svc clusterIP change",
        f"PUT {EM}/services/s",
        config_map("s", spec={"ports": [{"port": 80}], "clusterIP": "10.96.77.77"}),
    ),
    Step("svc PUT w/o clusterIP", f"PUT {EM}/services/s", config_map("s", spec={"ports": [{"port": 81}]})),
    Step(
        "svc dup ports no names", f"POST {EM}/services", config_map("s2", spec={"ports": [{"port": 80}, {"port": 81}]})
    ),
    Step(
        "svc ip taken",
        f"POST {EM}/services",
        config_map("s3", spec={"ports": [{"port": 80}], "clusterIP": "10.96.0.1"}),
    ),
    Step(
        "svc ip outside",
        f"POST {EM}/services",
        config_map("s3", spec={"ports": [{"port": 80}], "clusterIP": "1.2.3.4"}),
    ),
    Step(
        "hpa v2",
        f"POST {_HPAS}",
        config_map(
            "h",
            spec={
                "maxReplicas": 3,
                "scaleTargetRef": _TARGET,
                "metrics": [_utilization("cpu", 50), _utilization("memory", 60)],
                "behavior": _BEHAVIOR,
            },
        ),
    ),
    Step("hpa as v1", f"GET {_HPAS.replace('v2', 'v1')}/h"),
    Step("hpa default metrics", f"POST {_HPAS}", config_map("h2", spec={"maxReplicas": 3, "scaleTargetRef": _TARGET})),
    Step("event v1", f"POST {EM}/events", _EVENT),
    Step("event as events.k8s.io", "GET /apis/events.k8s.io/v1/namespaces/em/events/e1"),
    Step(
        "role bad",
        "POST /apis/rbac.authorization.k8s.io/v1/namespaces/em/roles",
        config_map("r", rules=[{"apiGroups": [""], "resources": ["pods"]}]),
    ),
    Step("rb", f"POST {_BINDINGS}", config_map("r", roleRef=_ROLE_REF)),
    Step("rb roleRef immutable", f"PUT {_BINDINGS}/r", config_map("r", roleRef={**_ROLE_REF, "name": "zz"})),
    Step("job immutable", "POST /apis/batch/v1/namespaces/em/jobs", _job("i")),
    Step("..", "PATCH /apis/batch/v1/namespaces/em/jobs/j", {"spec": _job("j")["spec"]}, STRATEGIC),
    Step(
        "sts forbidden update",
        "POST /apis/apps/v1/namespaces/em/statefulsets",
        {"metadata": {"name": "s"}, "spec": _deployment(serviceName="s", replicas=0)["spec"]},
    ),
    Step("..", "PATCH /apis/apps/v1/namespaces/em/statefulsets/s", {"spec": {"serviceName": "t"}}, MERGE),
    Step("pvc immutable", f"POST {EM}/persistentvolumeclaims", config_map("p", spec=_CLAIM)),
    Step("..", f"PATCH {EM}/persistentvolumeclaims/p", {"spec": {"accessModes": ["ReadWriteMany"]}}, MERGE),
    Step("pod immutable", f"POST {EM}/pods", config_map("p", spec={"containers": [{"name": "c", "image": "i"}]})),
    Step("..", f"PATCH {EM}/pods/p", {"spec": {"restartPolicy": "Never"}}, MERGE),
    Step("pod delete", f"DELETE {EM}/pods/p"),
    Step("", f"POST {CONFIG_MAPS}", config_map("owner")),
    Step("foreground", f"DELETE {CONFIG_MAPS}/owner", {"propagationPolicy": "Foreground"}),
    Step("owner?", f"GET {CONFIG_MAPS}/owner"),
    Step("", f"POST {CONFIG_MAPS}", config_map("owner")),
    Step("orphan", f"DELETE {CONFIG_MAPS}/owner", {"propagationPolicy": "Orphan"}),
    Step("", f"POST {CONFIG_MAPS}", {"metadata": {"name": "block", "finalizers": ["x.io/y"]}}),
    Step("ns delete", f"DELETE {EM}"),
    Step("create in terminating ns", f"POST {CONFIG_MAPS}", config_map("late")),
    Step("unstick", f"PATCH {CONFIG_MAPS}/block", {"metadata": {"finalizers": None}}, MERGE),
    Step("delete kube-system?", "DELETE /api/v1/namespaces/default"),
]
"""The recording ``misc-real.txt``."""
