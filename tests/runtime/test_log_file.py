from pathlib import Path

from afflux.runtime.log_file import LogFile


def test_a_file_is_set_aside_before_it_grows_too_large(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "logs/a.log", limit=10)
    for line in (b"one\n", b"two\n", b"three\n", b"four\n"):
        log.write(line)
    assert (tmp_path / "logs/a.log").read_bytes() == b"four\n"
    assert (tmp_path / "logs/a.log.1").read_bytes() == b"three\n"


def test_a_file_is_taken_up_where_it_was_left(tmp_path: Path) -> None:
    first = LogFile(tmp_path / "a.log")
    first.write(b"one\n")
    first.close()
    LogFile(tmp_path / "a.log").write(b"two\n")
    assert (tmp_path / "a.log").read_bytes() == b"one\ntwo\n"


def test_a_line_longer_than_the_limit_is_kept_whole(tmp_path: Path) -> None:
    LogFile(tmp_path / "a.log", limit=2).write(b"long\n")
    assert (tmp_path / "a.log").read_bytes() == b"long\n"
