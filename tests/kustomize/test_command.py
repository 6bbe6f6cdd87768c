"""``afflux kustomize build``, as people call it."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from afflux.cli.commands.kustomize import REFUSED, kustomize

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A kustomization of two resources, the second of which comes first by kind."""
    app = tmp_path / "app"
    app.mkdir()
    (app / "kustomization.yaml").write_text("resources: [a.yaml, b.yaml]\n")
    (app / "a.yaml").write_text(CONFIG_MAP.format("a"))
    (app / "b.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: b\n")
    return app


def run(*words: str | Path) -> Result:
    """The command's outcome."""
    return CliRunner().invoke(kustomize, ["build", *map(str, words)])


def test_it_prints_the_resources_in_legacy_order(directory: Path) -> None:
    result = run(directory)
    assert result.exit_code == 0
    assert result.stdout == "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: b\n---\n" + CONFIG_MAP.format("a")


def test_the_order_can_be_that_of_the_files(directory: Path) -> None:
    assert run(directory, "--reorder", "none").stdout.startswith("apiVersion: v1\nkind: ConfigMap")


def test_it_writes_a_file(directory: Path, tmp_path: Path) -> None:
    result = run(directory, "-o", tmp_path / "out.yaml")
    assert result.stdout == ""
    assert (tmp_path / "out.yaml").read_text() == run(directory).stdout


def test_it_writes_a_file_for_every_resource_into_a_directory(directory: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    run(directory, "-o", out)
    assert {path.name for path in out.iterdir()} == {"v1_configmap_a.yaml", "v1_namespace_b.yaml"}
    assert (out / "v1_configmap_a.yaml").read_text() == CONFIG_MAP.format("a")


def test_files_outside_need_the_restrictor_lifted(directory: Path) -> None:
    (directory.parent / "c.yaml").write_text(CONFIG_MAP.format("c"))
    (directory / "kustomization.yaml").write_text("resources: [../c.yaml]\n")
    refused = run(directory)
    assert refused.exit_code == 1
    assert "security; file" in refused.stderr
    assert run(directory, "--load-restrictor", "LoadRestrictionsNone").stdout == CONFIG_MAP.format("c")


def test_old_spellings_are_warned_about_on_standard_error(directory: Path) -> None:
    (directory / "kustomization.yaml").write_text("resources: [a.yaml]\ncommonLabels: {a: b}\n")
    result = run(directory)
    assert "# Warning: 'commonLabels' is deprecated." in result.stderr
    assert "Warning" not in result.stdout


@pytest.mark.parametrize("flag", REFUSED)
def test_flags_that_would_run_something_are_refused_with_a_reason(directory: Path, flag: str) -> None:
    result = run(directory, flag)
    assert result.exit_code == 2
    assert f"{flag} is refused" in result.stderr


def test_a_failure_is_one_message(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: unable to find one of 'kustomization.yaml'")
    assert "Traceback" not in result.stderr
