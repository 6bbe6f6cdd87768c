"""The state directory of `afflux up`."""

from pathlib import Path

import pytest

from afflux.app.data_directory import DataDirectory, DataDirectoryError, default_data_directory


def test_a_directory_has_one_owner_at_a_time(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "state"), pytest.raises(DataDirectoryError, match="another afflux uses"):
        DataDirectory(tmp_path / "state").__enter__()
    with DataDirectory(tmp_path / "state") as again:
        assert again.folder("git").is_dir()


def test_a_directory_of_a_newer_afflux_is_refused(tmp_path: Path) -> None:
    (tmp_path / "schema").write_text("99\n")
    with pytest.raises(DataDirectoryError, match="newer afflux"):
        DataDirectory(tmp_path).__enter__()


def test_ports_are_remembered(tmp_path: Path) -> None:
    with DataDirectory(tmp_path) as data:
        assert data.port("git") == 0
        data.remember_port("git", 4242)
    with DataDirectory(tmp_path) as data:
        assert data.port("git") == 4242


def test_each_source_has_a_place_of_its_own() -> None:
    environment = {"XDG_STATE_HOME": "/state"}
    first, second = (default_data_directory(source, environment) for source in ("/a/repo", "/b/repo"))
    assert first != second
    assert first.parent == Path("/state/afflux")
