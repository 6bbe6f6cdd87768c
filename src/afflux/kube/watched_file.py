"""A file that something else replaces now and then: certificates and keys that rotate."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

LOOK_EVERY = 5.0
"""Seconds between two looks at a file."""


@dataclass(slots=True)
class WatchedFile:
    """Its content, read again where the file is another one than before. One that went away keeps its last content."""

    path: Path
    clock: Callable[[], float] = time.monotonic
    _content: bytes | None = field(default=None, init=False, repr=False)
    _mark: tuple[int, int, int] | None = field(default=None, init=False)
    _looked: float = field(default=float("-inf"), init=False)

    def read(self) -> bytes:
        """The content. Raises ``OSError`` where it could never be read."""
        if self._content is None or self.clock() - self._looked > LOOK_EVERY:
            self._look()
        assert self._content is not None
        return self._content

    def look_again(self) -> None:
        """Look at the file when it is read next, however soon that is."""
        self._looked = float("-inf")

    def _look(self) -> None:
        self._looked = self.clock()
        try:
            state = self.path.stat()
            mark = state.st_mtime_ns, state.st_ino, state.st_size
            if mark != self._mark:
                self._content, self._mark = self.path.read_bytes(), mark
        except OSError:
            if self._content is None:
                raise
