"""Two GitOps controllers never reconcile the same objects."""

import asyncio
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from afflux.app.beside_flux import FluxIsRunning, is_running, refuse_beside_flux
from afflux.kube.client import KubeClient, Target
from afflux.kube.config import load_config
from afflux.kube.errors import NotFound
from afflux.objects.identity import GroupVersionKind
from afflux.runtime.lease import LEASE
from cluster_option import Cluster
from waiting import eventually

CRD = GroupVersionKind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
HOLDER = "source-controller-7d9f_abc"
SHORT = [f"--leader-election-{flag}" for flag in ("lease-duration=6s", "renew-deadline=4s", "retry-period=1s")]


def deployment(name: str, replicas: int, **labels: str) -> dict[str, Any]:
    part_of = {"app.kubernetes.io/part-of": "flux"} | labels
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "manager", "image": "x"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "flux-system", "labels": part_of},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def lease(seconds: int) -> dict[str, Any]:
    """A Lease by a clock that is far behind ours: whether somebody lives is seen from its changes alone."""
    spec = {"holderIdentity": HOLDER, "leaseDurationSeconds": seconds, "renewTime": "2001-01-01T00:00:00.000000Z"}
    metadata = {"name": "source-controller-leader-election", "namespace": "flux-system"}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "status", "running"),
    [
        ({}, {}, True),
        ({"replicas": 1}, {}, True),
        ({"replicas": 0}, {"replicas": 1}, True),
        ({"replicas": 0}, {}, False),
    ],
)
def test_a_deployment_runs_while_it_has_pods_or_will_have(spec: Any, status: Any, running: bool) -> None:
    assert is_running({"spec": spec, "status": status}) is running


async def namespace(client: KubeClient) -> None:
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flux-system"}})


async def run(cluster: Cluster, data: Path, *flags: str) -> asyncio.subprocess.Process:
    listeners = [f"--{name}-addr=127.0.0.1:0" for name in ("storage", "metrics", "health")]
    command = [
        sys.executable,
        "-m",
        "afflux",
        "run",
        "--kubeconfig",
        str(cluster.kubeconfig),
        "--data-dir",
        str(data),
    ]
    return await asyncio.create_subprocess_exec(
        *command, *SHORT, *listeners, *flags, stderr=asyncio.subprocess.PIPE, process_group=0
    )


async def test_a_running_deployment_of_flux_is_refused_with_what_to_scale_down(
    fresh_cluster: Cluster, tmp_path: Path
) -> None:
    client = KubeClient.connect(load_config(fresh_cluster.kubeconfig))
    await namespace(client)
    await client.create(deployment("kustomize-controller", 0))
    await client.create(deployment("helm-controller", 1))
    both = ["source-controller", "kustomize-controller"]
    await refuse_beside_flux(client, both, "flux-system")
    await client.create(deployment("source-controller", 1))
    with pytest.raises(FluxIsRunning, match="-n flux-system scale deployment/source-controller --replicas=0"):
        await refuse_beside_flux(client, both, "elsewhere")
    await refuse_beside_flux(client, ["kustomize-controller"], "flux-system")
    process = await run(fresh_cluster, tmp_path / "data")
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert b"Flux is at work in this cluster: flux-system/source-controller (its Deployment has replicas)" in said
    with pytest.raises(NotFound):
        await client.get(Target(CRD, "", "gitrepositories.source.toolkit.fluxcd.io"))
    await client.close()


async def test_a_lease_that_flux_renews_is_refused_and_one_that_it_left_is_taken(
    fresh_cluster: Cluster, tmp_path: Path
) -> None:
    client = KubeClient.connect(load_config(fresh_cluster.kubeconfig))
    await namespace(client)
    target = Target.of(await client.create(lease(6)))
    process = await run(fresh_cluster, tmp_path / "data")

    async def lives() -> None:
        while True:
            await client.patch(target, {"spec": {"renewTime": f"2001-01-01T00:00:00.{uuid.uuid4().int % 10**6:06}Z"}})
            await asyncio.sleep(0.5)

    renewing = asyncio.create_task(lives())
    _, said = await asyncio.wait_for(process.communicate(), 60)
    renewing.cancel()
    assert process.returncode == 1
    assert f"source-controller (Lease held by {HOLDER})".encode() in said
    assert b"kubectl -n flux-system scale deployment/source-controller --replicas=0" in said
    process = await run(fresh_cluster, tmp_path / "data")
    await taken(client, target)
    process.terminate()
    await process.communicate()
    assert process.returncode == 0
    await client.close()


async def test_taking_over_goes_on_beside_flux(fresh_cluster: Cluster, tmp_path: Path) -> None:
    client = KubeClient.connect(load_config(fresh_cluster.kubeconfig))
    await namespace(client)
    await client.create(deployment("source-controller", 1))
    target = Target.of(await client.create(lease(3)))
    process = await run(fresh_cluster, tmp_path / "data", "--take-over")
    await taken(client, target)

    async def leads() -> bool:
        try:
            return bool(await client.get(Target(CRD, "", "gitrepositories.source.toolkit.fluxcd.io")))
        except NotFound:
            return False

    await eventually(leads, 30)
    process.terminate()
    await process.communicate()
    assert process.returncode == 0
    await client.close()


async def taken(client: KubeClient, target: Target) -> None:
    async def ours() -> bool:
        spec = (await client.get(target))["spec"]
        assert (target.gvk, spec.get("holderIdentity", "").partition("/")[0]) == (LEASE, "afflux"), spec
        return True

    await eventually(ours, 30)
