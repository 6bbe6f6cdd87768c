"""Which parts of a tree a render has looked at, so that it need not be done again while they stay the same."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from afflux.kustomize.errors import KustomizeError
from afflux.kustomize.filesystem import FileSystem

Look: TypeAlias = Literal["read", "is_dir", "is_file", "list_dir", "resolve"]


class Input(NamedTuple):
    """One look at the tree and a digest of the answer."""

    look: Look
    path: str
    answer: str


@dataclass
class RecordingFileSystem:
    """A file system that remembers every question and the digest of its answer; what fails is not remembered."""

    base: FileSystem
    _seen: dict[tuple[Look, str], str] = field(default_factory=dict)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """All looks so far, each once."""
        return tuple(Input(look, path, answer) for (look, path), answer in self._seen.items())

    def read(self, path: str, within: str | None = None) -> bytes:
        content = self.base.read(path, within)
        self._seen["read", path] = hashlib.sha256(content).hexdigest()
        return content

    def is_dir(self, path: str) -> bool:
        answer = self.base.is_dir(path)
        self._seen["is_dir", path] = str(answer)
        return answer

    def is_file(self, path: str) -> bool:
        answer = self.base.is_file(path)
        self._seen["is_file", path] = str(answer)
        return answer

    def list_dir(self, path: str) -> list[str]:
        names = self.base.list_dir(path)
        self._seen["list_dir", path] = _digest_of_names(names)
        return names

    def resolve(self, path: str) -> str:
        resolved = self.base.resolve(path)
        self._seen["resolve", path] = resolved
        return resolved


def still_hold(inputs: Sequence[Input], filesystem: FileSystem) -> bool:
    """Whether every look at this tree gives the same answer."""
    return all(_answer(one, filesystem) == one.answer for one in inputs)


def _answer(one: Input, filesystem: FileSystem) -> str | None:
    try:
        match one.look:
            case "read":
                return hashlib.sha256(filesystem.read(one.path)).hexdigest()
            case "is_dir":
                return str(filesystem.is_dir(one.path))
            case "is_file":
                return str(filesystem.is_file(one.path))
            case "list_dir":
                return _digest_of_names(filesystem.list_dir(one.path))
            case "resolve":
                return filesystem.resolve(one.path)
    except KustomizeError:
        # It was there then, and isn't now.
        return None


def _digest_of_names(names: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(sorted(names)).encode()).hexdigest()
