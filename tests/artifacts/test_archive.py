"""Packing is reproducible; unpacking survives what people may send."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afflux.artifacts.archive import Directory, Entry, File, Limits, pack
from afflux.artifacts.errors import ArchiveTooLarge, ArtifactError, MalformedArchive, UnsafeArchive
from afflux.artifacts.unpack import unpack

NAMES = st.text(
    st.characters(blacklist_characters="/\0\\", blacklist_categories=("Cs",)), min_size=1, max_size=60
).filter(lambda name: name not in {".", ".."} and len(name.encode()) < 250)
TempPaths = pytest.TempPathFactory
PATHS = st.lists(NAMES, min_size=1, max_size=6).map("/".join)


def packed(packing: list[Entry], **limits: int) -> bytes:
    into = io.BytesIO()
    pack(packing, into, limits=Limits(**limits))
    return into.getvalue()


def text(path: str, content: str = "x") -> File:
    return File(path, False, content.encode)


def hostile(*members: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return io.BytesIO(gzip.compress(plain.getvalue()))


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_the_same_files_give_the_same_bytes() -> None:
    entries: list[Entry] = [Directory("d"), text("d/a"), text("e", "long " * 10_000)]
    assert packed(entries) == packed(entries)


def test_what_is_ignored_is_left_out_and_never_read(tmp_path: Path) -> None:
    def never() -> bytes:
        raise AssertionError("read")

    into = io.BytesIO()
    entries: list[Entry] = [Directory("no"), File("no/a", False, never), text("no/b"), text("yes")]
    pack(entries, into, lambda path, directory: directory or path == "no/a")
    into.seek(0)
    unpack(into, tmp_path)
    assert contents(tmp_path) == {"no/b": b"x", "yes": b"x"}


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(PATHS, st.binary(max_size=2000), max_size=8))
def test_what_is_packed_is_what_the_standard_library_reads(files: dict[str, bytes]) -> None:
    data = packed([File(path, False, lambda content=content: content) for path, content in files.items()])  # type: ignore[misc]
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = {m.name: tar.extractfile(m).read() for m in tar if m.isreg()}  # type: ignore[union-attr]
    assert found == files


@pytest.mark.parametrize("name", ["a" * 101, "d/" * 60 + "f", "é" * 60, "d" * 160 + "/f", "x" * 250])
def test_long_and_foreign_names_survive(name: str, tmp_path: Path) -> None:
    unpack(io.BytesIO(packed([text(name)])), tmp_path)
    assert contents(tmp_path) == {name: b"x"}


def test_executables_stay_executable_and_nothing_more(tmp_path: Path) -> None:
    odd = member("run.sh")
    odd.mode = 0o6777
    unpack(hostile((odd, b"#!")), tmp_path)
    assert (tmp_path / "run.sh").stat().st_mode & 0o7777 == 0o700


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "a\\..\\x", "..", "C:\\x"])
def test_names_that_lead_outside_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnsafeArchive):
        into = tmp_path / "a" / "b"
        into.mkdir(parents=True)
        unpack(hostile((member(name), b"x")), into)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    "odd",
    [
        member("l", tarfile.SYMTYPE, "/etc/passwd"),
        member("l", tarfile.LNKTYPE, "a"),
        member("l", tarfile.FIFOTYPE),
        member("l", tarfile.CHRTYPE),
        member("l", tarfile.BLKTYPE),
    ],
)
def test_links_and_devices_are_refused(odd: tarfile.TarInfo, tmp_path: Path) -> None:
    with pytest.raises(UnsafeArchive, match="neither a regular file nor a directory"):
        unpack(hostile((member("a"), b"x"), (odd, b"")), tmp_path)


def test_a_name_that_is_both_a_file_and_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeArchive):
        unpack(hostile((member("a"), b"x"), (member("a/b"), b"y")), tmp_path)


@pytest.mark.parametrize("cut", [0, 5, 200, -1, -8])
def test_an_archive_that_is_cut_short_is_refused(cut: int, tmp_path: Path) -> None:
    data = packed([text(f"f{n}", str(n) * 500) for n in range(20)])
    with pytest.raises(MalformedArchive):
        unpack(io.BytesIO(data[:cut]), tmp_path)


@pytest.mark.parametrize("tail", [b"x", b"\0" * 9, packed([text("b")])])
def test_an_archive_with_something_behind_it_is_refused(tail: bytes, tmp_path: Path) -> None:
    with pytest.raises(MalformedArchive, match="something follows"):
        unpack(io.BytesIO(packed([text("a")]) + tail), tmp_path)


def test_a_file_hidden_behind_the_end_of_the_tar_is_refused(tmp_path: Path) -> None:
    inner = gzip.decompress(packed([text("a")]))
    with pytest.raises(MalformedArchive, match="something follows"):
        unpack(io.BytesIO(gzip.compress(inner + inner)), tmp_path)


def test_a_bomb_is_defused(tmp_path: Path) -> None:
    bomb = hostile((member("zeros"), bytes(20_000_000)))
    assert len(bomb.getvalue()) < 100_000
    with pytest.raises(ArchiveTooLarge):
        unpack(bomb, tmp_path, Limits(content_bytes=1_000_000, entries=10))


def test_too_many_entries_and_too_deep_ones_are_refused(tmp_path: Path) -> None:
    many = [text(f"f{n}") for n in range(20)]
    with pytest.raises(ArchiveTooLarge):
        unpack(io.BytesIO(packed(list(many))), tmp_path, Limits(entries=10))
    with pytest.raises(ArchiveTooLarge):
        unpack(io.BytesIO(packed([text("d/" * 30 + "f")])), tmp_path, Limits(depth=10))
    with pytest.raises(ArchiveTooLarge):
        packed(list(many), entries=10)
    with pytest.raises(ArchiveTooLarge):
        packed([text("a", "x" * 100)], content_bytes=50)


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises((UnsafeArchive, MalformedArchive)):
        unpack(hostile((member("sparse", tarfile.GNUTYPE_SPARSE), b"")), tmp_path)


@pytest.mark.parametrize("dialect", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@settings(max_examples=40, deadline=None)
@given(files=st.dictionaries(PATHS, st.binary(max_size=2000), max_size=6))
def test_what_others_pack_is_unpacked(dialect: int, files: dict[str, bytes], tmp_path_factory: TempPaths) -> None:
    directories = {"/".join(path.split("/")[:depth]) for path in files for depth in range(1, path.count("/") + 1)}
    if directories & files.keys():
        return
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=dialect) as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    into = tmp_path_factory.mktemp("unpacked")
    unpack(io.BytesIO(gzip.compress(plain.getvalue())), into)
    assert contents(into) == files


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 4095), value=st.integers(0, 255))
def test_a_damaged_archive_is_an_error_or_harmless(at: int, value: int, tmp_path_factory: TempPaths) -> None:
    entries: list[Entry] = [Directory("d"), text("d/" + "x" * 120), text("e"), text("é" * 80)]
    plain = bytearray(gzip.decompress(packed(entries)))
    plain[at] = value
    into = tmp_path_factory.mktemp("damaged") / "in"
    into.mkdir()
    try:
        unpack(io.BytesIO(gzip.compress(bytes(plain), 1)), into)
    except ArtifactError:
        pass
    assert [path.name for path in into.parent.iterdir()] == ["in"]
