"""The life of namespaces."""

from __future__ import annotations

from typing import Any

import pytest

from waiting import eventually

NAMESPACES = "/api/v1/namespaces"


async def names(api: Any, path: str) -> set[str]:
    return {one["metadata"]["name"] for one in (await api.get(path)).json["items"]}


async def status(api: Any, path: str) -> int:
    return int((await api.get(path)).status)


async def make(api: Any, name: str) -> Any:
    reply = await api.post(NAMESPACES, {"metadata": {"name": name}})
    assert reply.status == 201
    return reply.json


async def test_a_cluster_begins_with_its_system_namespaces_roles_and_service(api: Any) -> None:
    async def furnished() -> bool:
        return await status(api, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/cluster-admin") == 200

    await eventually(furnished)
    assert await names(api, NAMESPACES) >= {"default", "kube-system", "kube-public", "kube-node-lease"}
    assert (await api.get(f"{NAMESPACES}/default/services/kubernetes")).json["spec"]["clusterIP"] == "10.96.0.1"


async def test_a_new_namespace_gets_its_label_finalizer_and_content(api: Any) -> None:
    made = await make(api, "em")
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "em"}
    assert (made["spec"], made["status"]) == ({"finalizers": ["kubernetes"]}, {"phase": "Active"})

    async def filled() -> bool:
        account = await status(api, f"{NAMESPACES}/em/serviceaccounts/default")
        return (account, await status(api, f"{NAMESPACES}/em/configmaps/kube-root-ca.crt")) == (200, 200)

    await eventually(filled)
    trusted = (await api.get(f"{NAMESPACES}/em/configmaps/kube-root-ca.crt")).json["data"]["ca.crt"]
    assert trusted.startswith("-----BEGIN CERTIFICATE-----")


async def test_the_default_service_account_comes_back(api: Any) -> None:
    path = f"{NAMESPACES}/default/serviceaccounts/default"

    async def there() -> Any:
        found = await api.get(path)
        return found.status == 200 and found.json["metadata"]["uid"]

    before = await eventually(there)
    await api.delete(path)

    async def anew() -> bool:
        return await there() not in (False, before)

    await eventually(anew)


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_namespaces_that_a_cluster_stands_on_stay(api: Any, name: str) -> None:
    async def there() -> bool:
        return await status(api, f"{NAMESPACES}/{name}") == 200

    await eventually(there)
    reply = await api.delete(f"{NAMESPACES}/{name}")
    assert reply.status == 403
    assert reply.json["message"] == f'namespaces "{name}" is forbidden: this namespace may not be deleted'


async def test_nothing_is_created_where_there_is_no_namespace(api: Any) -> None:
    reply = await api.post(f"{NAMESPACES}/nope/configmaps", {"metadata": {"name": "a"}})
    assert (reply.status, reply.json["message"]) == (404, 'namespaces "nope" not found')


async def test_a_deleted_namespace_keeps_its_content_for_a_moment_then_takes_it_along(api: Any) -> None:
    await make(api, "em")
    assert (await api.post(f"{NAMESPACES}/em/configmaps", {"metadata": {"name": "a"}})).status == 201
    deleted = await api.delete(f"{NAMESPACES}/em")
    assert deleted.json["status"]["phase"] == "Terminating"
    assert "deletionTimestamp" in deleted.json["metadata"]
    assert await status(api, f"{NAMESPACES}/em/configmaps/a") == 200
    late = await api.post(f"{NAMESPACES}/em/configmaps", {"metadata": {"name": "late"}})
    assert late.status == 403
    assert "unable to create new content in namespace em because it is being terminated" in late.json["message"]
    assert late.json["details"]["causes"][0]["reason"] == "NamespaceTerminating"

    async def gone() -> bool:
        return await status(api, f"{NAMESPACES}/em") == 404

    await eventually(gone)
    assert await status(api, f"{NAMESPACES}/em/configmaps/a") == 404


async def test_a_namespace_says_what_holds_it_and_goes_when_that_is_gone(api: Any) -> None:
    await make(api, "em")
    held = {"metadata": {"name": "a", "finalizers": ["x.io/f"]}}
    assert (await api.post(f"{NAMESPACES}/em/configmaps", held)).status == 201
    await api.delete(f"{NAMESPACES}/em")

    async def told() -> Any:
        found = (await api.get(f"{NAMESPACES}/em")).json["status"].get("conditions") or ()
        return {one["type"]: (one["status"], one["message"]) for one in found}

    conditions = await eventually(told)
    assert conditions["NamespaceContentRemaining"] == (
        "True",
        "Some resources are remaining: configmaps. has 1 resource instances",
    )
    assert conditions["NamespaceFinalizersRemaining"] == (
        "True",
        "Some content in the namespace has finalizers remaining: x.io/f in 1 resource instances",
    )
    assert conditions["NamespaceDeletionContentFailure"][0] == "False"
    await api.patch(f"{NAMESPACES}/em/configmaps/a", {"metadata": {"finalizers": None}})

    async def gone() -> bool:
        return await status(api, f"{NAMESPACES}/em") == 404

    await eventually(gone)


async def test_only_finalize_changes_what_holds_a_namespace(api: Any) -> None:
    made = await make(api, "em")
    put = await api.put(f"{NAMESPACES}/em", {"metadata": {"name": "em"}, "spec": {}})
    assert put.json["spec"] == {"finalizers": ["kubernetes"]}
    finalized = await api.put(f"{NAMESPACES}/em/finalize", {**made, "metadata": {"name": "em"}, "spec": {}})
    assert finalized.json["spec"] == {}
    await api.delete(f"{NAMESPACES}/em")
    assert await status(api, f"{NAMESPACES}/em") == 404
