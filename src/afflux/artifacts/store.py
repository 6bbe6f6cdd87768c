"""Artifacts on disk: written whole or not at all, found by their digest, kept for a while after they are superseded.

The layout is Flux's: ``<lowercase kind>/<namespace>/<name>/<file>`` below the root, ``<file>.lock`` while it is
written. Every method does file I/O: call it on a thread.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from afflux.api.meta import Artifact
from afflux.artifacts.archive import Entry, Ignore, nothing_ignored, pack
from afflux.artifacts.errors import ArtifactError, ArtifactMissing, ArtifactTorn

_DIGESTS = frozenset({"sha256", "sha384", "sha512"})
_MAX_WALK = 1000
_TEMPORARY = ".partial-"


class ArtifactKey(NamedTuple):
    """The object that an artifact belongs to."""

    kind: str
    namespace: str
    name: str

    @property
    def directory(self) -> str:
        """Where its files lie, relative to the store's root."""
        parts = (self.kind.lower(), self.namespace, self.name)
        if any(not part or part.startswith(".") or "/" in part or "\0" in part for part in parts):
            raise ArtifactError(f"{'/'.join(parts)!r} can't be a place for artifacts")
        return "/".join(parts)


@dataclass(frozen=True)
class Retention:
    """How long superseded artifacts are kept: at most ``seconds`` old, and ``records`` in all with the current one."""

    seconds: float = 60.0
    records: int = 2


class NewArtifact(NamedTuple):
    """What to publish: a revision's files, and the name of the file that holds them."""

    revision: str
    file_name: str
    entries: Iterable[Entry]
    ignore: Ignore = nothing_ignored


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ArtifactStore:
    """All artifacts below one root. ``advertised_address`` is the host (or URL) that others reach its server by."""

    def __init__(
        self,
        root: Path,
        advertised_address: str,
        retention: Retention | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.root = root.absolute()
        address = advertised_address.rstrip("/")
        self.address = address if "://" in address else f"http://{address}"
        self._retention = retention or Retention()
        self._clock = clock

    def publish(self, key: ArtifactKey, new: NewArtifact) -> Artifact:
        """Packs the files and puts the archive in place at once. Raises ``ArtifactError`` or ``OSError``."""
        directory = self.root / key.directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = f"{key.directory}/{_checked_file_name(new.file_name)}"
        with _locked(self.root / f"{path}.lock"), _replacing(self.root / path) as file:
            packed = pack(new.entries, file, new.ignore)
        return Artifact(
            digest=packed.digest,
            path=path,
            url=f"{self.address}/{path}",
            revision=new.revision,
            last_update_time=self._clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
            size=packed.size,
        )

    def at_current_address(self, artifact: Artifact) -> Artifact:
        """The artifact with the URL that it has now."""
        return msgspec.structs.replace(artifact, url=f"{self.address}/{artifact.path}")

    def owns(self, artifact: Artifact) -> bool:
        """Whether the artifact's URL is one of ours."""
        return artifact.url == f"{self.address}/{artifact.path}"

    def verify(self, artifact: Artifact) -> None:
        """Reads the file again. Raises ``ArtifactMissing`` or ``ArtifactTorn`` unless its digest is the artifact's."""
        self.open_verified(artifact).close()

    def open_verified(self, artifact: Artifact) -> BinaryIO:
        """The file at its start, once its digest was seen to be the artifact's; what is open stays what it is."""
        try:
            file = os.fdopen(os.open(self.path_of(artifact), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
        except OSError:
            raise ArtifactMissing(f"artifact {artifact.path} is not in storage") from None
        try:
            check_digest(file, artifact)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def path_of(self, artifact: Artifact) -> Path:
        """The artifact's file. Raises ``ArtifactMissing`` for a path that isn't one of the store's."""
        parts = artifact.path.split("/")
        if len(parts) != 4 or any(not part or part.startswith(".") or "\0" in part for part in parts):
            raise ArtifactMissing(f"artifact {artifact.path!r} is not in storage")
        return self.root.joinpath(*parts)

    def collect_garbage(self, key: ArtifactKey, current: Artifact | None) -> int:
        """Removes superseded files; returns how many. The current one always stays."""
        directory = self.root / key.directory
        kept_name = current.path.rsplit("/", 1)[-1] if current else ""
        files = _files(directory)
        now = self._clock().timestamp()
        stale = [name for name, time in files if name != kept_name and now - time > self._retention.seconds]
        fresh = [name for name, _ in files if name not in stale and not name.startswith(_TEMPORARY)]
        too_many = [name for name in fresh if name != kept_name][: max(0, len(fresh) - self._retention.records)]
        for name in [*stale, *too_many]:
            (directory / name).unlink(missing_ok=True)
            (directory / f"{name}.lock").unlink(missing_ok=True)
        return len([name for name in [*stale, *too_many] if not name.startswith(_TEMPORARY)])

    def remove(self, key: ArtifactKey) -> None:
        """Removes everything of an object; nothing there is fine."""
        directory = self.root / key.directory
        if directory.exists():
            shutil.rmtree(directory)


def check_digest(file: BinaryIO, artifact: Artifact) -> None:
    """Reads the file to its end. Raises ``ArtifactTorn`` unless its digest is the artifact's."""
    algorithm, _, expected = artifact.digest.partition(":")
    if algorithm not in _DIGESTS:
        raise ArtifactError(f"the digest algorithm {algorithm!r} is not supported")
    digest = hashlib.new(algorithm)
    while chunk := file.read(1 << 18):
        digest.update(chunk)
    if digest.hexdigest() != expected:
        raise ArtifactTorn(f"computed digest of artifact {artifact.path} doesn't match '{artifact.digest}'")


def _checked_file_name(name: str) -> str:
    if not name or name.startswith(".") or "/" in name or "\0" in name or name.endswith(".lock"):
        raise ArtifactError(f"{name!r} can't be the name of an artifact's file")
    return name


def _files(directory: Path) -> list[tuple[str, float]]:
    """Names and times (seconds) of regular files, the oldest first; without lock files, at most a thousand."""
    found: list[tuple[str, float]] = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if len(found) < _MAX_WALK and entry.is_file(follow_symlinks=False) and not entry.name.endswith(".lock"):
                    found.append((entry.name, entry.stat(follow_symlinks=False).st_mtime))
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda file: (file[1], file[0]))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a lock file; whoever comes second waits."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of ``path`` when the block ends well, and never was when it doesn't."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=_TEMPORARY)
    try:
        with os.fdopen(descriptor, "wb", buffering=1 << 18) as file:
            yield file
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
