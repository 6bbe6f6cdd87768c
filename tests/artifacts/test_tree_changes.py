"""Which paths differ between two trees."""

from pathlib import Path

from afflux.artifacts.tree_changes import touched_paths


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    root.mkdir(exist_ok=True)
    return root


def test_files_that_differ_appear_and_vanish_are_touched_and_so_are_the_directories_that_list_them(
    tmp_path: Path,
) -> None:
    old = tree(tmp_path / "old", {"a/same.yaml": "1", "a/changed.yaml": "1", "b/gone.yaml": "1", "top.yaml": "1"})
    new = tree(tmp_path / "new", {"a/same.yaml": "1", "a/changed.yaml": "2", "c/new.yaml": "1", "top.yaml": "12"})
    assert touched_paths(old, new) == {
        "/",
        "/a/changed.yaml",
        "/b",
        "/b/gone.yaml",
        "/c",
        "/c/new.yaml",
        "/top.yaml",
    }


def test_equal_trees_touch_nothing(tmp_path: Path) -> None:
    files = {"a/one.yaml": "x" * 600_000, "b.yaml": ""}
    assert touched_paths(tree(tmp_path / "old", files), tree(tmp_path / "new", files)) == frozenset()


def test_a_file_in_place_of_a_directory_is_touched(tmp_path: Path) -> None:
    old, new = tree(tmp_path / "old", {"a/b": "1"}), tree(tmp_path / "new", {"a": "1"})
    assert {"/a", "/a/b"} <= touched_paths(old, new)
