"""Workloads on a real kube-apiserver with its controller manager, and the simulation in place of nodes.

Run with `--cluster real`.
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from afflux.kube.client import KubeClient, Target
from afflux.kube.config import load_config
from afflux.kube.errors import NotFound
from afflux.objects.identity import GroupVersionKind, parse_api_version
from real_cluster import RealCluster
from waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
NAMESPACE = "simulated"


@pytest.fixture
async def client(real: RealCluster) -> AsyncIterator[KubeClient]:
    connected = KubeClient.connect(load_config(real.kubeconfig))
    yield connected
    await connected.close()


def manifest(api_version: str, kind: str, name: str, spec: Any = None, **annotations: str) -> dict[str, Any]:
    switches = {f"sim.gitops/{key.replace('_', '-')}": value for key, value in annotations.items()}
    metadata = {"name": name, "namespace": NAMESPACE, "annotations": switches}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **({"spec": spec} if spec else {})}


def target(api_version: str, kind: str, name: str) -> Target:
    group, version = parse_api_version(api_version)
    return Target(GroupVersionKind(group, version, kind), NAMESPACE, name)


def workload(label: str, image: str = "i:1", **spec: Any) -> dict[str, Any]:
    pods = {"metadata": {"labels": {"a": label}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    return {"selector": {"matchLabels": {"a": label}}, "template": pods, **spec}


def job(**spec: Any) -> dict[str, Any]:
    return {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]}}, **spec}


def has(condition: str, status: str = "True") -> Callable[[Any], bool]:
    def holds(found: Any) -> bool:
        conditions = found.get("status", {}).get("conditions") or ()
        return any(one["type"] == condition and one["status"] == status for one in conditions)

    return holds


async def until(client: KubeClient, wanted: Target, holds: Callable[[Any], Any]) -> Any:
    async def probe() -> Any:
        found = await client.get(wanted)
        return found if holds(found) else None

    return await eventually(probe, 60)


async def test_workloads_become_ready_fail_and_go(client: KubeClient) -> None:
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    await eventually(lambda: _has_account(client), 60)
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    templates = [{"metadata": {"name": "data"}, "spec": claim}]
    for each in (
        manifest("apps/v1", "Deployment", "web", workload("web", replicas=2)),
        manifest("apps/v1", "Deployment", "bad", workload("bad", "i:bad", progressDeadlineSeconds=2)),
        manifest("apps/v1", "Deployment", "sick", workload("sick"), fail="never-ready"),
        manifest("apps/v1", "StatefulSet", "db", workload("db", serviceName="db", volumeClaimTemplates=templates)),
        manifest("apps/v1", "DaemonSet", "agent", workload("agent")),
        manifest("batch/v1", "Job", "once", job()),
        manifest("batch/v1", "Job", "fails", job(backoffLimit=0), fail="job-failed"),
        manifest("v1", "Service", "web", {"type": "LoadBalancer", "selector": {"a": "web"}, "ports": [{"port": 80}]}),
    ):
        await client.create(each)
    await until(client, target("apps/v1", "Deployment", "web"), has("Available"))
    await until(client, target("apps/v1", "Deployment", "bad"), has("Progressing", "False"))
    await until(
        client, target("apps/v1", "StatefulSet", "db"), lambda each: each["status"].get("availableReplicas") == 1
    )
    await until(
        client, target("v1", "PersistentVolumeClaim", "data-db-0"), lambda each: each["status"]["phase"] == "Bound"
    )
    await until(
        client, target("apps/v1", "DaemonSet", "agent"), lambda each: each["status"].get("numberAvailable") == 1
    )
    await until(client, target("batch/v1", "Job", "once"), has("Complete"))
    await until(client, target("batch/v1", "Job", "fails"), has("Failed"))
    await until(client, target("v1", "Service", "web"), lambda each: each["status"]["loadBalancer"].get("ingress"))
    assert has("Available", "False")(await client.get(target("apps/v1", "Deployment", "sick")))
    healed = {"metadata": {"annotations": {"sim.gitops/fail": None}}}
    await client.patch(target("apps/v1", "Deployment", "sick"), healed)
    await until(client, target("apps/v1", "Deployment", "sick"), has("Available"))
    space = Target(GroupVersionKind("", "v1", "Namespace"), "", NAMESPACE)
    await client.delete(space)
    await eventually(lambda: _is_gone(client, space), 90)


async def _has_account(client: KubeClient) -> bool:
    with contextlib.suppress(NotFound):
        return bool(await client.get(target("v1", "ServiceAccount", "default")))
    return False


async def _is_gone(client: KubeClient, wanted: Target) -> bool:
    try:
        await client.get(wanted)
    except NotFound:
        return True
    return False
