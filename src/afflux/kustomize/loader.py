"""Reading what a kustomization names: files in or below its directory, and other kustomizations' directories."""

import posixpath
from dataclasses import dataclass, field
from typing import Final

from afflux.kustomize.documents import decoded
from afflux.kustomize.errors import InvalidKustomization, KustomizeError, MissingFile, RemoteResourceNeeded
from afflux.kustomize.filesystem import FileSystem, is_within, normal
from afflux.kustomize.remote import is_remote_file, is_repository

MAX_DIRECTORIES: Final = 10_000
"""Kustomizations that one build may read, counting those read several times: bases may multiply."""
MAX_LEVELS: Final = 64
"""Kustomizations that may refer to each other in a row."""


@dataclass(slots=True)
class Budget:
    """What a build has used of its limits."""

    directories: int = 0

    def spend(self, directory: str) -> None:
        """Counts one more kustomization. Raises when it is one too many."""
        self.directories += 1
        if self.directories > MAX_DIRECTORIES:
            raise InvalidKustomization(f"more than {MAX_DIRECTORIES} kustomizations in one build, at '{directory}'")


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads for the kustomization in ``root``. ``visited`` are the directories that led here, the nearest last.

    ``root_only``: files must lie in or below ``root``, links followed (kustomize's LoadRestrictionsRootOnly).
    """

    filesystem: FileSystem
    root: str
    root_only: bool = True
    visited: tuple[str, ...] = ()
    budget: Budget = field(default_factory=Budget)

    def load(self, path: str) -> str:
        """A file's text. Raises ``MissingFile``, ``OutsideRoot``, ``MalformedDocument``, ``RemoteResourceNeeded``."""
        return decoded(self.load_bytes(path), self.path_of(path))

    def load_bytes(self, path: str) -> bytes:
        """A file's bytes; see ``load``."""
        if is_remote_file(path):
            raise remote_needed(path)
        return self.filesystem.read(self.path_of(path), self.root if self.root_only else None)

    def path_of(self, path: str) -> str:
        """Where in the file system a path of this kustomization lies."""
        return normal(path if path.startswith("/") else posixpath.join(self.root, path))

    def enter(self, path: str) -> "Loader":
        """A loader for another kustomization's directory. Raises where it isn't one, and on a cycle."""
        if not path:
            raise InvalidKustomization("new root cannot be empty")
        if is_remote_file(path) or is_repository(path):
            raise remote_needed(path)
        if path.startswith("/"):
            raise InvalidKustomization(f"new root '{path}' cannot be absolute")
        root = confirmed_directory(self.filesystem, self.path_of(path))
        visited = (*self.visited, self.root)
        for seen in reversed(visited):
            if is_within(seen, root):
                raise InvalidKustomization(
                    f"cycle detected: candidate root '{root}' contains visited root '{seen}'"
                    f" ({' -> '.join((*visited, root))})"
                )
        if len(visited) > MAX_LEVELS:
            raise InvalidKustomization(f"more than {MAX_LEVELS} kustomizations refer to each other, up to '{root}'")
        self.budget.spend(root)
        return Loader(self.filesystem, root, self.root_only, visited, self.budget)


def confirmed_directory(filesystem: FileSystem, path: str) -> str:
    """The directory with links followed. Raises ``MissingFile`` where there is none."""
    try:
        real = filesystem.resolve(path)
    except KustomizeError as error:
        raise error.within("must build at directory: not a valid directory") from None
    if not filesystem.is_dir(real):
        raise MissingFile(f"must build at directory: '{path}': file is not directory")
    return real


def remote_needed(path: str) -> RemoteResourceNeeded:
    """The error that asks for a remote resource."""
    return RemoteResourceNeeded(
        f"remote resource '{path}' is not fetched: builds read local files only; keep a copy in the repository",
        request=path,
    )
