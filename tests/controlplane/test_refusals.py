"""What is refused, in the server's words."""

# ruff: noqa: E501

from typing import Any

import pytest

BASE = "/api/v1/namespaces/default/configmaps"
NAMES = "the name of the object (zz) does not match the name on the URL (a)"
MODIFIED = (
    'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the '
    "latest version and try again"
)


async def existing(api: Any) -> dict[str, Any]:
    reply = await api.post(
        BASE, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}}
    )
    assert reply.status == 201
    return reply.json


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("POST", BASE, {"metadata": {}}, 422, 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'),
        ("POST", BASE, {"metadata": {"name": "a"}}, 409, 'configmaps "a" already exists'),
        ("POST", BASE, {"metadata": {"name": "b", "namespace": "other"}}, 400,
         "the namespace of the provided object does not match the namespace sent on the request"),
        ("POST", BASE, {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "b"}}, 400,
         'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion'),
        ("POST", BASE, {"metadata": {"name": "b", "resourceVersion": "1"}}, 500,
         "resourceVersion should not be set on objects to be created"),
        ("POST", "/api/v1/namespaces/nope/configmaps", {"metadata": {"name": "b"}}, 404, 'namespaces "nope" not found'),
        ("GET", "/api/v1/namespaces/default/nothings", None, 404, "the server could not find the requested resource"),
        ("POST", "/api/v1/configmaps", {"metadata": {"name": "b"}}, 405,
         "the server does not allow this method on the requested resource"),
        ("PUT", f"{BASE}/new", {"metadata": {"name": "new"}}, 404, 'configmaps "new" not found'),
        ("PUT", f"{BASE}/a", {"metadata": {"name": "zz"}}, 400, NAMES),
        ("PUT", f"{BASE}/a", {"metadata": {"name": "a", "resourceVersion": "1"}}, 409, MODIFIED),
        ("PUT", f"{BASE}/a?dryRun=Some", {"metadata": {"name": "a"}}, 422,
         'UpdateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"'),
        ("POST", f"{BASE}?fieldValidation=Foo", {"metadata": {"name": "b"}}, 422,
         'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Foo": supported values: "", "Ignore", "Strict", "Warn"'),
        ("POST", "/apis/apps/v1/namespaces/default/deployments", {"metadata": {"name": "d"}, "spec": {"replicas": "two"}}, 400,
         'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field '
         "DeploymentSpec.spec.replicas of type int32"),
        ("DELETE", f"{BASE}/none", None, 404, 'configmaps "none" not found'),
        ("DELETE", "/api/v1/namespaces/default", None, 403,
         'namespaces "default" is forbidden: this namespace may not be deleted'),
    ],
)  # fmt: skip
async def test_a_request_is_refused_in_the_servers_words(
    api: Any, method: str, path: str, body: Any, status: int, message: str
) -> None:
    await existing(api)
    reply = await api.request(method, path, body)
    assert (reply.status, reply.json["message"]) == (status, message)
    assert reply.json["kind"] == "Status"


async def test_a_uid_is_a_precondition(api: Any) -> None:
    live = await existing(api)
    stale = await api.put(f"{BASE}/a", {"metadata": {"name": "a", "uid": "x"}})
    assert stale.status == 409
    assert f"UID in precondition: x, UID in object meta: {live['metadata']['uid']}" in stale.json["message"]
    refused = await api.delete(f"{BASE}/a", {"preconditions": {"uid": "zz"}})
    assert refused.status == 409
    assert "the UID in the precondition (zz) does not match the UID in record" in refused.json["message"]


async def test_double_and_unknown_fields_are_named_together(api: Any) -> None:
    body = '{"metadata":{"name":"q"},"data":{"a":"1"},"data":{"a":"2"},"bogus":1}'
    strict = await api.post(f"{BASE}?fieldValidation=Strict", body)
    assert strict.status == 400
    assert strict.json["message"].endswith('strict decoding error: duplicate field "data", unknown field "bogus"')
    warned = await api.post(BASE, body)
    assert warned.status == 201
    assert warned.headers.getall("Warning") == [
        '299 - "duplicate field \\"data\\""',
        '299 - "unknown field \\"bogus\\""',
    ]


async def test_patches_that_do_not_fit_are_refused(api: Any) -> None:
    await existing(api)
    json_patch = "application/json-patch+json"
    failing = await api.patch(f"{BASE}/a", [{"op": "test", "path": "/data/x", "value": "2"}], json_patch)
    assert (failing.status, failing.json["message"]) == (
        422,
        "the server rejected our request due to an error in our request",
    )
    assert (await api.patch(f"{BASE}/a", {"op": "add"}, json_patch)).status == 400
    assert (await api.patch(f"{BASE}/a", {}, "application/json")).status == 415
    assert (await api.patch(f"{BASE}/none", {"data": {}})).status == 404
    assert (await api.patch(f"{BASE}/a", {"metadata": {"resourceVersion": "1"}})).status == 409


async def test_bodies_and_objects_are_bounded(api: Any) -> None:
    too_much = await api.post(BASE, {"metadata": {"name": "big"}, "data": {"x": "y" * (3 * 1024 * 1024)}})
    assert too_much.status == 413
    too_big = await api.post(BASE, {"metadata": {"name": "big"}, "data": {"x": "y" * (1024 * 1024 + 1)}})
    assert too_big.status == 422
    crammed = {"x": "y" * 900_000}
    widget = await api.post("/apis/coordination.k8s.io/v1/namespaces/default/leases", {
        "metadata": {"name": "big", "annotations": {"a/b": "z" * 300_000}}, "spec": {}, "data": crammed,
    })  # fmt: skip
    assert widget.status == 422
    assert "metadata.annotations: Too long" in widget.json["message"]


async def test_a_stranger_is_not_let_in(api: Any) -> None:
    assert (await api.get("/api/v1/namespaces", Authorization="Bearer wrong")).status == 401
    assert (await api.get("/api/v1/namespaces", Authorization="")).status == 401
    assert (await api.get("/healthz", Authorization="")).text == "ok"
    assert (await api.get("/api/v1/namespaces", Host="evil.example.com")).status == 421


async def test_a_put_creates_leases_and_roles(api: Any) -> None:
    lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l"
    assert (await api.put(lease, {"metadata": {"name": "l"}, "spec": {}})).status == 201
    role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/a:b"
    assert (await api.put(role, {"metadata": {"name": "a:b"}, "rules": []})).status == 201
    assert (await api.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/a%3Ab")).status == 200
