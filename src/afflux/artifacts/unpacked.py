"""Artifacts as directories: each digest is unpacked once, and everybody reads the same files."""

import asyncio
import hashlib
import os
import shutil
import tempfile
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from afflux.api.meta import Artifact
from afflux.artifacts.confirmations import Confirmations
from afflux.artifacts.download import Retry, download
from afflux.artifacts.errors import ArtifactMissing, ArtifactTorn, ArtifactUnconfirmed
from afflux.artifacts.store import ArtifactStore
from afflux.artifacts.tree_changes import touched_paths
from afflux.artifacts.unpack import unpack
from afflux.net.http import HttpSession

_RECHECK_SECONDS = 30.0
_RETRY = Retry(attempts=3, first=0.2, longest=1.0)
"""Short: whoever asks holds a worker, and asks again by itself."""
_IN_USE_SECONDS = 900.0
"""A directory that was asked for within this time may still be read, and is never removed."""
_COMPARISONS = 16
"""How many pairs of trees are remembered with what differs between them."""


@dataclass
class _Directory:
    path: Path
    fingerprint: str
    checked: float
    used: float


class UnpackedArtifacts:
    """A cache of directories below ``root``, which belongs to this process alone and is emptied when it starts.

    ``store`` is read by digest, without HTTP; what it lacks is downloaded where there is an HTTP session. Beyond
    ``limit`` directories, those that nobody has asked for lately go, the longest unused first. With ``confirmations``
    only what is confirmed is given out.
    """

    def __init__(
        self,
        root: Path,
        store: ArtifactStore,
        http: HttpSession | None = None,
        limit: int = 50,
        confirmations: Confirmations | None = None,
    ) -> None:
        self._root, self._store, self._http, self._limit = root.absolute(), store, http, limit
        self._confirmations = confirmations
        self._directories: dict[str, _Directory] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._touched: OrderedDict[tuple[str, str], asyncio.Future[frozenset[str]]] = OrderedDict()
        shutil.rmtree(self._root, ignore_errors=True)
        self._root.mkdir(parents=True, mode=0o700)

    async def directory(self, artifact: Artifact) -> Path:
        """The artifact's files. They must not be changed, and stay for a quarter of an hour after the last call.

        Raises ``ArtifactError``: missing, unconfirmed, torn, unsafe or too large.
        """
        if self._confirmations is not None and not self._confirmations.is_confirmed(artifact.path):
            raise ArtifactUnconfirmed(f"artifact {artifact.path} was not fetched anew yet by this leader")
        async with self._locks.setdefault(artifact.digest, asyncio.Lock()):
            known = self._directories.get(artifact.digest)
            if known is None or not await self._is_whole(known):
                known = await self._make(artifact)
                self._directories[artifact.digest] = known
            known.used = time.monotonic()
        await self._evict()
        return known.path

    async def touched(self, old_digest: str, new_digest: str) -> frozenset[str] | None:
        """The paths that differ between two unpacked artifacts; None where one of them isn't there any more."""
        pair = (old_digest, new_digest)
        if pair not in self._touched:
            known = [self._directories.get(digest) for digest in pair]
            if None in known:
                return None
            comparison = asyncio.to_thread(touched_paths, *(one.path for one in known if one is not None))
            self._touched[pair] = asyncio.ensure_future(comparison)
            while len(self._touched) > _COMPARISONS:
                self._touched.popitem(last=False)
        try:
            return await asyncio.shield(self._touched[pair])
        except OSError:  # one of them went away meanwhile
            self._touched.pop(pair, None)
            return None

    async def _is_whole(self, known: _Directory) -> bool:
        now = time.monotonic()
        if now - known.checked < _RECHECK_SECONDS and known.path.is_dir():
            return True
        known.checked = now
        return await asyncio.to_thread(_fingerprint, known.path) == known.fingerprint

    async def _make(self, artifact: Artifact) -> _Directory:
        with await self._open(artifact) as archive:
            path, fingerprint = await asyncio.to_thread(self._unpack, archive, artifact.digest)
        now = time.monotonic()
        return _Directory(path, fingerprint, now, now)

    async def _open(self, artifact: Artifact) -> BinaryIO:
        """The archive: ours by its digest, even if its URL is from before a restart; else the other store's."""
        try:
            return await asyncio.to_thread(self._store.open_verified, artifact)
        except (ArtifactMissing, ArtifactTorn):
            if self._http is None or self._store.owns(artifact):
                raise
        return await download(artifact, self._http, _RETRY)

    def _unpack(self, archive: BinaryIO, digest: str) -> tuple[Path, str]:
        """Unpacks beside the final place and renames: what is there is whole, whenever the process ends."""
        final = self._root / digest.replace(":", "-")
        fresh = Path(tempfile.mkdtemp(dir=self._root, prefix=".partial-"))
        try:
            unpack(archive, fresh)
            shutil.rmtree(final, ignore_errors=True)
            fresh.rename(final)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        return final, _fingerprint(final)

    async def _evict(self) -> None:
        oldest_first = sorted(self._directories.items(), key=lambda item: item[1].used)
        for digest, directory in oldest_first[: max(0, len(oldest_first) - self._limit)]:
            if time.monotonic() - directory.used > _IN_USE_SECONDS and not self._locks[digest].locked():
                del self._directories[digest], self._locks[digest]
                await asyncio.to_thread(shutil.rmtree, directory.path, True)


def _fingerprint(directory: Path) -> str:
    """What changes when somebody changes a file: names, sizes, times and modes. Empty where there is no directory."""
    if not directory.is_dir():
        return ""
    digest = hashlib.sha256()
    for parent, directories, files in os.walk(directory):
        directories.sort()
        for name in sorted(files):
            state = os.lstat(os.path.join(parent, name))
            digest.update(
                f"{parent}/{name}\0{state.st_size} {state.st_mtime_ns} {state.st_mode}\n".encode(errors="replace")
            )
    return digest.hexdigest()
