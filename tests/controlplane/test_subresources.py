"""Scale, status, eviction, tokens, reviews, impersonation, RBAC."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from controlplane_client import client_of

from afflux.controlplane.control_plane import ControlPlane, Settings

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
CAN = {"spec": {"resourceAttributes": {"namespace": "default", "verb": "create", "resource": "pods"}}}


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "x"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    whole = {"selector": {"matchLabels": {"a": "x"}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": whole}


def managers(reply: Any) -> dict[str, Any]:
    return {entry["manager"]: entry for entry in reply.json["metadata"]["managedFields"]}


async def test_scaling_takes_replicas_from_their_owner(api: Any) -> None:
    await api.apply(f"{DEPLOYMENTS}/d", deployment("d", replicas=2), "m1")
    scaled = await api.request("PATCH", f"{DEPLOYMENTS}/d/scale?fieldManager=hpa", {"spec": {"replicas": 3}},
                               Content_Type="application/merge-patch+json")  # fmt: skip
    assert scaled.json["spec"] == {"replicas": 3}
    assert scaled.json["status"]["selector"] == "a=x"
    live = await api.get(f"{DEPLOYMENTS}/d")
    assert (live.json["spec"]["replicas"], live.json["metadata"]["generation"]) == (3, 2)
    assert managers(live)["hpa"]["subresource"] == "scale"
    assert "f:replicas" not in managers(live)["m1"]["fieldsV1"]["f:spec"]
    conflict = await api.apply(f"{DEPLOYMENTS}/d", deployment("d", replicas=2), "m1")
    assert conflict.status == 409
    assert 'conflict with "hpa" with subresource "scale" using apps/v1: .spec.replicas' in conflict.json["message"]


async def test_zero_replicas_are_an_empty_spec(api: Any) -> None:
    await api.post(DEPLOYMENTS, deployment("zero", replicas=0))
    assert (await api.get(f"{DEPLOYMENTS}/zero/scale")).json["spec"] == {}


async def test_status_keeps_the_spec_and_the_labels(api: Any) -> None:
    await api.post(DEPLOYMENTS, deployment("d", replicas=0))
    patch = {"metadata": {"labels": {"no": "1"}, "annotations": {"yes": "1"}}, "spec": {"replicas": 5},
             "status": {"collisionCount": 5}}  # fmt: skip
    await api.patch(f"{DEPLOYMENTS}/d/status", patch)
    live = (await api.get(f"{DEPLOYMENTS}/d")).json
    assert live["spec"]["replicas"] == 0
    assert live["status"]["collisionCount"] == 5
    assert "labels" not in live["metadata"]
    assert live["metadata"]["annotations"]["yes"] == "1"


async def test_a_service_account_token_is_known_again(api: Any) -> None:
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    from waiting import eventually

    async def issued() -> Any:
        reply = await api.post(path, {"spec": {"expirationSeconds": 700}})
        return reply if reply.status == 201 else None

    token = (await eventually(issued)).json["status"]["token"]
    review = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    told = (await api.post(review, {}, Authorization=f"Bearer {token}")).json["status"]["userInfo"]
    assert told["username"] == "system:serviceaccount:default:default"
    assert told["groups"] == ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]
    assert (await api.post(path, {"spec": {"expirationSeconds": 1}})).status == 422
    assert (await api.get("/api/v1/namespaces", Authorization=f"Bearer {token}x")).status == 401


async def test_impersonation_is_seen(api: Any) -> None:
    review = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    told = await api.post(review, {}, Impersonate_User="system:serviceaccount:a:b")
    assert told.json["status"]["userInfo"] == {
        "username": "system:serviceaccount:a:b",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"],
    }


async def test_without_rbac_everybody_may(api: Any) -> None:
    assert (await api.post(REVIEWS, CAN, Impersonate_User="bob")).json["status"]["allowed"] is True
    rules = await api.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", {"spec": {"namespace": "default"}})
    assert rules.json["status"]["resourceRules"] == [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]


@pytest.fixture
async def guarded() -> AsyncIterator[Any]:
    async with ControlPlane(settings=Settings(enforce_rbac=True)) as plane, client_of(plane) as client:
        yield client


async def test_with_rbac_roles_decide(guarded: Any) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    refused = await guarded.get(f"{path}/l0", Impersonate_User="bob")
    assert refused.status == 403
    assert refused.json["message"] == (
        'configmaps "l0" is forbidden: User "bob" cannot get resource "configmaps" in API group "" '
        'in the namespace "default"'
    )
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]
    await guarded.post(f"{rbac}/roles", {"metadata": {"name": "reader"}, "rules": rules})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    subjects = [{"kind": "User", "name": "bob"}]
    await guarded.post(f"{rbac}/rolebindings", {"metadata": {"name": "b"}, "roleRef": reference, "subjects": subjects})
    assert (await guarded.get(path, Impersonate_User="bob")).status == 200
    assert (await guarded.post(path, {"metadata": {"name": "x"}}, Impersonate_User="bob")).status == 403
    assert (await guarded.get("/api/v1/configmaps", Impersonate_User="bob")).status == 403
    assert (await guarded.post(REVIEWS, CAN, Impersonate_User="bob")).json["status"]["allowed"] is False
    assert (await guarded.get(path)).status == 200


async def test_what_would_run_a_container_is_not_implemented(api: Any) -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    await api.post("/api/v1/namespaces/default/pods", pod)
    reply = await api.get("/api/v1/namespaces/default/pods/p/exec")
    assert (reply.status, reply.json["reason"]) == (501, "NotImplemented")
    evicted = await api.post("/api/v1/namespaces/default/pods/p/eviction", {"metadata": {"name": "p"}})
    assert (evicted.status, evicted.json["status"]) == (201, "Success")
