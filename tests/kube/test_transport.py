import contextlib
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from afflux import __version__
from afflux.kube.client import KubeClient, Preconditions, Selection, Target
from afflux.kube.config import ClusterConfig, parse_config
from afflux.kube.discovery import ApiResource
from afflux.kube.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    Invalid,
    InvalidAnswer,
    NoMatch,
    NotFound,
    Unauthorized,
    Unreachable,
)
from afflux.kube.transport import Request, Transport
from afflux.objects.identity import GroupVersionKind

CONFIG_MAP = GroupVersionKind("", "v1", "ConfigMap")
CONFIG_MAPS = {
    "kind": "APIResourceList",
    "groupVersion": "v1",
    "resources": [
        {"name": "configmaps", "kind": "ConfigMap", "namespaced": True, "verbs": ["get", "list"]},
        {"name": "namespaces", "kind": "Namespace", "namespaced": False, "verbs": ["get"]},
        {"name": "namespaces/status", "kind": "Namespace", "namespaced": False, "verbs": ["patch"]},
    ],
}


@pytest.fixture
async def transport(https_server: Any) -> Any:
    transport = Transport(parse_config(https_server.kubeconfig(token="t0ken")))
    yield transport
    await transport.close()


def status(code: int, reason: str, message: str, **details: object) -> dict[str, object]:
    return {
        "kind": "Status",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details,
        "code": code,
    }


async def broken(request: web.Request) -> web.StreamResponse:
    """The connection breaks after the request has arrived."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def test_requests_carry_the_token_and_our_name(https_server: Any, transport: Transport, answer_with: Any) -> None:
    https_server.answers = [answer_with({"a": 1})]
    assert await transport.send(Request("GET", "/version")) == b'{"a": 1}'
    headers = https_server.requests[0].headers
    assert headers["Authorization"] == "Bearer t0ken"
    assert headers["User-Agent"] == f"afflux/{__version__}"


async def test_a_server_with_another_ca_is_not_spoken_to(https_server: Any, answer_with: Any) -> None:
    https_server.answers = [answer_with({})]
    transport = Transport(ClusterConfig(server=https_server.url))
    with pytest.raises(Unreachable, match="certificate"):
        await transport.send(Request("POST", "/", body=b"{}"))
    assert https_server.requests == []
    await transport.close()


async def test_insecure_is_possible_where_the_kubeconfig_says_so(https_server: Any, answer_with: Any) -> None:
    https_server.answers = [answer_with({})]
    transport = Transport(ClusterConfig(server=https_server.url, insecure=True))
    assert await transport.send(Request("GET", "/")) == b"{}"
    await transport.close()


async def test_the_servers_name_can_differ_from_its_address(https_server: Any, answer_with: Any) -> None:
    https_server.answers = [answer_with({})]
    config = parse_config(https_server.kubeconfig())
    transport = Transport(replace(config, tls_server_name="localhost"))
    assert await transport.send(Request("GET", "/")) == b"{}"
    await transport.close()
    transport = Transport(replace(config, tls_server_name="other.example"))
    with pytest.raises(Unreachable):
        await transport.send(Request("POST", "/", body=b"{}"))
    await transport.close()


ANSWERS = [
    (404, "NotFound", NotFound),
    (409, "Conflict", Conflict),
    (409, "AlreadyExists", AlreadyExists),
    (422, "Invalid", Invalid),
    (500, "InternalError", ApiError),
]


@pytest.mark.parametrize(("code", "reason", "kind"), ANSWERS)
async def test_errors_keep_the_servers_own_words(
    https_server: Any, transport: Transport, answer_with: Any, code: int, reason: str, kind: type[ApiError]
) -> None:
    causes = [{"reason": "FieldValueRequired", "message": "Required value", "field": "spec.x"}]
    https_server.answers = [answer_with(status(code, reason, 'configmaps "a" is so', causes=causes), code)]
    with pytest.raises(ApiError) as caught:
        await transport.send(Request("GET", "/api"))
    assert type(caught.value) is kind
    assert (str(caught.value), caught.value.reason, caught.value.code) == ('configmaps "a" is so', reason, code)
    assert caught.value.causes[0].field == "spec.x"


async def test_an_answer_that_is_no_status_is_told_as_text(https_server: Any, transport: Transport) -> None:
    async def plain(_: web.Request) -> web.Response:
        return web.Response(status=404, text="404 page not found\n")

    https_server.answers = [plain]
    with pytest.raises(ApiError, match="404 page not found") as caught:
        await transport.send(Request("GET", "/apis/none"))
    assert not isinstance(caught.value, NotFound)


async def test_a_throttled_request_is_sent_again_when_the_server_says(
    https_server: Any, transport: Transport, answer_with: Any
) -> None:
    throttled = answer_with(status(429, "TooManyRequests", "later"), 429, **{"Retry-After": "0"})
    https_server.answers = [throttled, throttled, answer_with({"ok": True})]
    assert await transport.send(Request("POST", "/", body=b'{"x":1}')) == b'{"ok": true}'
    assert https_server.bodies == [b'{"x":1}'] * 3


async def test_reading_survives_a_broken_connection_and_writing_is_never_repeated(
    https_server: Any, transport: Transport, answer_with: Any
) -> None:
    https_server.answers = [broken, answer_with({"ok": True})]
    assert await transport.send(Request("GET", "/")) == b'{"ok": true}'
    https_server.requests.clear()
    https_server.answers = [broken, answer_with({"ok": True})]
    with pytest.raises(Unreachable):
        await transport.send(Request("POST", "/", body=b"{}"))
    assert len(https_server.requests) == 1


async def test_refused_credentials_are_read_anew_once(
    https_server: Any, transport: Transport, answer_with: Any
) -> None:
    https_server.answers = [answer_with(status(401, "Unauthorized", "Unauthorized"), 401)]
    with pytest.raises(Unauthorized):
        await transport.send(Request("GET", "/"))
    assert len(https_server.requests) == 2


async def test_no_server_at_all_names_the_address_and_not_the_token(https_server: Any) -> None:
    config = parse_config(https_server.kubeconfig(token="t0ken"))
    transport = Transport(replace(config, server="https://127.0.0.1:1"))
    with pytest.raises(Unreachable, match=r"https://127\.0\.0\.1:1") as caught:
        await transport.send(Request("GET", "/"))
    assert "t0ken" not in str(caught.value)
    await transport.close()


@pytest.fixture
async def client(https_server: Any) -> Any:
    client = KubeClient.connect(parse_config(https_server.kubeconfig()))
    yield client
    await client.close()


async def test_impersonation_is_told_in_headers_and_shares_discovery(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    https_server.answers = [answer_with(CONFIG_MAPS), answer_with({"kind": "ConfigMap"})]
    await client.get(Target(CONFIG_MAP, "ns", "a"))
    await client.impersonating("system:serviceaccount:ns:app", ("g",)).get(Target(CONFIG_MAP, "ns", "a"))
    first, second = https_server.requests[1:]
    assert "Impersonate-User" not in first.headers
    assert second.headers["Impersonate-User"] == "system:serviceaccount:ns:app"
    assert second.headers["Impersonate-Group"] == "g"


async def test_paths_follow_scope_and_names_are_escaped(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    https_server.answers = [answer_with(CONFIG_MAPS), answer_with({})]
    await client.get(Target(CONFIG_MAP, "ns", "a:b%"))
    await client.get(Target(GroupVersionKind("", "v1", "Namespace"), "ignored", "x"))
    raw = [request.raw_path for request in https_server.requests]
    assert raw == ["/api/v1", "/api/v1/namespaces/ns/configmaps/a%3Ab%25", "/api/v1/namespaces/x"]


async def test_a_list_reads_all_pages_and_its_items_name_their_kind(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    def page(name: str, token: str) -> dict[str, Any]:
        return {"metadata": {"resourceVersion": "7", "continue": token}, "items": [{"metadata": {"name": name}}]}

    https_server.answers = [answer_with(CONFIG_MAPS), answer_with(page("a", "more")), answer_with(page("b", ""))]
    listing = await client.list(CONFIG_MAP, Selection("ns", "app=x"))
    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b"]
    assert {(item["apiVersion"], item["kind"]) for item in listing.items} == {("v1", "ConfigMap")}
    assert listing.resource_version == "7"
    assert https_server.requests[1].query_string == "labelSelector=app%3Dx&limit=500"
    assert https_server.requests[2].query["continue"] == "more"


async def test_a_list_whose_pages_expire_is_read_from_the_start(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    first = {"metadata": {"resourceVersion": "7", "continue": "more"}, "items": [{"metadata": {"name": "a"}}]}
    whole = {"metadata": {"resourceVersion": "9"}, "items": [{"metadata": {"name": name}} for name in "ab"]}
    expired = answer_with(status(410, "Expired", "The provided continue parameter is too old"), 410)
    https_server.answers = [answer_with(CONFIG_MAPS), answer_with(first), expired, answer_with(whole)]
    listing = await client.list(CONFIG_MAP)
    assert ([item["metadata"]["name"] for item in listing.items], listing.resource_version) == (["a", "b"], "9")


THING = GroupVersionKind("x.io", "v1", "Thing")
SERVED = {
    "kind": "APIResourceList",
    "resources": [{"name": "things", "kind": "Thing", "namespaced": True, "verbs": []}],
}
NO_GROUPS: dict[str, object] = {"kind": "APIGroupList", "groups": []}
GROUPS = {"kind": "APIGroupList", "groups": [{"name": "x.io", "versions": [{"groupVersion": "x.io/v1"}]}]}


async def page_of_a_proxy(_: web.Request) -> web.Response:
    return web.Response(status=404, text="default backend - 404")


async def test_a_kind_that_is_not_served_is_asked_for_each_time(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    https_server.answers = [page_of_a_proxy, answer_with(NO_GROUPS), answer_with(SERVED)]
    with pytest.raises(NoMatch, match=r'no matches for kind "Thing" in version "x\.io/v1"'):
        await client.mapper.resource_for(THING)
    assert (await client.mapper.resource_for(THING)).path(
        "ns", "n", "status"
    ) == "/apis/x.io/v1/namespaces/ns/things/n/status"


@pytest.mark.parametrize("groups", [{"kind": "Page"}, None])
async def test_a_404_alone_does_not_say_that_a_kind_is_gone(
    https_server: Any, client: KubeClient, answer_with: Any, groups: dict[str, object] | None
) -> None:
    https_server.answers = [page_of_a_proxy, answer_with(groups) if groups else page_of_a_proxy]
    with pytest.raises(ApiError):
        await client.mapper.resource_for(THING)
    assert [request.path for request in https_server.requests] == ["/apis/x.io/v1", "/apis"]


def by_path(answers: dict[str, Any]) -> Any:
    """The answer that stands for a path; a page of a proxy for the others."""

    async def answer(request: web.Request) -> web.StreamResponse:
        found: web.StreamResponse = await answers.get(request.path, page_of_a_proxy)(request)
        return found

    return answer


async def test_a_version_that_is_named_and_not_served_yet_is_waited_for_a_moment(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    https_server.answers = [page_of_a_proxy, answer_with(GROUPS), answer_with(SERVED)]
    assert (await client.mapper.resource_for(THING)).plural == "things"
    https_server.answers = [by_path({"/apis": answer_with(GROUPS)})]
    client.mapper.forget(THING)
    with pytest.raises(ApiError, match="default backend"):
        await client.mapper.resource_for(THING)


async def test_a_kind_that_is_named_and_not_served_yet_is_waited_for_a_moment(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    https_server.answers = [answer_with(SERVED), page_of_a_proxy, answer_with(SERVED), answer_with({"kind": "Thing"})]
    assert await client.get(Target(THING, "ns", "a")) == {"kind": "Thing"}
    asked = [request.path for request in https_server.requests]
    assert asked == ["/apis/x.io/v1", "/apis/x.io/v1/namespaces/ns/things/a"] * 2


async def test_a_404_that_is_about_no_object_is_not_found_only_of_a_kind_that_is_served_no_longer(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    unserved = answer_with(status(404, "NotFound", "the server could not find the requested resource"), 404)
    https_server.answers = [by_path({"/apis/x.io/v1": answer_with(SERVED)})]
    with pytest.raises(ApiError, match="default backend") as caught:
        await client.get(Target(THING, "ns", "a"))
    assert not isinstance(caught.value, NotFound)
    https_server.answers = [unserved, page_of_a_proxy, answer_with(NO_GROUPS)]
    with pytest.raises(NoMatch):
        await client.get(Target(THING, "ns", "a"))


async def test_an_object_is_not_found_when_the_server_says_so_of_it(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    absent = answer_with(status(404, "NotFound", 'things.x.io "a" not found', name="a", kind="things"), 404)
    https_server.answers = [answer_with(SERVED), absent]
    with pytest.raises(NotFound):
        await client.get(Target(THING, "ns", "a"))
    assert len(https_server.requests) == 2


@pytest.mark.parametrize("answer", [{}, {"status": "ok"}, {"items": []}, []])
async def test_an_answer_that_is_no_list_is_not_taken_for_an_empty_one(
    https_server: Any, client: KubeClient, answer_with: Any, answer: object
) -> None:
    https_server.answers = [answer_with(SERVED), answer_with(answer)]
    with pytest.raises(InvalidAnswer):
        await client.list(THING)


async def test_writes_say_who_writes_and_under_which_conditions(
    https_server: Any, client: KubeClient, answer_with: Any
) -> None:
    https_server.answers = [answer_with(CONFIG_MAPS), answer_with({})]
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "ns"}}
    await client.apply(manifest, field_manager="kustomize-controller", dry_run=True)
    await client.delete(Target.of(manifest), preconditions=Preconditions(uid="u"))
    apply, delete = https_server.requests[1:]
    assert (apply.method, apply.content_type) == ("PATCH", "application/apply-patch+yaml")
    assert dict(apply.query) == {"fieldManager": "kustomize-controller", "dryRun": "All", "force": "true"}
    assert delete.method == "DELETE"
    assert https_server.bodies[2] == (
        b'{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background","preconditions":{"uid":"u"}}'
    )


@pytest.mark.parametrize(("namespace", "name"), [("ns", ".."), ("..", "web"), ("ns", "."), ("ns", "../x")])
def test_a_name_never_leads_to_another_path(namespace: str, name: str) -> None:
    resource = ApiResource(CONFIG_MAP, "configmaps", True, frozenset(), frozenset())
    with pytest.raises(BadRequest, match="could lead to another path"):
        resource.path(namespace, name)


async def test_a_group_never_leads_to_another_path(https_server: Any, client: KubeClient) -> None:
    with pytest.raises(NoMatch):
        await client.mapper.resource_for(GroupVersionKind("..", "v1", "ConfigMap"))
    assert https_server.requests == []


def test_nobody_can_not_be_impersonated(client: KubeClient) -> None:
    with pytest.raises(ValueError, match="nobody to impersonate"):
        client.impersonating("", ("system:masters",))


@pytest.mark.parametrize("sized", [True, False])
async def test_an_answer_without_end_is_not_read(https_server: Any, transport: Transport, sized: bool) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100000"} if sized else {})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                await response.write(b"x" * 100)
        return response

    https_server.answers = [endless]
    transport.largest_answer = 50_000
    with pytest.raises(Unreachable, match="more than 50000 bytes"):
        await transport.send(Request("GET", "/version"))
    assert len(https_server.requests) == 1
