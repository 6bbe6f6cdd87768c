"""Files that something else replaces."""

import os
from pathlib import Path

import pytest

from afflux.kube.watched_file import LOOK_EVERY, WatchedFile


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_file_is_read_again_when_it_is_another_one(tmp_path: Path) -> None:
    """As a kubelet does it: what a link leads to is exchanged."""
    clock = Clock()
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    link = tmp_path / "ca.crt"
    link.symlink_to("one")
    file = WatchedFile(link, clock)
    assert file.read() == b"one"
    (tmp_path / "new").symlink_to("two")
    os.replace(tmp_path / "new", link)
    assert file.read() == b"one"
    clock.now += LOOK_EVERY + 1
    assert file.read() == b"two"


def test_a_file_that_went_away_keeps_its_content(tmp_path: Path) -> None:
    path = tmp_path / "tls.crt"
    path.write_text("one")
    file = WatchedFile(path)
    file.read()
    path.unlink()
    file.look_again()
    assert file.read() == b"one"
    path.write_text("three")
    file.look_again()
    assert file.read() == b"three"


def test_a_file_that_never_was_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        WatchedFile(tmp_path / "nothing").read()
