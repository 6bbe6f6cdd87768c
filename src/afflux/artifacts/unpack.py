"""Unpacking an archive that others may have made: inside its directory, within limits, whole or not at all."""

import io
import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from afflux.artifacts.archive import LIMITS, Limits
from afflux.artifacts.errors import ArchiveTooLarge, MalformedArchive, UnsafeArchive

_CHUNK = 1 << 18


class _Gunzip(io.RawIOBase):
    """A gzip stream as a file to read from. Bounded; a stream that is cut short or goes on is an error."""

    def __init__(self, compressed: BinaryIO, limit: int) -> None:
        self._compressed, self._limit, self._left = compressed, limit, limit
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._pending = b""
        self._ready = bytearray()

    def read(self, size: int = -1) -> bytes:
        """``size`` bytes, fewer only at the end."""
        while len(self._ready) < size and not self._stream.eof:
            self._more()
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken

    def _more(self) -> None:
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
        self._ready += produced

    def finish(self) -> None:
        """Reads to the end. Raises ``MalformedArchive`` where anything but zeros follows."""
        _expect_zeros(self.read)
        if self._stream.unused_data or self._compressed.read(1):
            raise MalformedArchive("something follows the end of the archive")


def _expect_zeros(read: Callable[[int], bytes]) -> None:
    while tail := read(_CHUNK):
        if tail.strip(b"\0"):
            raise MalformedArchive("something follows the end of the archive")


def unpack(archive: BinaryIO, into: Path, limits: Limits = LIMITS) -> None:
    """Unpacks a ``tar.gz`` into the directory ``into``, which must exist and be empty.

    Only regular files (mode 0600, or 0700 for executables) and directories (0700) come into being. Raises
    ``UnsafeArchive``, ``MalformedArchive`` or ``ArchiveTooLarge``; what was written by then must be thrown away.
    """
    stream = _Gunzip(archive, limits.content_bytes + limits.entries * 1024)
    try:
        with tarfile.open(name=None, mode="r|", fileobj=stream, bufsize=_CHUNK, encoding="utf-8") as tar:
            for count, member in enumerate(tar):
                if count > limits.entries:
                    raise ArchiveTooLarge(f"the archive holds more than {limits.entries} entries")
                _place(tar, member, into, limits)
            if tar.fileobj is not None:
                _expect_zeros(tar.fileobj.read)  # what the library has read ahead
        stream.finish()
    except (tarfile.TarError, EOFError):
        raise MalformedArchive("the archive is not a valid tar stream, or cut short") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise UnsafeArchive("the archive holds the same name as a file and as a directory") from None


def _place(tar: tarfile.TarFile, member: tarfile.TarInfo, into: Path, limits: Limits) -> None:
    name = _checked_name(member.name, limits)
    if member.isdir():
        (into / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        return
    content = tar.extractfile(member) if member.isreg() else None
    if content is None or member.issparse():
        raise UnsafeArchive(f"{member.name[:200]!r} is neither a regular file nor a directory")
    if not name:
        raise UnsafeArchive("a file has no name")
    target = into / name
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(target, flags, 0o700 if member.mode & 0o111 else 0o600), "wb") as file:
        while chunk := content.read(_CHUNK):
            file.write(chunk)
        if file.tell() != member.size:
            raise MalformedArchive("the archive is cut short")


def _checked_name(name: str, limits: Limits) -> str:
    """A name as a relative path; empty for the root. Raises ``UnsafeArchive`` for what could lead outside."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/") or ".." in parts or "\0" in name or "\\" in name:
        raise UnsafeArchive(f"the name {name[:200]!r} could lead outside of the archive's directory")
    if len(parts) > limits.depth or len(os.fsencode(name)) > limits.path_bytes or any(len(p) > 255 for p in parts):
        raise ArchiveTooLarge(f"the name {name[:100]!r}... is too long or too deep")
    return "/".join(parts)
