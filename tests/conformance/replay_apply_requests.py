"""The requests behind the recordings of server-side apply, of custom resources and of strategic merge patches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from replay_requests import APPLY, JSON, JSON_PATCH, MERGE, STRATEGIC, Step

NS = "/api/v1/namespaces/default"
_MAPS = f"{NS}/configmaps"
_DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/d1"


def _apply(title: str, path: str, manager: str, body: dict[str, Any], query: str = "") -> Step:
    return Step(title, f"PATCH {path}?fieldManager={manager}{query}", body, APPLY)


def _map(name: str = "e1", labels: dict[str, str] | None = None, **content: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **content}


def _deployment(containers: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    template = {"spec": {"containers": containers}}
    if "selector" in spec:
        template = {"metadata": {"labels": {"a": "x"}}, **template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d1"},
        "spec": {**spec, "template": template},
    }


def _service(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "e4"}, "spec": spec}


_L = {"l": "1"}
_E1, _E2, _E5, _E6, _E8, _E9 = (f"{_MAPS}/e{number}" for number in (1, 2, 5, 6, 8, 9))
_SELECTOR = {"matchLabels": {"a": "x"}}
_C = {"name": "c", "image": "i:1"}
_FULL = {**_C, "ports": [{"containerPort": 80}], "env": [{"name": "X", "value": "1"}]}
_SECOND = [{"name": "s", "image": "side:1"}, {"name": "c", "ports": [{"containerPort": 81, "name": "p"}]}]
_PORTS = [{"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}]
_LAST_APPLIED = '{"apiVersion":"v1","data":{"a":"1","b":"2"},"kind":"ConfigMap","metadata":{"name":"e9"}}\n'
_CLIENT_SIDE = {
    "metadata": {"name": "e9", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": _LAST_APPLIED}},
    "data": {"a": "1", "b": "2"},
}


def _finalized(*names: str, **content: Any) -> dict[str, Any]:
    body = _map("e8", **content)
    return {**body, "metadata": {**body["metadata"], "finalizers": list(names)}}


APPLIES = [
    _apply("1 create by apply", _E1, "m1", _map(data={"a": "1", "b": "2"}, labels=_L)),
    _apply("2 same apply again (no-op)", _E1, "m1", _map(data={"a": "1", "b": "2"}, labels=_L)),
    _apply("3 drop a field (removed, only owner)", _E1, "m1", _map(data={"a": "1"}, labels=_L)),
    _apply("4 second manager, other field", _E1, "m2", _map(data={"c": "3"})),
    _apply("5 second manager, same value = co-ownership", _E1, "m2", _map(data={"c": "3", "a": "1"})),
    _apply("6 m1 drops co-owned field: stays, m2 owns", _E1, "m1", _map(data={}, labels=_L)),
    _apply("7 conflict", _E1, "m1", _map(data={"a": "9"})),
    _apply("8 forced", _E1, "m1", _map(data={"a": "9"}), "&force=true"),
    _apply("9 m2 re-applies without force: conflict", _E1, "m2", _map(data={"c": "3", "a": "1"})),
    Step(
        "10 update (PUT/merge patch) takes ownership",
        f"PATCH {_E1}?fieldManager=upd",
        {"data": {"a": "u", "z": "1"}},
        MERGE,
    ),
    _apply("11 apply conflicts with an Update manager", _E1, "m2", _map(data={"a": "m"})),
    _apply("12 apply empties: gives up everything", _E1, "m2", _map()),
    Step("", f"POST {_MAPS}?fieldManager=kubectl-create", {"metadata": {"name": "e2"}, "data": {"a": "1"}}),
    _apply(
        "13 apply over an object created by POST (same values, no conflict)",
        _E2,
        "m1",
        _map("e2", data={"a": "1", "b": "2"}),
    ),
    _apply("14 m1 drops a, created by POST: stays (Update manager owns it)", _E2, "m1", _map("e2", data={"b": "2"})),
    _apply(
        "15 deployment create by apply: only applied fields owned, defaults unowned",
        _DEPLOYMENT,
        "m1",
        _deployment([_FULL], replicas=2, selector=_SELECTOR),
    ),
    _apply("16 second manager adds a container and a port (list-map merge)", _DEPLOYMENT, "m2", _deployment(_SECOND)),
    _apply(
        "17 m1 removes its port; m2 keeps its own",
        _DEPLOYMENT,
        "m1",
        _deployment([_C], replicas=2, selector=_SELECTOR),
    ),
    _apply(
        "18 drop replicas from apply: value goes back to the default",
        _DEPLOYMENT,
        "m1",
        _deployment([_C], selector=_SELECTOR),
    ),
    Step("", f"PATCH {_DEPLOYMENT}/scale?fieldManager=hpa", {"spec": {"replicas": 4}}, MERGE),
    Step("19 after scale subresource", f"GET {_DEPLOYMENT}"),
    _apply(
        "20 apply replicas 2 conflicts with scale",
        _DEPLOYMENT,
        "m1",
        _deployment([_C], replicas=2, selector=_SELECTOR),
    ),
    _apply(
        "21 service: ports keyed by port+protocol (default TCP)",
        f"{NS}/services/e4",
        "m1",
        _service(ports=_PORTS, selector={"a": "x"}),
    ),
    _apply(
        "22 atomic selector: other manager must force whole map",
        f"{NS}/services/e4",
        "m2",
        _service(selector={"b": "y"}),
    ),
    _apply(
        "23 duplicate keys in applied list",
        f"{NS}/services/e4",
        "m2",
        _service(ports=[{"port": 53}, {"port": 53, "protocol": "TCP"}]),
    ),
    Step(
        "24 managedFields in the body",
        f"PATCH {_MAPS}/e3?fieldManager=m1",
        {**_map("e3"), "metadata": {"name": "e3", "managedFields": [{"manager": "x", "operation": "Apply"}]}},
        APPLY,
    ),
    Step("25 no fieldManager", f"PATCH {_MAPS}/e3", _map("e3"), APPLY),
    _apply("26 dry run create", _E5, "m1", _map("e5", data={"a": "1"}), "&dryRun=All"),
    Step("27 dry run left nothing", f"GET {_E5}"),
    Step(
        "28 reset managedFields by [{}]",
        f"PATCH {_E1}?fieldManager=r",
        [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}],
        JSON_PATCH,
    ),
    _apply("29 apply after reset: before-first-apply", _E1, "m1", _map(data={"a": "1", "q": "1"}), "&force=true"),
    _apply(
        "30 status subresource apply",
        f"{_DEPLOYMENT}/status",
        "m1",
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "d1"},
            "status": {"replicas": 9},
        },
    ),
    _apply("31 null value in apply", _E6, "m1", _map("e6", data={"a": None, "b": "1"})),
    _apply("32 wrong name in body", _E6, "m1", _map("other")),
    _apply("33 wrong version", _E6, "m1", {**_map("e6"), "apiVersion": "v2"}),
    _apply("34 rv in body mismatched", _E6, "m1", {**_map("e6"), "metadata": {"name": "e6", "resourceVersion": "1"}}),
    _apply("35 uid in body on create", f"{_MAPS}/e7", "m1", {**_map("e7"), "metadata": {"name": "e7", "uid": "abc"}}),
    _apply("36 unknown field strict", _E6, "m1", _map("e6", foo="1"), "&fieldValidation=Strict"),
    _apply("37 unknown field default (warn)", _E6, "m1", _map("e6", foo="1")),
    _apply("38 finalizers are a set", _E8, "m1", _finalized("x.io/a", data={})),
    _apply("39 second manager adds finalizer", _E8, "m2", _finalized("x.io/b")),
    _apply("40 first drops its finalizer", _E8, "m1", _map("e8")),
    Step("", f"POST {_MAPS}?fieldManager=kubectl-client-side-apply", _CLIENT_SIDE),
    _apply(
        '41 SSA manager "kubectl" over CSA object changes value: allowed by last-applied',
        _E9,
        "kubectl",
        _map("e9", data={"a": "new"}),
    ),
    _apply("42 same by another manager: conflict", _E9, "flux", _map("e9", data={"a": "new2"})),
]
"""The recording ``ssa-real.json``."""

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"


def _widget(name: str, spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec, **more}


def _definition(name: str, versions: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    names = {"plural": "gizmos", "kind": "Gizmo", "singular": "gizmo"}
    return {
        "metadata": {"name": name},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions, **spec},
    }


_ANY = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
_STORED = {"name": "v1", "served": True, "storage": True}
_CLASHING = {"plural": "gizmos", "kind": "Widget", "singular": "gizmo"}
_RAW_Q = '{"metadata": {"name": "q"}, "spec": {"size": 1}}'
_FIRST = {"size": 2, "tags": ["a", "b"], "ports": [{"port": 80, "name": "x"}], "free": {"k": {"l": [1, 2]}}}
_OTHER = {"tags": ["c", "a"], "ports": [{"port": 80, "proto": "UDP"}, {"port": 80}], "free": {"m": 1}}


def custom_resource_steps(definition_file: Path) -> list[Step]:
    """The recording ``crd-real.txt``; the file holds the definition, to which it added a deprecated version."""
    definition: dict[str, Any] = next(iter(yaml.safe_load_all(definition_file.read_text())))
    first = definition["spec"]["versions"][0]
    second = {**first, "name": "v1beta1", "storage": False, "deprecated": True, "deprecationWarning": "use v1"}
    definition["spec"]["versions"] = [first, second]
    return [
        Step("crd create (status right after POST)", f"POST {_CRDS}", definition),
        Step(
            "prune+default (warn)",
            f"POST {_WIDGETS}",
            _widget("a", {"size": 3, "bogus": 1, "ports": [{"port": 80}], "free": {"z": {"y": 1}}}),
        ),
        Step("strict", f"POST {_WIDGETS}?fieldValidation=Strict", _widget("b", {"size": 3, "bogus": 1})),
        Step("required", f"POST {_WIDGETS}", _widget("b", {})),
        Step("max", f"POST {_WIDGETS}", _widget("b", {"size": 99})),
        Step("enum", f"POST {_WIDGETS}", _widget("b", {"size": 1, "color": "blue"})),
        Step("type", f"POST {_WIDGETS}", _widget("b", {"size": "x"})),
        Step("cel", f"POST {_WIDGETS}", _widget("b", {"size": 9})),
        Step("set dup", f"POST {_WIDGETS}", _widget("b", {"size": 1, "tags": ["x", "x"]})),
        Step("map dup", f"POST {_WIDGETS}", _widget("b", {"size": 1, "ports": [{"port": 1}, {"port": 1}]})),
        Step("null pruned/default", f"POST {_WIDGETS}", _widget("n", {"size": 1, "color": None, "tags": None})),
        Step("apiVersion missing", f"POST {_WIDGETS}", _RAW_Q),
        Step("wrong kind", f"POST {_WIDGETS}", {**_widget("q", {"size": 1}), "kind": "Gadget"}),
        Step("SMP on CR", f"PATCH {_WIDGETS}/a", {}, STRATEGIC),
        Step("PUT without rv", f"PUT {_WIDGETS}/a", _widget("a", {"size": 5})),
        Step("", f"PATCH {_WIDGETS}/a", {"spec": {"size": 5}}, MERGE),
        Step(
            "status subresource",
            f"PATCH {_WIDGETS}/a/status",
            {"spec": {"size": 7}, "status": {"phase": "Ready", "replicas": 2}},
            MERGE,
        ),
        Step("scale get", f"GET {_WIDGETS}/a/scale"),
        Step("scale patch", f"PATCH {_WIDGETS}/a/scale", {"spec": {"replicas": 4}}, MERGE),
        Step("read as v1beta1", f"GET {_WIDGETS.replace('v1', 'v1beta1')}/a"),
        Step("table", f"GET {_WIDGETS}", None, JSON, {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}),
        _apply("SSA create", f"{_WIDGETS}/s", "m1", _widget("s", _FIRST)),
        _apply("SSA 2nd manager", f"{_WIDGETS}/s", "m2", _widget("s", _OTHER)),
        _apply("SSA m1 drops lists", f"{_WIDGETS}/s", "m1", _widget("s", {"size": 2})),
        _apply("SSA unknown field on CR", f"{_WIDGETS}/s", "m1", _widget("s", {"size": 2, "bogus": 1})),
        _apply(
            "SSA unknown strict",
            f"{_WIDGETS}/s",
            "m1",
            _widget("s", {"size": 2, "bogus": 1}),
            "&fieldValidation=Strict",
        ),
        Step("generation after status", f"GET {_WIDGETS}/a"),
        Step("crd bad name", f"POST {_CRDS}", _definition("wrong.example.com", [{**_STORED, "schema": _ANY}])),
        Step("crd no schema", f"POST {_CRDS}", _definition("gizmos.example.com", [_STORED])),
        Step(
            "crd no storage",
            f"POST {_CRDS}",
            _definition("gizmos.example.com", [{**_STORED, "storage": False}]),
        ),
        Step(
            "crd kind clash",
            f"POST {_CRDS}",
            _definition("gizmos.example.com", [{**_STORED, "schema": _ANY}], names=_CLASHING),
        ),
        Step("crd group immutable", f"PATCH {_CRDS}/widgets.example.com", {"spec": {"group": "other.com"}}, MERGE),
        Step(
            "crd drop stored version",
            f"PATCH {_CRDS}/widgets.example.com",
            {"spec": {"versions": [{**second, "storage": True}]}},
            MERGE,
        ),
        Step("", f"DELETE {_CRDS}/gizmos.example.com"),
        Step("crd delete", f"DELETE {_CRDS}/widgets.example.com"),
        Step("after", f"GET {_CRDS}/widgets.example.com"),
        Step("cr list", f"GET {_WIDGETS}"),
    ]
