"""Requests made to break the server, or to be taken for somebody else."""

import asyncio
import base64
import json
import ssl
from typing import Any
from urllib.parse import urlsplit

import pytest
from controlplane_client import JSON_PATCH, STRATEGIC, Api, authority_of, client_of

from afflux.controlplane.control_plane import ControlPlane, Settings

PATH = "/api/v1/namespaces/default/configmaps"
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "victim"}, "data": {"a": "b"}}


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize("token", ["é", "a.b.é", "é.b.c", "..", "a.b"])
async def test_a_token_that_is_no_token_is_unauthorized(api: Api, token: str) -> None:
    refused = await api.get(PATH, Authorization=f"Bearer {token}")
    assert (refused.status, refused.json["reason"]) == (401, "Unauthorized")


@pytest.mark.parametrize(
    "query",
    [
        f"limit={'9' * 5000}",
        "limit=-1",
        "limit=%D9%A3",
        "limit=1&continue=NQ",
        f"limit=1&continue={base64.b64encode(b'[1,2,3]').decode().rstrip('=')}",
    ],
)
async def test_numbers_and_pages_that_make_no_sense_break_nothing(api: Api, query: str) -> None:
    assert (await api.get(f"{PATH}?{query}")).status in (200, 400)


async def test_bodies_nested_too_deep_are_bad_requests(api: Api) -> None:
    assert (await api.post(PATH, CONFIG_MAP)).status == 201
    deep = {**CONFIG_MAP, "metadata": {"name": "deep"}, "data": nested(800)}
    definition: dict[str, Any] = {"type": "string"}
    for _ in range(300):
        definition = {"type": "object", "properties": {"a": definition}}
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    names = {"plural": "deeps", "kind": "Deep"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": definition}}
    spec = {"group": "evil.dev", "scope": "Cluster", "names": names, "versions": [version]}
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}
    answers = [
        await api.post(PATH, deep),
        await api.patch(f"{PATH}/victim", {"data": nested(900)}),
        await api.patch(f"{PATH}/victim", {"data": nested(900)}, STRATEGIC),
        await api.patch(f"{PATH}/victim", [{"op": "add", "path": "/data/a", "value": nested(900)}], JSON_PATCH),
        await api.apply(f"{PATH}/victim", json.dumps(deep), "m"),
        await api.post(crds, {**crd, "metadata": {"name": "deeps.evil.dev"}}),
    ]
    assert all(400 <= answer.status < 500 for answer in answers), [answer.text[:200] for answer in answers]
    assert (await api.get(f"{PATH}/victim")).json["data"] == {"a": "b"}


@pytest.mark.parametrize("header", [{"Impersonate_Group": "system:masters"}, {"Impersonate_Uid": "1"}])
async def test_groups_of_nobody_are_not_impersonated(api: Api, header: dict[str, str]) -> None:
    assert (await api.get(PATH, **header)).status == 400
    assert (await api.get(PATH, **header, Impersonate_User="")).status == 400


async def test_who_may_impersonate_a_user_may_not_take_a_group_with_it() -> None:
    async with ControlPlane(settings=Settings(enforce_rbac=True)) as plane, client_of(plane) as admin:
        roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
        rules = [{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]}]
        assert (await admin.post(roles, {"metadata": {"name": "actor"}, "rules": rules})).status == 201
        bound = {
            "metadata": {"name": "actor"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "actor"},
            "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": "default"}],
        }
        assert (await admin.post(roles.replace("roles", "rolebindings"), bound)).status == 201
        accounts = "/api/v1/namespaces/default/serviceaccounts"
        asked = await admin.post(f"{accounts}/default/token", {"spec": {}})
        actor = {"Authorization": f"Bearer {asked.json['status']['token']}", "Impersonate_User": "bob"}
        as_bob = await admin.get(PATH, **actor)
        as_master = await admin.get(PATH, **actor, Impersonate_Group="system:masters")
    assert 'User "bob" cannot list' in as_bob.json["message"]
    assert (as_master.status, as_master.json["reason"]) == (403, "Forbidden")
    assert 'cannot impersonate resource "groups"' in as_master.json["message"]


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"GET /version HTTP/1.1\r\nHost: loc", b""),
        (b"", b""),
        (
            b"POST %PATH% HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %TOKEN%\r\nContent-Length: 9\r\n\r\n{",
            b"408",
        ),
    ],
)
async def test_a_request_that_never_ends_is_not_waited_for(sent: bytes, answered: bytes) -> None:
    async with ControlPlane(settings=Settings(patience=0.3)) as plane, client_of(plane) as api:
        address, trust = urlsplit(plane.address), ssl.create_default_context(cadata=authority_of(plane))
        reader, writer = await asyncio.open_connection(address.hostname, address.port, ssl=trust)
        writer.write(sent.replace(b"%PATH%", PATH.encode()).replace(b"%TOKEN%", api.token.encode()))
        async with asyncio.timeout(20):
            received = await reader.read()
        assert received[9:12] == answered
        writer.close()
