"""What was forgotten: names whatever lacks its page, its test, its example, or outgrew the house."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from afflux.api.kinds import KINDS
from afflux.app.reconcilers import RECONCILERS
from afflux.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src/afflux").rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "base", "core", "models", "types", "constants"}
LONGEST_FUNCTION, LONGEST_FILE, MOST_PARAMETERS = 40, 400, 7

EXCEPTIONS: dict[str, str] = {}
"""``path`` or ``path:function`` that may be longer, and the measurement that says why."""


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{relative(path)}:{node.name}", node


def test_every_file_fits_the_house() -> None:
    long = {relative(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in long.items() if lines > LONGEST_FILE and name not in EXCEPTIONS} == {}


def test_every_function_fits_the_house() -> None:
    long = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in functions()}
    assert {name: lines for name, lines in long.items() if lines > LONGEST_FUNCTION and name not in EXCEPTIONS} == {}


def test_no_function_takes_too_many_parameters() -> None:
    def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
        every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        return len([argument for argument in every if argument.arg not in ("self", "cls")])

    many = {name: parameters(node) for name, node in functions()}
    assert {name: n for name, n in many.items() if n > MOST_PARAMETERS and name not in EXCEPTIONS} == {}


def test_exceptions_are_still_needed() -> None:
    known = {relative(path) for path in SOURCES} | {name for name, _ in functions()}
    assert [name for name in EXCEPTIONS if name not in known] == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [relative(path) for path in SOURCES if path.stem in FORBIDDEN_NAMES] == []


def test_every_package_and_module_says_what_belongs_there() -> None:
    assert [relative(path) for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_every_package_has_tests() -> None:
    packages = {path.parent.name for path in (ROOT / "src/afflux").glob("*/__init__.py")}
    assert {name for name in packages if not list((ROOT / "tests" / name).rglob("test_*.py"))} == set()


@pytest.mark.parametrize("kind", [kind.kind for kind in KINDS])
def test_every_flux_kind_has_a_reconciler_a_page_a_test_and_an_example(kind: str) -> None:
    module = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind).lstrip("_")
    assert kind in RECONCILERS
    assert (ROOT / f"docs/reference/kinds/{kind.lower()}.md").is_file()
    assert list((ROOT / "tests/controllers").glob(f"test_{module}*.py"))
    examples = [path.read_text() for path in (ROOT / "examples").rglob("*") if path.suffix in (".yaml", ".py", ".md")]
    assert any(kind in text for text in examples)


@pytest.mark.parametrize("verb", list(COMMANDS))
def test_every_verb_has_a_page(verb: str) -> None:
    assert (ROOT / f"docs/reference/cli/{verb}.md").is_file()


@pytest.mark.parametrize("example", sorted(path.name for path in (ROOT / "examples").iterdir() if path.is_dir()))
def test_every_example_is_explained_and_runs_as_an_end_to_end_test(example: str) -> None:
    assert (ROOT / "examples" / example / "README.md").is_file()
    assert any(example in path.read_text() for path in (ROOT / "tests/e2e").glob("test_*.py"))


def test_whatever_starts_an_embedded_plane_says_why_it_is_not_for_a_real_server() -> None:
    own = [path for path in (ROOT / "tests").glob("*/test_*.py") if path.parent.name != "controlplane"]
    starting = [
        path for path in own if "start_cluster(" in path.read_text() and "cluster: Cluster" not in path.read_text()
    ]
    assert [relative(path) for path in starting if "embedded_only" not in path.read_text()] == []
