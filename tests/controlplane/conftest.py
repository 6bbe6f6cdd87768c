"""A control plane in this process. What does not ask for the session's ``cluster`` is about this one alone."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from controlplane_client import Api, client_of  # noqa: E402

from afflux.controlplane.control_plane import ControlPlane, Settings  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and "cluster_kind" not in getattr(item, "fixturenames", ()):
            item.add_marker(
                pytest.mark.embedded_only("mirrors afflux.controlplane, in this process or a process of its own")
            )


@pytest.fixture
async def plane() -> AsyncIterator[ControlPlane]:
    """A plane in memory, with simulated workloads that start at once."""
    async with ControlPlane(settings=Settings(simulation_delay=0.0)) as running:
        yield running


@pytest.fixture
async def api(plane: ControlPlane) -> AsyncIterator[Api]:
    async with client_of(plane) as client:
        yield client
