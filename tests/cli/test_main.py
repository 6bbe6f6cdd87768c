"""The command line as people meet it."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import afflux
from afflux.cli.main import COMMANDS, afflux_command

AFFLUX = Path(sys.executable).parent / "afflux"


def test_the_help_names_every_verb_and_where_to_start() -> None:
    text = CliRunner().invoke(afflux_command, ["--help"]).output
    assert all(verb in text for verb in COMMANDS)
    assert "afflux up ./my-repository" in text


@pytest.mark.parametrize("verb", list(COMMANDS))
def test_the_help_of_every_verb_has_examples(verb: str) -> None:
    command = [verb, "build", "--help"] if verb == "kustomize" else [verb, "--help"]
    answer = CliRunner().invoke(afflux_command, command)
    assert answer.exit_code == 0
    assert f"afflux {verb}" in answer.output.partition("Example")[2]


def test_the_help_imports_none_of_the_machinery() -> None:
    code = "import sys; sys.argv = ['afflux', '--help']; from afflux.cli.main import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "print([name for name in ('aiohttp', 'yaml', 'pygit2', 'cryptography') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_version_is_the_packages() -> None:
    assert afflux.__version__ in CliRunner().invoke(afflux_command, ["--version"]).output


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nonsense"], 2, "No such command 'nonsense'"),
        (["run"], 2, "--data-dir"),
        (["run", "--data-dir", "x", "--controllers", "source,sauce"], 2, "sauce is not a controller"),
        (["run", "--data-dir", "x", "--requeue-dependency", "soon"], 2, "--requeue-dependency"),
        (["up", "no-such-folder", "--data-dir", "x"], 1, "neither a folder nor a URL"),
        (["up", "--output", "xml"], 2, "xml"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    done = subprocess.run(
        [str(AFFLUX), *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
