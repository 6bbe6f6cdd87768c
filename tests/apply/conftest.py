"""A control plane that enforces roles, for the tests of this directory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import ClusterProcess, start_cluster


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterProcess]:
    directory: Path = tmp_path_factory.mktemp("control-plane")
    with start_cluster(directory, "--rbac") as process:
        yield process
