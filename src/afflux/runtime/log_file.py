"""A log file that doesn't fill the disk."""

import os
from dataclasses import dataclass, field
from pathlib import Path

LIMIT = 16 * 1024 * 1024
"""Bytes after which a file is set aside as ``<name>.1``, in place of the one before."""


@dataclass(slots=True)
class LogFile:
    """Lines are appended whole and at once. Whoever follows the file by name sees them at once, too."""

    path: Path
    limit: int = LIMIT
    _descriptor: int = field(default=-1, init=False)
    _size: int = field(default=0, init=False)

    def write(self, line: bytes) -> None:
        """Append a line. Raises ``OSError``."""
        if self._descriptor < 0:
            self._open()
        if self._size + len(line) > self.limit and self._size:
            self.close()
            os.replace(self.path, self.path.with_name(f"{self.path.name}.1"))
            self._open()
        self._size += os.write(self._descriptor, line)

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._descriptor).st_size
