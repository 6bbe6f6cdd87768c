"""The files that a build may read.

Paths are POSIX paths from the file system's own root ("/"), whatever that is on the disk. A build can't reach what
isn't below that root: not by ``..``, not by an absolute path, not through a symbolic link, and not through one that
is put in place between a check and the reading, because what was opened is what is checked.
"""

import errno
import os
import posixpath
import stat
from collections.abc import Mapping
from typing import Protocol

from afflux.kustomize.errors import MissingFile, OutsideRoot

MAX_FILE = 64 * 2**20
"""Larger files are refused (bytes)."""


class FileSystem(Protocol):
    """What a build reads through. Every method takes a path from the root, with or without the leading slash.

    Errors are ``MissingFile`` and ``OutsideRoot``; neither shows what a file holds.
    """

    def read(self, path: str, within: str | None = None) -> bytes:
        """A file's bytes. ``within``: a directory (links resolved) that the file must really lie below."""
        ...

    def is_dir(self, path: str) -> bool:
        """Whether the path leads to a directory that may be read."""
        ...

    def is_file(self, path: str) -> bool:
        """Whether the path leads to a regular file that may be read."""
        ...

    def list_dir(self, path: str) -> list[str]:
        """The names in a directory, sorted."""
        ...

    def resolve(self, path: str) -> str:
        """The path from the root with every symbolic link followed; what it names must exist."""
        ...


def normal(path: str) -> str:
    """An absolute path from the root with ``.`` and ``..`` taken away; ``..`` at the root stays at the root."""
    return posixpath.normpath("/" + path.lstrip("/"))


def is_within(path: str, directory: str) -> bool:
    """Whether ``path`` is ``directory`` or lies below it; both absolute and normal."""
    return directory == "/" or path == directory or path.startswith(directory + "/")


def _missing(path: str) -> MissingFile:
    return MissingFile(f"evalsymlink failure on '{path}' : lstat {path}: no such file or directory")


class DiskFileSystem:
    """A directory on the disk. With ``restrict`` nothing outside it can be read; without, links may lead anywhere."""

    def __init__(self, root: str | os.PathLike[str], restrict: bool = True) -> None:
        self._root = os.path.realpath(root)
        self._restrict = restrict

    def __repr__(self) -> str:
        return f"DiskFileSystem({self._root!r}, restrict={self._restrict})"

    def read(self, path: str, within: str | None = None) -> bytes:
        """See ``FileSystem``. What is checked is the opened file itself, by the name that the kernel gives it."""
        path = normal(path)
        descriptor = self._open(path)
        try:
            self._check_opened(descriptor, path, within)
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                raise MissingFile(f"'{path}' must resolve to a file")
            if not stat.S_ISREG(status.st_mode):
                raise MissingFile(f"'{path}' is not a regular file")
            return _contents(descriptor, path)
        finally:
            os.close(descriptor)

    def is_dir(self, path: str) -> bool:
        """See ``FileSystem``."""
        return self._allowed(path) and os.path.isdir(self._on_disk(normal(path)))

    def is_file(self, path: str) -> bool:
        """See ``FileSystem``."""
        return self._allowed(path) and os.path.isfile(self._on_disk(normal(path)))

    def list_dir(self, path: str) -> list[str]:
        """See ``FileSystem``."""
        real = self.resolve(path)
        try:
            return sorted(os.listdir(self._on_disk(real)))
        except OSError as error:
            raise MissingFile(f"'{real}' can't be listed: {error.strerror}") from None

    def resolve(self, path: str) -> str:
        """See ``FileSystem``."""
        path = normal(path)
        try:
            real = os.path.realpath(self._on_disk(path), strict=True)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno == errno.ELOOP:
                raise MissingFile(f"evalsymlink failure on '{path}' : too many links") from None
            raise _missing(path) from None
        return self._from_root(real, path)

    def _open(self, path: str) -> int:
        try:
            return os.open(self._on_disk(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            raise _missing(path) from None
        except OSError as error:
            raise MissingFile(f"'{path}' can't be read: {error.strerror}") from None

    def _check_opened(self, descriptor: int, path: str, within: str | None) -> None:
        if not self._restrict and within is None:
            return
        real = self._from_root(_name_of(descriptor), path)
        if within is not None and not is_within(real, within):
            raise OutsideRoot(f"security; file '{path}' is not in or below '{within}'")

    def _from_root(self, real: str, path: str) -> str:
        if self._root == "/":
            return real
        if not is_within(real, self._root):
            if self._restrict:
                raise OutsideRoot(f"security; '{path}' leads outside the root that may be read")
            return real
        return real[len(self._root) :] or "/"

    def _allowed(self, path: str) -> bool:
        if not self._restrict:
            return True
        try:
            self.resolve(path)
        except (MissingFile, OutsideRoot):
            return False
        return True

    def _on_disk(self, path: str) -> str:
        return path if self._root == "/" else self._root + path


def _name_of(descriptor: int) -> str:
    """The path of an open file, as the kernel knows it: Linux tells it in /proc, macOS by fcntl."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        import fcntl  # not on Windows

        packed = fcntl.fcntl(descriptor, getattr(fcntl, "F_GETPATH", 50), b"\0" * 1024)
        return os.fsdecode(packed.rstrip(b"\0"))


def _contents(descriptor: int, path: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    while chunk := os.read(descriptor, 2**20):
        parts.append(chunk)
        size += len(chunk)
        if size > MAX_FILE:
            raise MissingFile(f"'{path}' is larger than {MAX_FILE >> 20} MiB")
    return b"".join(parts)


class MemoryFileSystem:
    """Files given as a mapping from path to contents; directories are where files are."""

    def __init__(self, files: Mapping[str, str | bytes]) -> None:
        self._files = {normal(path): data.encode() if isinstance(data, str) else data for path, data in files.items()}
        self._directories: dict[str, set[str]] = {"/": set()}
        for path in self._files:
            self._add_parents(path)

    def read(self, path: str, within: str | None = None) -> bytes:
        """See ``FileSystem``."""
        path = normal(path)
        if path in self._directories:
            raise MissingFile(f"'{path}' must resolve to a file")
        if path not in self._files:
            raise MissingFile(f"'{path}' doesn't exist")
        if within is not None and not is_within(path, within):
            raise OutsideRoot(f"security; file '{path}' is not in or below '{within}'")
        return self._files[path]

    def is_dir(self, path: str) -> bool:
        """See ``FileSystem``."""
        return normal(path) in self._directories

    def is_file(self, path: str) -> bool:
        """See ``FileSystem``."""
        return normal(path) in self._files

    def list_dir(self, path: str) -> list[str]:
        """See ``FileSystem``."""
        if not self.is_dir(path):
            raise MissingFile(f"'{normal(path)}' doesn't exist")
        return sorted(self._directories[normal(path)])

    def resolve(self, path: str) -> str:
        """See ``FileSystem``."""
        path = normal(path)
        if path not in self._files and path not in self._directories:
            raise MissingFile(f"'{path}' doesn't exist")
        return path

    def _add_parents(self, path: str) -> None:
        while path != "/":
            parent, name = posixpath.split(path)
            names = self._directories.setdefault(parent, set())
            if name in names:
                return
            names.add(name)
            path = parent


class OverlayFileSystem:
    """``base`` with some files put over it, which hide the base's files of the same path."""

    def __init__(self, base: FileSystem, files: Mapping[str, str | bytes]) -> None:
        self._base = base
        self._over = MemoryFileSystem(files)
        self._names = {posixpath.basename(path) for path in files}

    def read(self, path: str, within: str | None = None) -> bytes:
        """See ``FileSystem``."""
        found = self._found_over(path)
        return self._over.read(found, within) if found else self._base.read(path, within)

    def is_dir(self, path: str) -> bool:
        """See ``FileSystem``."""
        return self._base.is_dir(path) or self._over.is_dir(path)

    def is_file(self, path: str) -> bool:
        """See ``FileSystem``."""
        return self._found_over(path) is not None or self._base.is_file(path)

    def list_dir(self, path: str) -> list[str]:
        """See ``FileSystem``."""
        over = set(self._over.list_dir(path)) if self._over.is_dir(path) else set()
        return sorted(over.union(self._base.list_dir(path) if self._base.is_dir(path) else ()))

    def resolve(self, path: str) -> str:
        """See ``FileSystem``."""
        found = self._found_over(path)
        if found:
            return found
        return self._base.resolve(path) if not self._over.is_dir(path) else self._resolved_directory(path)

    def _resolved_directory(self, path: str) -> str:
        return self._base.resolve(path) if self._base.is_dir(path) else normal(path)

    def _found_over(self, path: str) -> str | None:
        """The path of a file put over the base: as it is spelled, or where its directory really is."""
        path = normal(path)
        if self._over.is_file(path):
            return path
        parent, name = posixpath.split(path)
        if name not in self._names or not self._base.is_dir(parent):
            return None
        real = posixpath.join(self._base.resolve(parent), name)
        return real if self._over.is_file(real) else None
