"""A control plane in this process."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from controlplane_client import Api, client_of

from afflux.controlplane.control_plane import ControlPlane, Settings


@pytest.fixture
async def plane() -> AsyncIterator[ControlPlane]:
    """A plane in memory, with simulated workloads that start at once."""
    async with ControlPlane(settings=Settings(simulation_delay=0.0)) as running:
        yield running


@pytest.fixture
async def api(plane: ControlPlane) -> AsyncIterator[Api]:
    async with client_of(plane) as client:
        yield client
