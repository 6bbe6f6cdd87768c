"""Unpacking an archive that others may have made: inside its directory, within limits, whole or not at all."""

import os
import zlib
from pathlib import Path
from typing import BinaryIO

from afflux.artifacts.archive import LIMITS, Limits
from afflux.artifacts.errors import ArchiveTooLarge, MalformedArchive, UnsafeArchive
from afflux.artifacts.tar_reader import Member, members

_CHUNK = 1 << 18
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class _Gunzip:
    """A gzip stream to read from. Bounded; a stream that is cut short or goes on is an error."""

    def __init__(self, compressed: BinaryIO, limit: int) -> None:
        self._compressed, self._limit, self._left = compressed, limit, limit
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._pending = b""
        self._ready, self._at = b"", 0

    def read(self, size: int) -> bytes:
        """``size`` bytes, fewer only at the end."""
        while len(self._ready) - self._at < size and not self._stream.eof:
            self._ready, self._at = self._ready[self._at :] + self._more(), 0
        taken = self._ready[self._at : self._at + size]
        self._at += len(taken)
        return taken

    def _more(self) -> bytes:
        data = self._pending or self._compressed.read(_CHUNK)
        if not data:
            raise MalformedArchive("the archive is cut short")
        try:
            produced = self._stream.decompress(data, _CHUNK)
        except zlib.error:
            raise MalformedArchive("the archive is not a valid gzip stream") from None
        self._pending = self._stream.unconsumed_tail
        self._left -= len(produced)
        if self._left < 0:
            raise ArchiveTooLarge(f"the archive unpacks to more than {self._limit} bytes")
        return produced

    def finish(self) -> None:
        """Raises ``MalformedArchive`` where anything follows the stream."""
        if self.read(1) or self._stream.unused_data or self._compressed.read(1):
            raise MalformedArchive("something follows the end of the archive")


def unpack(archive: BinaryIO, into: Path, limits: Limits = LIMITS) -> None:
    """Unpacks a ``tar.gz`` into the directory ``into``, which must exist and be empty.

    Only regular files (mode 0600, or 0700 for executables) and directories (0700) come into being. Raises
    ``UnsafeArchive``, ``MalformedArchive`` or ``ArchiveTooLarge``; what was written by then must be thrown away.
    """
    stream = _Gunzip(archive, limits.content_bytes + limits.entries * 1024)
    place = _Place(str(into), limits)
    try:
        for count, member in enumerate(members(stream.read)):
            if count > limits.entries:
                raise ArchiveTooLarge(f"the archive holds more than {limits.entries} entries")
            place.put(member)
        stream.finish()
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise UnsafeArchive("the archive holds the same name as a file and as a directory") from None


class _Place:
    """The directory that is filled."""

    def __init__(self, root: str, limits: Limits) -> None:
        self._root, self._limits = root, limits
        self._made = {""}

    def put(self, member: Member) -> None:
        name = _checked_name(member.name, self._limits)
        if member.is_directory:
            self._make(name)
            return
        if not name:
            raise UnsafeArchive("a file has no name")
        self._make(name.rpartition("/")[0])
        descriptor = os.open(f"{self._root}/{name}", _FLAGS, 0o700 if member.executable else 0o600)
        try:
            for piece in member.content():
                _write(descriptor, piece)
        finally:
            os.close(descriptor)

    def _make(self, directory: str) -> None:
        if directory not in self._made:
            os.makedirs(f"{self._root}/{directory}", mode=0o700, exist_ok=True)
            self._made.add(directory)


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _checked_name(name: str, limits: Limits) -> str:
    """A name as a relative path; empty for the root. Raises ``UnsafeArchive`` for what could lead outside."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/") or ".." in parts or "\0" in name or "\\" in name:
        raise UnsafeArchive(f"the name {name[:200]!r} could lead outside of the archive's directory")
    encoded = os.fsencode(name)
    too_long = len(encoded) > 255 and any(len(part) > 255 for part in encoded.split(b"/"))
    if too_long or len(parts) > limits.depth or len(encoded) > limits.path_bytes:
        raise ArchiveTooLarge(f"the name {name[:100]!r}... is too long or too deep")
    return "/".join(parts)
