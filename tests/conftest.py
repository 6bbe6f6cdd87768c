"""Fixtures that more than one package's tests use."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from afflux.kube.client import KubeClient
from afflux.kube.config import load_config

sys.path.insert(0, str(Path(__file__).parent))

from cluster import ClusterProcess, start_cluster

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference material beside the checkout; what needs it is skipped where it is absent."""
    if not (SHARED / "DESIGN.md").is_file():
        pytest.skip("reference material (../shared) is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterProcess]:
    """A control plane in a process of its own, for all tests that don't ask for a special one."""
    with start_cluster(tmp_path_factory.mktemp("control-plane")) as process:
        yield process


@pytest.fixture
async def kube_client(control_plane: ClusterProcess) -> AsyncIterator[KubeClient]:
    """A client of that control plane."""
    client = KubeClient.connect(load_config(control_plane.kubeconfig, None))
    yield client
    await client.close()
