"""Random kustomizations, built by Afflux and by kubectl: the same bytes, or both refuse.

``AFFLUX_DIFFERENTIAL_BUILDS`` says how many (10 unless it is set).
"""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from afflux.kustomize import DiskFileSystem, KustomizeError, build
from kustomize.random_trees import trees

KUBECTL = Path(__file__).parents[2] / ".venv" / "bin" / "kubectl"
BUILDS = int(os.environ.get("AFFLUX_DIFFERENTIAL_BUILDS", "10"))


def kubectl_build(directory: Path) -> str | None:
    done = subprocess.run([KUBECTL, "kustomize", directory], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout if done.returncode == 0 else None


def afflux_build(directory: Path) -> str | None:
    try:
        return build(DiskFileSystem("/"), str(directory)).to_yaml()
    except KustomizeError:
        return None


@pytest.mark.usefixtures("kubectl_version")
@settings(max_examples=BUILDS, deadline=None, suppress_health_check=list(HealthCheck), derandomize=BUILDS <= 10)
@given(files=trees())
def test_random_kustomizations_build_as_kubectl_builds_them(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, str]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for path, text in files.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text)
    assert afflux_build(root / "top") == kubectl_build(root / "top")
