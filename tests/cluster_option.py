"""Which API server tests talk to: the embedded one, a real one, or both (``--cluster``).

A test gets its server by the fixture ``cluster`` (one for the whole session; the test makes a namespace of its own) or
``fresh_cluster`` (one that nobody else uses). ``@pytest.mark.embedded_only(reason)`` says that a test is about the
embedded control plane itself; the fixture ``real``, or ``@pytest.mark.real_only``, that it needs a real server.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import pytest

from cluster import start_cluster
from real_cluster import RealCluster, assets, missing

Kind: TypeAlias = Literal["embedded", "real"]
GIVEN = "AFFLUX_CONFORMANCE_KUBECONFIG"
"""The variable that names an empty cluster's kubeconfig, to be used instead of one that is started."""


class Cluster(Protocol):
    """An API server that answers."""

    kubeconfig: Path


class GivenCluster:
    """A cluster that somebody else runs."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig


@contextmanager
def started(kind: Kind, directory: Path, simulation_delay: float = 0.0) -> Iterator[Cluster]:
    """A cluster of that kind that enforces roles and whose Pods become ready."""
    if kind == "embedded":
        with start_cluster(directory, "--rbac", simulation_delay=simulation_delay) as embedded:
            yield embedded
        return
    folder = assets()
    assert folder is not None, missing()
    with RealCluster(directory, folder) as real:
        real.start_simulation()
        yield real


def check_option(config: pytest.Config) -> None:
    """Refuses a choice that can't be met, before anything runs."""
    if config.getoption("--cluster") != "embedded" and not os.environ.get(GIVEN) and missing():
        raise pytest.UsageError(f"--cluster {config.getoption('--cluster')}: {missing()}")


def kinds_for(metafunc: pytest.Metafunc) -> list[Kind]:
    """The kinds of cluster on which a test runs."""
    chosen = metafunc.config.getoption("--cluster")
    both: list[Kind] = ["embedded", "real"]
    if metafunc.definition.get_closest_marker("embedded_only") is not None:
        return ["embedded"]
    return both if chosen == "both" else [chosen]


def is_selected(item: pytest.Item, chosen: str) -> bool:
    """Whether a test has something to say about the chosen cluster.

    With ``real`` whatever does not talk to one is left out: it says the same as with ``embedded``.
    """
    names = set(getattr(item, "fixturenames", ()))
    needs_real = "real" in names or item.get_closest_marker("real_only") is not None
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    if parameters.get("cluster_kind") == "real" and item.get_closest_marker("embedded_only") is not None:
        return False
    if chosen == "embedded":
        return not needs_real
    if chosen == "both" or needs_real:
        return True
    return "cluster_kind" in names and item.get_closest_marker("embedded_only") is None
