"""Small builds and what kustomize 5.8.1 makes of them: cases of our own, and those that are shared."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from afflux.kustomize import BuildOptions, DiskFileSystem, KustomizeError, MemoryFileSystem, Reorder, build
from afflux.lang.yaml import load_documents

CASES = json.loads(Path(__file__).with_name("cases.json").read_text())
"""Differences found on the way, and oddities that nobody would guess: files, the directory, the text or a failure."""


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_build_is_kustomize_s(case: dict[str, Any]) -> None:
    if case["output"] is None:
        with pytest.raises(KustomizeError):
            build(MemoryFileSystem(case["files"]), case["directory"])
    else:
        assert build(MemoryFileSystem(case["files"]), case["directory"]).to_yaml() == case["output"]


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES)


def test_the_shared_cases_build_as_kustomize_builds_them(shared: Path, tmp_path: Path) -> None:
    cases = json.loads((shared / "kustomize-cases" / "visible.json").read_text())["cases"]
    wrong = [case["id"] for number, case in enumerate(cases) if not _is_right(case, tmp_path / str(number))]
    assert wrong == []


def _is_right(case: dict[str, Any], root: Path) -> bool:
    contents = {path: text.replace("@ROOT@", str(root)).encode() for path, text in case["files"].items()}
    contents |= {path: base64.b64decode(packed) for path, packed in case.get("files_b64", {}).items()}
    for path, content in contents.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    options = BuildOptions(
        root_only=case["options"]["load_restrictor"] == "rootOnly",
        reorder=Reorder.LEGACY if case["options"]["reorder"] == "legacy" else Reorder.NONE,
    )
    try:
        text = build(DiskFileSystem("/"), str(root / case["target"]), options).to_yaml()
    except KustomizeError as error:
        message = str(error).replace(str(root), "")
        return bool(case.get("error")) and all(part.strip() in message for part in case.get("expect_error_all", []))
    if case.get("error"):
        return False
    if case.get("success_only"):
        return all(part in text for part in case.get("expect_contains", []))
    if case["compare"] != "bytes":
        return _values(text) == _values(case["expect"])
    named = re.sub(r"(?m)^(\s*app\.kubernetes\.io/managed-by: kustomize-)\S+$", r"\1(test)", text)
    return bool(named == case["expect"])


def _values(text: str) -> list[Any]:
    return [document.value for document in load_documents(text)]
