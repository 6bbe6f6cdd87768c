"""Two GitOps controllers never reconcile the same objects."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from afflux.app.beside_flux import FluxIsRunning, live_holder, refuse_beside_flux
from afflux.kube.client import KubeClient
from afflux.kube.config import load_config
from cluster_option import Cluster

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def lease(renewed: datetime, holder: str = "source-controller-7d9f_abc") -> dict[str, object]:
    stamp = renewed.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 35, "renewTime": stamp}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "source-controller-leader-election", "namespace": "flux-system"},
        "spec": spec,
    }


@pytest.mark.parametrize(
    ("renewed", "holder", "alive"),
    [
        (NOW, "pod-a", True),
        (NOW - timedelta(seconds=34), "pod-a", True),
        (NOW - timedelta(minutes=5), "pod-a", False),
        (NOW, "", False),
    ],
)
def test_a_lease_is_held_until_it_runs_out_or_is_released(renewed: datetime, holder: str, alive: bool) -> None:
    assert live_holder(lease(renewed, holder), NOW) == (holder if alive else None)


def test_a_lease_that_nobody_ever_held_is_free() -> None:
    assert live_holder({"spec": {}}, NOW) is None


async def test_run_refuses_beside_a_running_flux_and_says_what_to_scale_down(
    tmp_path: Path, fresh_cluster: Cluster
) -> None:
    client = KubeClient.connect(load_config(fresh_cluster.kubeconfig))
    metadata = {"name": "flux-system"}
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    await client.create(lease(datetime.now(UTC)))
    with pytest.raises(FluxIsRunning, match="scale deployment/source-controller --replicas=0"):
        await refuse_beside_flux(client, ("source", "kustomize"), "flux-system", datetime.now(UTC))
    await refuse_beside_flux(client, ("kustomize",), "flux-system", datetime.now(UTC))
    await client.close()
    command = [sys.executable, "-m", "afflux", "run", "--kubeconfig", str(fresh_cluster.kubeconfig)]
    done = subprocess.run([*command, "--data-dir", str(tmp_path / "data")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Flux is at work in this cluster: source-controller" in done.stderr
