"""Fixtures that more than one package's tests use."""

import os
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from afflux.kube.client import KubeClient, Target
from afflux.kube.config import load_config
from afflux.kube.errors import NotFound
from afflux.objects.identity import GroupVersionKind

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared"
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "e2e")]

from cluster_option import (  # noqa: E402
    GIVEN,
    Cluster,
    GivenCluster,
    Kind,
    check_option,
    is_selected,
    kinds_for,
    started,
)
from waiting import eventually  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cluster",
        choices=("embedded", "real", "both"),
        default="embedded",
        help="the API server that tests talk to: the embedded one (the default), a real kube-apiserver (only the tests "
        "that talk to one are run), or both, one after the other",
    )


def pytest_configure(config: pytest.Config) -> None:
    check_option(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cluster_kind" in metafunc.fixturenames:
        metafunc.parametrize("cluster_kind", kinds_for(metafunc), indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = config.getoption("--cluster")
    left_out = [item for item in items if not is_selected(item, chosen)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if is_selected(item, chosen)]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference material beside the checkout; what needs it is skipped where it is absent."""
    if not (SHARED / "DESIGN.md").is_file():
        pytest.skip("reference material (../shared) is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def cluster_kind(request: pytest.FixtureRequest) -> Kind:
    """Which kind of cluster the test talks to."""
    kind: Kind = request.param
    return kind


@pytest.fixture(scope="session")
def cluster(cluster_kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster in processes of its own, for all tests that don't ask for a special one."""
    given = os.environ.get(GIVEN)
    if cluster_kind == "real" and given:
        yield GivenCluster(Path(given))
        return
    with started(cluster_kind, tmp_path_factory.mktemp(cluster_kind)) as running:
        yield running


@pytest.fixture
def fresh_cluster(cluster_kind: Kind, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster with nothing in it, for one test that takes the whole of it."""
    with started(cluster_kind, tmp_path / cluster_kind) as running:
        yield running


@pytest.fixture
async def kube_client(cluster: Cluster) -> AsyncIterator[KubeClient]:
    """A client of the session's cluster."""
    client = KubeClient.connect(load_config(cluster.kubeconfig, None))
    yield client
    await client.close()


@pytest.fixture
async def namespace(kube_client: KubeClient) -> str:
    """A namespace of the test's own, ready for Pods."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    await kube_client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    account = Target(GroupVersionKind("", "v1", "ServiceAccount"), name, "default")

    async def has_account() -> bool:
        try:
            return bool(await kube_client.get(account))
        except NotFound:
            return False

    await eventually(has_account)
    return name
