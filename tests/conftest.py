"""Fixtures that more than one package's tests use."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference material beside the checkout; what needs it is skipped where it is absent."""
    if not (SHARED / "DESIGN.md").is_file():
        pytest.skip("reference material (../shared) is not beside this checkout")
    return SHARED
