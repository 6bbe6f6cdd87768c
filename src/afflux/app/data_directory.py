"""The directory where `afflux up` keeps its state: one owner at a time, one schema number."""

import fcntl
import hashlib
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from afflux.net.tls import write_private

SCHEMA = 1
"""Number of the layout below; raised with a migration, never reused."""


class DataDirectoryError(Exception):
    """The directory can't be used; the message says why and what to do."""


def default_data_directory(source: str | None, environment: dict[str, str]) -> Path:
    """Where `up` keeps the state of ``source`` unless it is told: a place of its own under XDG_STATE_HOME."""
    state = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".local/state")
    name = Path(source).name if source else "empty"
    identity = hashlib.sha256((source or "").encode()).hexdigest()[:8]
    safe = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name).strip("-") or "source"
    return Path(state) / "afflux" / f"{safe}-{identity}"


def log_files(data_dir: Path, controllers: Sequence[str]) -> dict[str, Path]:
    """Where each controller's log is kept, by the controller's full name (``source-controller``)."""
    return {f"{name}-controller": data_dir / "logs" / f"{name}-controller.log" for name in controllers}


def _boot() -> str:
    """What names the time since this machine was started; nothing lasting where it can't be told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(uuid.uuid4())


class DataDirectory:
    """An owned state directory; use as a context manager, which holds its lock.

    Layout: ``cluster/`` (control plane), ``git/`` (embedded repository), ``artifacts/``, ``mirrors/``, ``unpacked/``,
    ``logs/``, ``kubeconfig``. Raises ``DataDirectoryError`` when another process owns it or a newer Afflux made it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    def __enter__(self) -> "DataDirectory":
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._take_lock()
            self._check_schema()
        except OSError as error:
            self._release()
            raise DataDirectoryError(f"can't use the data directory {self.path}: {error.strerror}") from error
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def _take_lock(self) -> None:
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirectoryError(
                f"another afflux uses {self.path}; stop it, or choose another place with --data-dir"
            ) from None

    def _check_schema(self) -> None:
        marker = self.path / "schema"
        if not marker.exists():
            marker.write_text(f"{SCHEMA}\n")
            return
        text = marker.read_text().strip()
        if not text.isdigit() or int(text) > SCHEMA:
            raise DataDirectoryError(
                f"{self.path} was written by a newer afflux (schema {text[:20]!r}, this one knows {SCHEMA}); "
                "upgrade afflux, or choose another place with --data-dir"
            )

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def identity(self) -> str:
        """What names the owner of this directory: the same after a restart on this machine, and only then.

        Whoever has the lock knows that nobody else goes by that name. A copy of the directory, another machine, or this
        one started anew get a name of their own.
        """
        assert self._lock is not None
        place = os.fstat(self._lock)
        here = f"{_boot()} {place.st_dev}:{place.st_ino}"
        file = self.path / "identity"
        known, _, where = (file.read_text() if file.exists() else "").strip().partition(" ")
        if not known or where != here:
            known = str(uuid.uuid4())
            write_private(file, f"{known} {here}\n".encode())
        return known

    def folder(self, name: str) -> Path:
        """A folder inside, made where it is absent."""
        path = self.path / name
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    def port(self, name: str) -> int:
        """The port that the listener ``name`` had the last time, so that URLs stay valid; 0 at first."""
        try:
            return int((self.path / f"{name}.port").read_text())
        except (OSError, ValueError):
            return 0

    def remember_port(self, name: str, port: int) -> None:
        """Keeps the port of the listener ``name`` for the next start."""
        (self.path / f"{name}.port").write_text(f"{port}\n")
