"""Reading a tar stream that others may have written: POSIX, PAX and GNU's long names; every field is doubted.

It knows regular files and directories. Links, devices and sparse files are refused, not skipped. (The standard
library's reader takes four times as long for what an artifact holds, and accepts more than an artifact may.)
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from afflux.artifacts.errors import ArchiveTooLarge, MalformedArchive, UnsafeArchive

BLOCK = 512
_ZEROS = bytes(BLOCK)
_EXTENSION_LIMIT = 1 << 20
_REGULAR = frozenset((0x00, ord("0"), ord("7")))
_EXTENDED, _GLOBAL, _LONG_NAME, _LONG_LINK, _DIRECTORY = b"xgLK5"

Read = Callable[[int], bytes]
"""Gives as many bytes as it is asked for, fewer only at the end of the stream."""


class Member(NamedTuple):
    """One entry. ``content()`` gives a regular file's bytes in pieces and must be used up before the next entry."""

    name: str
    is_directory: bool
    executable: bool
    content: Callable[[], Iterator[bytes]]


class _Header(NamedTuple):
    name: bytes
    mode: int
    size: int
    kind: int


class _Overrides(NamedTuple):
    """What extended headers say about the entry that follows."""

    name: bytes | None = None
    size: int | None = None


def members(read: Read) -> Iterator[Member]:
    """The entries of a stream, in order; afterwards the stream is at its end.

    Raises ``MalformedArchive``, ``UnsafeArchive`` or ``ArchiveTooLarge``.
    """
    overrides = _Overrides()
    while block := read(BLOCK):
        if block == _ZEROS:
            _expect_zeros(read)
            return
        header = _header(block)
        if header.kind in (_EXTENDED, _GLOBAL, _LONG_NAME, _LONG_LINK):
            overrides = _extended(overrides, header.kind, _extension(read, header.size))
            continue
        yield from _member(read, header, overrides)
        overrides = _Overrides()
    if overrides != _Overrides():
        raise MalformedArchive("the archive is cut short")


def _member(read: Read, header: _Header, overrides: _Overrides) -> Iterator[Member]:
    raw = header.name if overrides.name is None else overrides.name
    name = raw.decode("utf-8", "surrogateescape")
    is_directory = header.kind == _DIRECTORY or (header.kind == 0 and name.endswith("/"))
    if not is_directory and header.kind not in _REGULAR:
        raise UnsafeArchive(f"{name[:200]!r} is neither a regular file nor a directory")
    size = header.size if overrides.size is None else overrides.size
    content = _Content(read, 0 if is_directory else size)
    yield Member(name, is_directory, bool(header.mode & 0o111), content)
    content.finish()


class _Content:
    """The bytes of one entry, and the padding behind them."""

    def __init__(self, read: Read, size: int) -> None:
        self._read, self._left, self._padding = read, size, -size % BLOCK

    def __call__(self) -> Iterator[bytes]:
        while self._left:
            piece = self._read(min(self._left, 1 << 18))
            if not piece:
                raise MalformedArchive("the archive is cut short")
            self._left -= len(piece)
            yield piece

    def finish(self) -> None:
        """Passes over what wasn't read."""
        for _ in self():
            pass
        if len(self._read(self._padding)) != self._padding:
            raise MalformedArchive("the archive is cut short")


def _header(block: bytes) -> _Header:
    if len(block) != BLOCK:
        raise MalformedArchive("the archive is cut short")
    checksum = sum(block) - sum(block[148:156]) + 8 * 0x20
    if _number(block[148:156]) != checksum:
        raise MalformedArchive("the archive is not a valid tar stream")
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and block[345]:
        name = _text(block[345:500]) + b"/" + name
    return _Header(name, _number(block[100:108]), _number(block[124:136]), block[156])


def _number(field: bytes) -> int:
    """Octal digits, or GNU's binary form for large numbers."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if digits and not all(0x30 <= digit <= 0x37 for digit in digits):
        raise MalformedArchive("the archive is not a valid tar stream")
    return int(digits or b"0", 8)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _extension(read: Read, size: int) -> bytes:
    if size > _EXTENSION_LIMIT:
        raise ArchiveTooLarge(f"an extended header is larger than {_EXTENSION_LIMIT} bytes")
    padded = read(size + -size % BLOCK)
    if len(padded) != size + -size % BLOCK:
        raise MalformedArchive("the archive is cut short")
    return padded[:size]


def _extended(overrides: _Overrides, kind: int, data: bytes) -> _Overrides:
    if kind == _LONG_NAME:
        return overrides._replace(name=_text(data))
    if kind != _EXTENDED:
        return overrides  # the target of a link, which is refused later; or defaults, of which none matters here
    for key, value in _records(data):
        if key == b"path":
            overrides = overrides._replace(name=value)
        elif key == b"size":
            overrides = overrides._replace(size=_decimal(value))
        elif key.startswith(b"GNU.sparse."):
            raise UnsafeArchive("the archive holds a sparse file")
    return overrides


def _records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """``<length> key=value\\n`` each, where the length counts the whole record."""
    at = 0
    while at < len(data):
        length = _decimal(data[at : data.find(b" ", at, at + 20)])
        record = data[at : at + length]
        key, equals, value = record.partition(b" ")[2].partition(b"=")
        if len(record) != length or not equals or not value.endswith(b"\n"):
            raise MalformedArchive("the archive holds a broken extended header")
        yield key, value[:-1]
        at += length


def _decimal(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > 19:
        raise MalformedArchive("the archive holds a broken extended header")
    return int(digits)


def _expect_zeros(read: Read) -> None:
    while tail := read(1 << 16):
        if tail.strip(b"\0"):
            raise MalformedArchive("something follows the end of the archive")
