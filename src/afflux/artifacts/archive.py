"""Packing files into a reproducible ``tar.gz``: the same files give the same bytes, whoever packs them and when.

The format is that of Flux's source-controller: entries in the order of a walk, the root as ``.``, directories without a
trailing slash; no owner, no times; modes 0600 (0700 for executables) and 0750; a gzip header without name and time.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, TypeAlias

from afflux.artifacts.errors import ArchiveTooLarge

_BLOCK = 512
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LEVEL = 6


class File(NamedTuple):
    """A regular file to pack. ``path`` is relative with ``/``; ``read()`` gives all its bytes."""

    path: str
    executable: bool
    read: Callable[[], bytes]


class Directory(NamedTuple):
    """A directory to pack."""

    path: str


Entry: TypeAlias = File | Directory
Ignore: TypeAlias = Callable[[str, bool], bool]
"""Whether a path (and: whether it is a directory) is left out."""


@dataclass(frozen=True)
class Limits:
    """What an archive may hold: bytes of content, entries, levels of directories, bytes of a path."""

    content_bytes: int = 2 << 30
    entries: int = 250_000
    depth: int = 200
    path_bytes: int = 4096


LIMITS = Limits()


class Packed(NamedTuple):
    """What was written: the digest (``sha256:<hex>``) and size of the compressed stream."""

    digest: str
    size: int


def nothing_ignored(path: str, is_directory: bool) -> bool:
    """Leaves nothing out."""
    return False


def pack(entries: Iterable[Entry], into: BinaryIO, ignore: Ignore = nothing_ignored, limits: Limits = LIMITS) -> Packed:
    """Writes the entries that aren't ignored, in their order. A directory that is ignored hides nothing below it.

    Raises ``ArchiveTooLarge``.
    """
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    digest, size = hashlib.sha256(), 0
    checksum, length = 0, 0

    def emit(data: bytes) -> None:
        nonlocal size
        digest.update(data)
        into.write(data)
        size += len(data)

    emit(_GZIP_HEADER)
    for block in _blocks(entries, ignore, limits):
        checksum = zlib.crc32(block, checksum)
        length += len(block)
        emit(compressor.compress(block))
    emit(compressor.flush())
    emit(struct.pack("<II", checksum, length & 0xFFFFFFFF))
    return Packed(f"sha256:{digest.hexdigest()}", size)


def _blocks(entries: Iterable[Entry], ignore: Ignore, limits: Limits) -> Iterator[bytes]:
    yield _header(b".", 0o750, 0, b"5")
    left, count = limits.content_bytes, 0
    for entry in entries:
        directory = isinstance(entry, Directory)
        if ignore(entry.path, directory):
            continue
        name = entry.path.encode("utf-8", "surrogateescape")
        count += 1
        if count > limits.entries or len(name) > limits.path_bytes:
            raise ArchiveTooLarge(f"more than {limits.entries} files, or a path longer than {limits.path_bytes} bytes")
        if isinstance(entry, Directory):
            yield _header(name, 0o750, 0, b"5")
            continue
        content = entry.read()
        left -= len(content)
        if left < 0:
            raise ArchiveTooLarge(f"the files hold more than {limits.content_bytes} bytes")
        yield _header(name, 0o700 if entry.executable else 0o600, len(content), b"0")
        yield content
        yield bytes(-len(content) % _BLOCK)
    yield bytes(2 * _BLOCK)


def _header(name: bytes, mode: int, size: int, kind: bytes) -> bytes:
    """One entry's header; preceded by an extended one (PAX) where the name does not fit into the plain format."""
    split = _split(name)
    if split is not None:
        return _plain_header(split, mode, size, kind)
    record = _pax_record(b"path", name)
    extended = _plain_header((b"", b"PaxHeaders.0/" + _ascii(name)[-80:].lstrip(b"/")), 0, len(record), b"x")
    padding = bytes(-len(record) % _BLOCK)
    return extended + record + padding + _plain_header((b"", _ascii(name)[:100]), mode, size, kind)


def _plain_header(location: tuple[bytes, bytes], mode: int, size: int, kind: bytes) -> bytes:
    prefix, name = location
    number = b"%07o\0"
    before = name.ljust(100, b"\0") + number % mode + number % 0 * 2 + b"%011o\0" % size + b"%011o\0" % 0
    after = kind + bytes(100) + b"ustar\x0000" + bytes(64) + number % 0 * 2 + prefix.ljust(155, b"\0") + bytes(12)
    checksum = sum(before) + 8 * 0x20 + sum(after)
    return before + b"%06o\0 " % checksum + after


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Prefix and name in the plain format (ASCII; up to 155 and 100 bytes, parted at a slash), or None."""
    if not name.isascii():
        return None
    if len(name) <= 100:
        return b"", name
    slash = name.rfind(b"/", 0, 156)
    if slash <= 0 or len(name) - slash - 1 > 100 or slash == len(name) - 1:
        return None
    return name[:slash], name[slash + 1 :]


def _ascii(name: bytes) -> bytes:
    return bytes(byte for byte in name if byte < 0x80)


def _pax_record(key: bytes, value: bytes) -> bytes:
    """``<length> key=value\\n``, where the length counts its own digits."""
    rest = b" %b=%b\n" % (key, value)
    length = len(rest)
    while len(rest) + len(str(length)) != length:
        length = len(rest) + len(str(length))
    return str(length).encode() + rest
