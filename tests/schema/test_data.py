"""The schema data in the tree is what the tool makes of its source."""

import importlib.util
from pathlib import Path

import pytest

from afflux.schema.openapi import builtin_schemas


def test_the_data_is_what_the_tool_makes() -> None:
    pytest.importorskip("kubernetes_validate")
    tool = Path(__file__).parents[2] / "tools" / "build_schemas.py"
    spec = importlib.util.spec_from_file_location("build_schemas", tool)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.compact(module.read_definitions("1.36")) == builtin_schemas("1.36").definitions
