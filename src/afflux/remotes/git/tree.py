"""The files of a commit, read straight from a bare mirror: no work tree, no filters, no attributes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pygit2

from afflux.remotes.git.errors import GitError, MirrorBroken, RepositoryTooLarge, UnusableTree

MAX_ENTRIES = 200_000
MAX_DEPTH = 200
MAX_FILE = 512 << 20

_TREE, _LINK, _COMMIT = 0o040000, 0o120000, 0o160000


class TreeFile(NamedTuple):
    """A regular file of a commit. ``path`` is relative with ``/``; ``read()`` gives its bytes."""

    path: str
    executable: bool
    read: Callable[[], bytes]


class TreeDirectory(NamedTuple):
    """A directory of a commit; a submodule that isn't followed is an empty one."""

    path: str


class CommitTree:
    """The files of one commit. Use it on one thread at a time; it reads from disk as it goes."""

    def __init__(self, mirror: Path, commit: str) -> None:
        """Raises ``MirrorBroken`` where the mirror lacks the commit or can't be read."""
        try:
            self._repository = pygit2.Repository(str(mirror), pygit2.enums.RepositoryOpenFlag.BARE)
            found = self._repository[commit].peel(pygit2.Commit)
        except (KeyError, ValueError, pygit2.GitError):
            raise MirrorBroken(f"the mirror lacks commit {commit}") from None
        self.commit = str(found.id)
        self._objects = self._repository.odb
        self._tree = found.tree_id
        self._message = found.raw_message

    @property
    def subject(self) -> str:
        """The first line of the commit's message; bytes that aren't UTF-8 are replaced."""
        return self._message.decode("utf-8", "replace").lstrip("\n").split("\n", 1)[0].strip()

    def entries(self) -> Iterator[TreeFile | TreeDirectory]:
        """Files and directories in the order of a walk: each directory before its content, names by their bytes.

        Symbolic links are left out. Raises ``UnusableTree``, ``RepositoryTooLarge`` or ``MirrorBroken``.
        """
        try:
            for count, entry in enumerate(self._walk(self._tree, "", 0)):
                if count >= MAX_ENTRIES:
                    raise RepositoryTooLarge(f"the commit holds more than {MAX_ENTRIES} files and directories")
                yield entry
        except (KeyError, pygit2.GitError):
            raise MirrorBroken(f"the mirror lacks objects of commit {self.commit}") from None

    def _walk(self, tree_id: pygit2.Oid, prefix: str, depth: int) -> Iterator[TreeFile | TreeDirectory]:
        if depth > MAX_DEPTH:
            raise RepositoryTooLarge(f"directories are nested deeper than {MAX_DEPTH}: {prefix[:100]}...")
        for entry in sorted(self._repository[tree_id].peel(pygit2.Tree), key=_raw_name):
            path = prefix + _checked_name(_raw_name(entry), prefix)
            mode = int(entry.filemode)
            if mode == _TREE:
                yield TreeDirectory(path)
                yield from self._walk(entry.id, path + "/", depth + 1)
            elif mode == _COMMIT:
                yield TreeDirectory(path)
            elif mode != _LINK:
                yield TreeFile(path, bool(mode & 0o111), self._reader(entry.id, path))

    def _reader(self, blob_id: pygit2.Oid, path: str) -> Callable[[], bytes]:
        def read() -> bytes:
            try:
                if self._objects.read_header(blob_id)[1] > MAX_FILE:  # asked first: a small pack may hold a huge file
                    raise RepositoryTooLarge(f"the file {path!r} is larger than {MAX_FILE} bytes")
                data: bytes = self._objects.read(blob_id)[1]
            except (KeyError, pygit2.GitError):
                raise MirrorBroken(f"the mirror lacks objects of commit {self.commit}") from None
            return data

        return read


def _raw_name(entry: pygit2.Object) -> bytes:
    return entry.raw_name or b""


def _checked_name(raw: bytes, prefix: str) -> str:
    """A name as text (foreign bytes as surrogates). Git itself never writes those refused here."""
    name = raw.decode("utf-8", "surrogateescape")
    if name in {"", ".", ".."} or "/" in name or "\0" in name or name.lower() == ".git":
        shown = prefix + name
        raise UnusableTree(f"the commit holds the name {shown!r}, which can't be a file")
    return name


def is_reachable(mirror: Path, commit: str, tips: list[str]) -> bool:
    """Whether ``commit`` is one of ``tips`` or an ancestor of one. Raises ``MirrorBroken``."""
    try:
        repository = pygit2.Repository(str(mirror), pygit2.enums.RepositoryOpenFlag.BARE)
        if commit not in repository:
            return False
        return any(tip == commit or bool(repository.descendant_of(tip, commit)) for tip in tips if tip in repository)
    except (KeyError, ValueError, pygit2.GitError):
        raise MirrorBroken("the mirror can't be read") from None


def commit_of(mirror: Path, reference: str) -> str:
    """The commit that a reference of the mirror means. Raises ``GitError`` where it means something else."""
    try:
        repository = pygit2.Repository(str(mirror), pygit2.enums.RepositoryOpenFlag.BARE)
        found = repository.lookup_reference(reference)
    except (KeyError, ValueError, pygit2.GitError):
        raise MirrorBroken(f"the mirror lacks {reference}") from None
    try:
        return str(found.peel(pygit2.Commit).id)
    except (ValueError, pygit2.GitError):
        raise GitError("the reference names something that is not a commit") from None


def has_commit(mirror: Path, commit: str) -> bool:
    """Whether the mirror holds the object; False where there is no mirror yet."""
    try:
        return commit in pygit2.Repository(str(mirror), pygit2.enums.RepositoryOpenFlag.BARE)
    except (ValueError, pygit2.GitError):
        return False
