"""Workloads simulated from outside: the simulation as a client of an API server that has none of its own."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from afflux.app.simulation_client import RemoteAccess, SimulationSettings, simulation_of
from afflux.controlplane.errors import ApiStatusError
from afflux.kube.client import KubeClient, Target
from afflux.kube.config import load_config
from afflux.kube.errors import NotFound
from afflux.objects.identity import GroupVersionKind
from cluster import ClusterProcess, start_cluster
from waiting import eventually

POD = GroupVersionKind("", "v1", "Pod")
NODE = GroupVersionKind("", "v1", "Node")
CLAIM = GroupVersionKind("", "v1", "PersistentVolumeClaim")
DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")
REPLICA_SET = GroupVersionKind("apps", "v1", "ReplicaSet")
LEASE = GroupVersionKind("coordination.k8s.io", "v1", "Lease")
pytestmark = pytest.mark.embedded_only(
    "wants a server without controllers; the real one: e2e/test_simulate_on_a_real_server"
)
TEMPLATE = {"metadata": {"labels": {"a": "x"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterProcess]:
    with start_cluster(tmp_path_factory.mktemp("bare"), "--no-simulation") as running:
        yield running


@pytest.fixture
async def client(cluster: ClusterProcess) -> AsyncIterator[KubeClient]:
    connected = KubeClient.connect(load_config(cluster.kubeconfig))
    yield connected
    await connected.close()


@contextlib.asynccontextmanager
async def simulated(client: KubeClient, **settings: Any) -> AsyncIterator[None]:
    simulation = simulation_of(client, SimulationSettings(delay=0.0, **settings), "v1.36.3")
    task = asyncio.create_task(simulation.run())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def until(client: KubeClient, target: Target, holds: Callable[[Any], Any]) -> Any:
    async def probe() -> Any:
        with contextlib.suppress(NotFound):
            found = await client.get(target)
            return found if holds(found) else None
        return None

    return await eventually(probe)


def is_ready(found: Any) -> bool:
    conditions = found.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def pod(name: str, **spec: Any) -> dict[str, Any]:
    own = {"containers": [{"name": "c", "image": "i:1"}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": own}


async def test_pods_are_bound_to_the_node_and_become_ready(client: KubeClient) -> None:
    async with simulated(client, node="sim-a"):
        await client.create(pod("one"))
        found = await until(client, Target(POD, "default", "one"), is_ready)
        assert found["spec"]["nodeName"] == "sim-a"
        managers = {(entry["manager"], entry.get("subresource")) for entry in found["metadata"]["managedFields"]}
        assert ("kubelet", "status") in managers
        node = await until(client, Target(NODE, "", "sim-a"), is_ready)
        assert node["status"]["nodeInfo"]["kubeletVersion"] == "v1.36.3"
        lease = await until(client, Target(LEASE, "kube-node-lease", "sim-a"), lambda each: each["spec"])
        assert lease["spec"]["holderIdentity"] == "sim-a"


async def test_deleted_pods_go_and_those_of_other_nodes_stay(client: KubeClient) -> None:
    elsewhere = Target(POD, "default", "elsewhere")
    await client.create(pod("elsewhere", nodeName="another-node"))
    async with simulated(client):
        await client.create(pod("gone"))
        target = Target(POD, "default", "gone")
        await until(client, target, is_ready)
        await client.delete(target)

        async def is_gone() -> bool:
            try:
                await client.get(target)
            except NotFound:
                return True
            return False

        await eventually(is_gone)
        assert (await client.get(elsewhere))["status"]["phase"] == "Pending"


async def test_beside_a_controller_manager_workloads_are_left_to_it(client: KubeClient) -> None:
    replica_set = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "theirs", "namespace": "default", "annotations": {"sim.gitops/fail": "never-ready"}},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"a": "x"}}, "template": TEMPLATE},
    }
    made = await client.create(replica_set)
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "theirs",
        "uid": made["metadata"]["uid"],
        "controller": True,
    }
    member, target = pod("theirs-a"), Target(POD, "default", "theirs-a")
    member["metadata"]["ownerReferences"] = [owner]
    async with simulated(client):
        await client.create(member)
        found = await until(client, target, lambda each: each["status"]["phase"] == "Running")
        assert not is_ready(found)
        switch = {"metadata": {"annotations": {"sim.gitops/fail": None}}}
        await client.patch(Target(REPLICA_SET, "default", "theirs"), switch)
        await until(client, target, is_ready)
        assert "status" not in made or not made["status"].get("readyReplicas")
        assert (await client.get(Target(REPLICA_SET, "default", "theirs")))["status"].get("replicas", 0) == 0


async def test_claims_are_bound(client: KubeClient) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    async with simulated(client):
        await client.create(claim)
        await until(client, Target(CLAIM, "default", "data"), lambda each: each["status"].get("phase") == "Bound")


async def test_where_there_is_no_controller_manager_its_work_is_done_too(
    cluster: ClusterProcess, client: KubeClient
) -> None:
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "y"}}, "template": _labelled("y")},
    }
    command = [sys.executable, "-m", "afflux", "simulate", "--kubeconfig", str(cluster.kubeconfig)]
    environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    process = subprocess.Popen([*command, "--controllers", "--delay", "0"], env=environment)
    try:
        await client.create(deployment)
        target = Target(DEPLOYMENT, "default", "web")
        await until(client, target, lambda each: each.get("status", {}).get("availableReplicas") == 2)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def _labelled(value: str) -> dict[str, Any]:
    return {**TEMPLATE, "metadata": {"labels": {"a": value}}}


async def test_refusals_come_in_the_simulations_words(client: KubeClient) -> None:
    access = RemoteAccess(client, "kubelet")
    assert await access.get(POD, "default", "absent") is None
    await access.delete(POD, "default", "absent")
    with pytest.raises(ApiStatusError) as refused:
        await access.patch(POD, "default", "absent", {"metadata": {"labels": {"a": "b"}}})
    assert (refused.value.code, refused.value.reason) == (404, "NotFound")
    await access.create(pod("bound"))
    await access.bind("default", "bound", "node-7")
    with pytest.raises(ApiStatusError) as refused:
        await access.bind("default", "bound", "node-8")
    assert refused.value.reason == "Conflict"


async def test_a_namespace_with_claims_goes_though_nobody_simulates(client: KubeClient) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "going"}}
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "going"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    await client.create(namespace)
    await client.create(claim)
    target = Target(GroupVersionKind("", "v1", "Namespace"), "", "going")
    await client.delete(target)

    async def is_gone() -> bool:
        try:
            await client.get(target)
        except NotFound:
            return True
        return False

    await eventually(is_gone)
