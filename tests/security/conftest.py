"""A control plane for the tests of this directory, and a client of it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from afflux.kube.client import KubeClient
from afflux.kube.config import load_config
from cluster import ClusterProcess, start_cluster


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterProcess]:
    directory: Path = tmp_path_factory.mktemp("control-plane")
    with start_cluster(directory) as process:
        yield process


@pytest.fixture
async def kube_client(control_plane: ClusterProcess) -> AsyncIterator[KubeClient]:
    client = KubeClient.connect(load_config(control_plane.kubeconfig, None))
    yield client
    await client.close()
