"""What a build may read, and what it may not."""

import os
from pathlib import Path

import pytest

from afflux.kustomize import BuildOptions, DiskFileSystem, KustomizeError, MemoryFileSystem, OverlayFileSystem, build
from afflux.kustomize.errors import MissingFile, OutsideRoot

SECRET = "TOP-SECRET"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root with a secret beside it."""
    root = tmp_path / "root"
    (root / "app").mkdir(parents=True)
    (root / "base").mkdir()
    (root / "app" / "a.txt").write_text("a")
    (root / "base" / "b.txt").write_text("b")
    (tmp_path / "secret.txt").write_text(SECRET)
    return root


def test_paths_are_from_the_root_with_or_without_a_slash(tree: Path) -> None:
    files = DiskFileSystem(tree)
    assert files.read("app/a.txt") == files.read("/app/a.txt") == files.read("/app/../app/./a.txt") == b"a"


@pytest.mark.parametrize("path", ["../secret.txt", "/../secret.txt", "app/../../secret.txt"])
def test_dots_do_not_lead_out_of_the_root(tree: Path, path: str) -> None:
    with pytest.raises(MissingFile):
        DiskFileSystem(tree).read(path)


@pytest.mark.parametrize("target", ["../../secret.txt", "/etc/passwd", "/proc/self/environ"])
def test_a_link_out_of_the_root_is_not_followed(tree: Path, target: str) -> None:
    (tree / "app" / "link").symlink_to(target)
    files = DiskFileSystem(tree)
    with pytest.raises(OutsideRoot) as caught:
        files.read("app/link")
    assert SECRET not in str(caught.value)
    assert not files.is_file("app/link")


def test_a_link_to_a_directory_outside_is_not_followed(tree: Path) -> None:
    (tree / "up").symlink_to("..")
    files = DiskFileSystem(tree)
    with pytest.raises(OutsideRoot):
        files.read("up/secret.txt")
    with pytest.raises(OutsideRoot):
        files.list_dir("up")
    assert not files.is_dir("up")


def test_a_link_within_the_root_is_followed(tree: Path) -> None:
    (tree / "app" / "link").symlink_to("../base/b.txt")
    assert DiskFileSystem(tree).read("app/link") == b"b"


def test_a_link_that_leaves_the_kustomization_is_refused_by_the_restrictor(tree: Path) -> None:
    (tree / "app" / "link").symlink_to("../base/b.txt")
    with pytest.raises(OutsideRoot, match="security; file '/app/link' is not in or below '/app'"):
        DiskFileSystem(tree).read("app/link", within="/app")


def test_what_is_checked_is_what_was_opened(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link put in place after every check that could be made by name."""
    victim = tree / "app" / "a.txt"
    opening = os.open

    def swapped(path: str, *arguments: int, **named: int) -> int:
        if str(path) == str(victim):
            victim.unlink()
            victim.symlink_to("../../secret.txt")
        return opening(path, *arguments, **named)

    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(OutsideRoot):
        DiskFileSystem(tree).read("app/a.txt")


def test_pipes_and_directories_are_not_read(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    for path in ("pipe", "app"):
        with pytest.raises(MissingFile):
            DiskFileSystem(tree).read(path)


def test_without_restriction_links_may_lead_anywhere(tree: Path) -> None:
    (tree / "app" / "link").symlink_to("../../secret.txt")
    assert DiskFileSystem(tree, restrict=False).read("app/link") == SECRET.encode()


def test_files_in_memory_have_directories() -> None:
    files = MemoryFileSystem({"a/b/c.txt": "c", "/a/d.txt": b"d"})
    assert files.is_dir("a") and files.is_dir("/a/b") and not files.is_dir("a/b/c.txt")
    assert files.list_dir("/a") == ["b", "d.txt"]
    assert files.resolve("a/./b/../d.txt") == "/a/d.txt"
    with pytest.raises(MissingFile):
        files.read("a")


def test_an_overlay_hides_files_of_its_base_and_adds_others(tree: Path) -> None:
    files = OverlayFileSystem(DiskFileSystem(tree), {"app/a.txt": "over", "new/n.txt": "n"})
    assert files.read("app/a.txt") == b"over"
    assert files.read("base/b.txt") == b"b"
    assert files.read("new/n.txt") == b"n"
    assert files.is_dir("new") and files.is_file("new/n.txt")
    assert files.list_dir("/") == ["app", "base", "new"]


def test_an_overlay_covers_what_a_link_to_its_directory_shows(tree: Path) -> None:
    (tree / "alias").symlink_to("app")
    assert OverlayFileSystem(DiskFileSystem(tree), {"app/a.txt": "over"}).read("alias/a.txt") == b"over"


@pytest.mark.parametrize(
    "entry",
    [
        'resources: ["/proc/self/environ"]',
        'resources: ["../../secret.txt"]',
        'resources: ["link"]',
        'configMapGenerator: [{name: x, files: ["k=/proc/self/environ"]}]',
        'configMapGenerator: [{name: x, envs: ["link"]}]',
        'patches: [{path: "link"}]',
        'components: ["../up"]',
        'replacements: [{path: "/etc/passwd"}]',
        'crds: ["link"]',
        'openapi: {path: "link"}',
        'configurations: ["link"]',
        'transformers: ["link"]',
    ],
)
def test_no_field_reads_outside_the_root_or_shows_what_is_there(tree: Path, entry: str) -> None:
    (tree / "app" / "link").symlink_to("../../secret.txt")
    (tree / "up").symlink_to("..")
    (tree / "app" / "kustomization.yaml").write_text(entry)
    for options in (BuildOptions(), BuildOptions(root_only=False)):
        with pytest.raises(KustomizeError) as caught:
            build(DiskFileSystem(tree), "app", options)
        assert SECRET not in str(caught.value)
        assert str(tree.parent) not in str(caught.value)
