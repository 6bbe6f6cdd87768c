"""End-to-end tests drive the walk-through's code: `afflux up`, git and the real kubectl."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from real_cluster import RealCluster, assets, missing

EXAMPLE = Path(__file__).parents[2] / "examples/01-walkthrough"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("walkthrough", EXAMPLE / "walkthrough.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["walkthrough"] = module
    spec.loader.exec_module(module)
    return module


walkthrough = _load()


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Any]:
    """A walk-through in a folder of its own; whatever it started is ended."""
    yield from _walk(tmp_path / "walk")


@pytest.fixture
def another_walk(tmp_path: Path) -> Iterator[Any]:
    """A second one beside it."""
    yield from _walk(tmp_path / "another")


def _walk(work: Path) -> Iterator[Any]:
    work.mkdir()
    walk = walkthrough.Walkthrough(work)
    yield walk
    if walk.up is not None and walk.processes():
        walk.kill()


@pytest.fixture
def write(walk: Any) -> Callable[[dict[str, str | None], str], str]:
    """Writes (or removes: None) files of the clone, commits and pushes; returns the commit's hash."""

    def write(files: dict[str, str | None], message: str) -> str:
        for name, text in files.items():
            path = walk.clone / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        walk.git("add", "--all")
        walk.git("commit", "--quiet", "--message", message)
        walk.git("push", "--quiet", "origin", "HEAD")
        return str(walk.git("rev-parse", "HEAD"))

    return write


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealCluster]:
    """A real API server and controller manager of the test's own, with simulated nodes."""
    folder = assets()
    assert folder is not None, missing()
    with RealCluster(tmp_path / "real", folder) as cluster:
        cluster.start_simulation()
        yield cluster
