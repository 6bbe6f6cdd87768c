"""The state directory of `afflux up`."""

import shutil
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


def test_the_owner_keeps_its_name_over_restarts_and_a_copy_gets_another(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "state") as data:
        name = data.identity()
        assert data.identity() == name
    with DataDirectory(tmp_path / "state") as data:
        assert data.identity() == name
    shutil.copytree(tmp_path / "state", tmp_path / "copy")
    with DataDirectory(tmp_path / "copy") as data:
        assert data.identity() != name


def test_the_owner_gets_another_name_when_the_machine_was_started_anew(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "state") as data:
        name = data.identity()
        file = data.path / "identity"
        known, boot, place = file.read_text().split(" ")
        file.write_text(f"{known} {boot[::-1]} {place}")
        assert data.identity() != name
