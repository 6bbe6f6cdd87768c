"""SOURCE of `afflux up`: what is copied, what is left alone, what is said."""

import os
import subprocess
from pathlib import Path

import pytest

from afflux.app.source_repository import SourceError, list_folders, prepare_source


def git(folder: Path, *arguments: str) -> str:
    person = {f"GIT_{role}_{what}": "t@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **person}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def work_tree(folder: Path, branch: str = "main") -> Path:
    folder.mkdir()
    git(folder, "init", "-q", f"--initial-branch={branch}")
    return folder


def commit(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", f"Change {name}")
    return git(folder, "rev-parse", "HEAD")


async def test_a_work_tree_is_copied_in_its_committed_state_and_left_as_it_was(tmp_path: Path) -> None:
    folder = work_tree(tmp_path / "repo", "trunk")
    head = commit(folder, "a.yaml", "a: 1\n")
    (folder / "a.yaml").write_text("a: 2\n")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    source = await prepare_source(str(folder), None, tmp_path / "data" / "repo.git")
    assert source.repository is not None
    assert source.branch == "trunk"
    assert git(source.repository, "rev-parse", "trunk") == head
    assert source.warnings == ("uncommitted changes are not synced: a.yaml",)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


async def test_a_second_start_takes_new_commits_of_the_folder(tmp_path: Path) -> None:
    folder = work_tree(tmp_path / "repo")
    commit(folder, "a.yaml", "a: 1\n")
    await prepare_source(str(folder), None, tmp_path / "repo.git")
    head = commit(folder, "b.yaml", "b: 1\n")
    source = await prepare_source(str(folder), None, tmp_path / "repo.git")
    assert git(tmp_path / "repo.git", "rev-parse", "main") == head
    assert source.warnings == ()


async def test_what_was_pushed_is_never_thrown_away(tmp_path: Path) -> None:
    folder = work_tree(tmp_path / "repo")
    commit(folder, "a.yaml", "a: 1\n")
    await prepare_source(str(folder), None, tmp_path / "repo.git")
    git(tmp_path, "clone", "-q", str(tmp_path / "repo.git"), "clone")
    pushed = commit(tmp_path / "clone", "pushed.yaml", "p: 1\n")
    git(tmp_path / "clone", "push", "-q", "origin", "main")
    source = await prepare_source(str(folder), None, tmp_path / "repo.git")
    assert git(tmp_path / "repo.git", "rev-parse", "main") == pushed
    assert source.warnings == ()
    commit(folder, "c.yaml", "c: 1\n")
    source = await prepare_source(str(folder), None, tmp_path / "repo.git")
    assert git(tmp_path / "repo.git", "rev-parse", "main") == pushed
    assert "it stays as it is" in source.warnings[0]


async def test_a_plain_folder_is_committed_once(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    (folder / "clusters/demo").mkdir(parents=True)
    (folder / "clusters/demo/a.yaml").write_text("a: 1\n")
    (folder / ".gitignore").write_text("*.yaml\n")
    source = await prepare_source(str(folder), None, tmp_path / "repo.git")
    first = git(tmp_path / "repo.git", "rev-parse", "main")
    assert git(tmp_path / "repo.git", "show", "main:clusters/demo/a.yaml") == "a: 1"
    assert await list_folders(source, "clusters") == ["demo"]
    assert not (folder / ".git").exists()
    (folder / "b.yaml").write_text("b: 1\n")
    await prepare_source(str(folder), None, tmp_path / "repo.git")
    assert git(tmp_path / "repo.git", "rev-parse", "main") == first


async def test_without_a_source_an_empty_repository_is_made(tmp_path: Path) -> None:
    source = await prepare_source(None, None, tmp_path / "repo.git")
    assert source.branch == "main"
    assert git(tmp_path / "repo.git", "symbolic-ref", "HEAD") == "refs/heads/main"


async def test_a_url_is_followed_as_it_is(tmp_path: Path) -> None:
    source = await prepare_source("https://example.com/repo", "prod", tmp_path / "repo.git")
    assert (source.url, source.branch, source.repository) == ("https://example.com/repo", "prod", None)


@pytest.mark.parametrize(
    ("source", "branch", "message"),
    [
        ("no-such-folder", None, "neither a folder nor a URL"),
        ("ssh://git@example.com/repo", None, "ssh:// is not supported yet"),
        ("repo", "no-such-branch", "has no branch 'no-such-branch'"),
    ],
)
async def test_a_source_that_cant_be_used_is_refused_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, branch: str | None, message: str
) -> None:
    commit(work_tree(tmp_path / "repo"), "a.yaml", "a: 1\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=message):
        await prepare_source(source, branch, tmp_path / "repo.git")
