"""Python's own Kubernetes clients, unmodified: they list, watch, go on where a watch ended, apply and wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("kubernetes_asyncio", reason="kubernetes_asyncio is not installed")
pytest.importorskip("kr8s", reason="kr8s is not installed")

from kr8s import asyncio as kr8s
from kr8s.asyncio.objects import ConfigMap, Deployment, Job, Pod, new_class
from kubernetes_asyncio import client, config, watch
from kubernetes_asyncio.dynamic import DynamicClient

from cluster_option import Cluster
from plain_http import Server
from waiting import eventually, let_pass

NAMESPACE = "python-clients"
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
GADGETS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gadgets.clients.example.com"},
    "spec": {
        "group": "clients.example.com",
        "scope": "Namespaced",
        "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
                    }
                },
            }
        ],
    },
}


@pytest.fixture(scope="session")
def kubeconfig(cluster: Cluster) -> Path:
    server = Server(cluster.kubeconfig)
    server.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    while server.call("GET", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default")[0] != 200:
        let_pass(0.05)
    return cluster.kubeconfig


@pytest.fixture
async def official(kubeconfig: Path) -> AsyncIterator[Any]:
    """A client of kubernetes_asyncio."""
    settings = client.Configuration()
    await config.load_kube_config(str(kubeconfig), client_configuration=settings)
    async with client.ApiClient(settings) as api:
        yield api


@pytest.fixture
async def friendly(kubeconfig: Path) -> Any:
    """A client of kr8s."""
    return await kr8s.api(kubeconfig=str(kubeconfig))


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data}


def deployment(name: str, replicas: int = 1) -> dict[str, Any]:
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }


async def test_kubernetes_asyncio_creates_reads_changes_and_deletes(official: Any) -> None:
    core = client.CoreV1Api(official)
    made = await core.create_namespaced_config_map(NAMESPACE, config_map("crud", a="1"))
    assert made.metadata.uid
    await core.patch_namespaced_config_map("crud", NAMESPACE, {"data": {"b": "2"}})
    read = await core.read_namespaced_config_map("crud", NAMESPACE)
    assert read.data == {"a": "1", "b": "2"}
    read.data = {"c": "3"}
    await core.replace_namespaced_config_map("crud", NAMESPACE, read)
    with pytest.raises(client.ApiException) as stale:
        await core.replace_namespaced_config_map("crud", NAMESPACE, read)
    assert stale.value.status == 409
    await core.delete_namespaced_config_map("crud", NAMESPACE)
    with pytest.raises(client.ApiException) as absent:
        await core.read_namespaced_config_map("crud", NAMESPACE)
    assert absent.value.status == 404


async def test_kubernetes_asyncio_lists_in_pages(official: Any) -> None:
    core = client.CoreV1Api(official)
    for number in range(5):
        await core.create_namespaced_secret(NAMESPACE, {"metadata": {"name": f"p{number}", "labels": {"paged": "y"}}})
    names: list[str] = []
    more = None
    while True:
        page = await core.list_namespaced_secret(NAMESPACE, label_selector="paged=y", limit=2, _continue=more)
        names += [item.metadata.name for item in page.items]
        more = page.metadata._continue
        if not more:
            break
    assert names == ["p0", "p1", "p2", "p3", "p4"]


async def test_kubernetes_asyncio_goes_on_where_a_watch_ended(official: Any) -> None:
    core = client.CoreV1Api(official)
    listed = await core.list_namespaced_config_map(NAMESPACE, label_selector="watched=y")
    seen: list[tuple[str, str]] = []

    async def follow(version: str, until: str) -> str:
        stream = watch.Watch().stream(
            core.list_namespaced_config_map, NAMESPACE, label_selector="watched=y", resource_version=version
        )
        async with stream as events:
            async for event in events:
                seen.append((event["type"], event["object"].metadata.name))
                if event["object"].metadata.name == until:
                    return str(event["object"].metadata.resource_version)
        raise AssertionError("the watch ended")

    first = asyncio.create_task(follow(listed.metadata.resource_version, "w1"))
    for name in ("w0", "w1", "w2"):
        body = config_map(name)
        body["metadata"]["labels"] = {"watched": "y"}
        await core.create_namespaced_config_map(NAMESPACE, body)
    version = await first
    await core.patch_namespaced_config_map("w0", NAMESPACE, {"data": {"a": "1"}})
    await core.delete_namespaced_config_map("w1", NAMESPACE)
    await follow(version, "w1")
    assert seen == [("ADDED", "w0"), ("ADDED", "w1"), ("ADDED", "w2"), ("MODIFIED", "w0"), ("DELETED", "w1")]


async def test_kubernetes_asyncio_starts_again_by_itself_when_a_stream_ends(official: Any) -> None:
    core = client.CoreV1Api(official)
    await core.create_namespaced_config_map(NAMESPACE, config_map("short"))
    stream = watch.Watch().stream(
        core.list_namespaced_config_map, NAMESPACE, field_selector="metadata.name=short", timeout_seconds=1
    )
    async with stream as events:
        types = [event["type"] async for event in events]
    assert types == ["ADDED"]
    follower = watch.Watch()
    follower.resource_version = stream.resource_version
    await core.delete_namespaced_config_map("short", NAMESPACE)
    resumed = follower.stream(
        core.list_namespaced_config_map,
        NAMESPACE,
        field_selector="metadata.name=short",
        resource_version=stream.resource_version,
        timeout_seconds=1,
    )
    async with resumed as events:
        assert [event["type"] async for event in events] == ["DELETED"]


async def test_kubernetes_asyncio_applies_and_meets_a_conflict(official: Any) -> None:
    async with DynamicClient(official) as dynamic:
        maps = await dynamic.resources.get(api_version="v1", kind="ConfigMap")
        await maps.server_side_apply(body=config_map("ssa", a="1"), field_manager="one")
        await maps.server_side_apply(body=config_map("ssa", b="2"), field_manager="two")
        # This client hands a refusal on as the Status that it got.
        refused = await maps.server_side_apply(body=config_map("ssa", a="9"), field_manager="two")
        assert (refused.code, refused.reason) == (409, "Conflict")
        assert [cause.field for cause in refused.details.causes] == [".data.a"]
        forced = await maps.server_side_apply(body=config_map("ssa", a="9"), field_manager="two", force_conflicts=True)
        assert forced.data.to_dict() == {"a": "9"}
        assert [entry.manager for entry in forced.metadata.managedFields] == ["two"]


async def test_kubernetes_asyncio_finds_a_new_kind_at_once(official: Any) -> None:
    async with DynamicClient(official) as dynamic:
        definitions = await dynamic.resources.get(
            api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition"
        )
        await definitions.server_side_apply(body=GADGETS, field_manager="one")

        async def established() -> bool:
            live = await definitions.get(name="gadgets.clients.example.com")
            conditions = {each.type: each.status for each in live.status.conditions or []}
            return conditions.get("Established") == "True"

        await eventually(established)
        await dynamic.resources.invalidate_cache()
        gadgets = await dynamic.resources.get(api_version="clients.example.com/v1", kind="Gadget")
        body = {
            "apiVersion": "clients.example.com/v1",
            "kind": "Gadget",
            "metadata": {"name": "w"},
            "spec": {"size": 3},
        }
        await gadgets.create(body=body, namespace=NAMESPACE)
        assert [item.spec.size for item in (await gadgets.get(namespace=NAMESPACE)).items] == [3]


async def test_kubernetes_asyncio_waits_for_a_rollout(official: Any) -> None:
    apps, core = client.AppsV1Api(official), client.CoreV1Api(official)
    await apps.create_namespaced_deployment(NAMESPACE, deployment("rolled", 2))

    async def rolled_out() -> bool:
        live = await apps.read_namespaced_deployment_status("rolled", NAMESPACE)
        return live.status.available_replicas == 2 and live.status.observed_generation == live.metadata.generation

    await eventually(rolled_out)
    pods = await core.list_namespaced_pod(NAMESPACE, label_selector="app=web", field_selector="status.phase=Running")
    assert len(pods.items) == 2
    await apps.patch_namespaced_deployment_scale("rolled", NAMESPACE, {"spec": {"replicas": 0}})
    await apps.delete_namespaced_deployment("rolled", NAMESPACE)


async def test_kr8s_creates_reads_changes_and_deletes(friendly: Any) -> None:
    made = await ConfigMap(config_map("k-crud", a="1"), api=friendly)
    await made.create()
    await made.patch({"data": {"b": "2"}})
    await made.label(team="red")
    await made.refresh()
    assert made.raw["data"].to_dict() == {"a": "1", "b": "2"}
    found = [item.name async for item in friendly.get("configmaps", namespace=NAMESPACE, label_selector="team=red")]
    assert found == ["k-crud"]
    await made.delete()
    assert not await made.exists()


async def test_kr8s_knows_the_server_and_itself(friendly: Any) -> None:
    assert (await friendly.version())["gitVersion"].startswith("v1.36.")
    assert await friendly.whoami()
    assert {"pods", "deployments", "jobs"} <= {each["name"] for each in await friendly.api_resources()}


async def test_kr8s_lists_in_pages(friendly: Any) -> None:
    for number in range(120):
        await (await ConfigMap(config_map(f"k-page-{number:03}"), api=friendly)).create()
    names = [each.name async for each in friendly.get("configmaps", namespace=NAMESPACE)]
    assert [name for name in names if name.startswith("k-page-")] == [f"k-page-{number:03}" for number in range(120)]


async def test_kr8s_goes_on_where_a_watch_ended(friendly: Any) -> None:
    made = await ConfigMap(config_map("k-watched"), api=friendly)
    await made.create()
    since = made.metadata.resourceVersion
    await made.patch({"data": {"a": "1"}})
    await made.delete()
    types = []
    selected = {"field_selector": "metadata.name=k-watched", "namespace": NAMESPACE}
    async for type_, each in friendly.watch("configmaps", since=since, **selected):
        types.append((type_, each.name))
        if type_ == "DELETED":
            break
    assert types == [("MODIFIED", "k-watched"), ("DELETED", "k-watched")]


async def test_kr8s_waits_for_workloads(friendly: Any) -> None:
    made = await Deployment(deployment("k-web"), api=friendly)
    await made.create()
    await made.wait("condition=Available", timeout=20)
    await made.scale(3)
    pods = await eventually(lambda: running(made))
    assert {pod.status.phase for pod in pods} == {"Running"}
    spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]}}}
    metadata = {"name": "k-job", "namespace": NAMESPACE}
    job = await Job({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}, api=friendly)
    await job.create()
    await job.wait("condition=Complete", timeout=20)
    await made.delete(propagation_policy="Foreground")
    await made.wait("delete", timeout=20)


async def running(made: Any) -> list[Any]:
    """The Pods of the Deployment, once there are three that run."""
    pods: list[Any] = await made.pods()
    assert len(pods) == 3
    assert all(pod.status.get("phase") == "Running" for pod in pods)
    return pods


@pytest.mark.embedded_only("a simulated Pod's log: on a real server a kubelet has it")
async def test_kr8s_reads_logs(friendly: Any) -> None:
    metadata = {"name": "k-pod", "namespace": NAMESPACE}
    spec = {"containers": [{"name": "c", "image": "i:1"}]}
    pod = await Pod({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, api=friendly)
    await pod.create()
    await pod.wait("condition=Ready", timeout=20)
    assert [line async for line in pod.logs()] == []


async def test_kr8s_reads_custom_objects(friendly: Any) -> None:
    definition = await new_class("CustomResourceDefinition", "apiextensions.k8s.io/v1", namespaced=False)(
        GADGETS, api=friendly
    )
    if not await definition.exists():
        await definition.create()
    await definition.wait("condition=Established", timeout=20)
    Gadget = new_class("Gadget", "clients.example.com/v1")
    body = {"metadata": {"name": "k-gadget", "namespace": NAMESPACE}, "spec": {"size": 4}}
    gadget = await Gadget(body, api=friendly)
    await gadget.create()
    await gadget.patch({"spec": {"size": 5}})
    await gadget.refresh()
    assert gadget.spec.size == 5
