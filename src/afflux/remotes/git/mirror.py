"""Bare mirrors on disk, one a repository, fetched incrementally and shared by everything that names it.

A mirror is a cache: it may be deleted at any time, and one that is damaged is made anew. Fetched references are kept
under names of our own (a digest of the name), so that branches that come and go never collide. Two kinds exist side by
side: one of snapshots (depth 1), and one with history for pinned commits, whose reachability has to be shown.
"""

import asyncio
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from afflux.remotes.git.command import authorities_setting, header_setting, run_git
from afflux.remotes.git.errors import GitError, GitTimedOut, MirrorBroken
from afflux.remotes.git.failures import failure_of
from afflux.remotes.git.remote import Remote
from afflux.remotes.git.tree import commit_of, has_commit

_REFERENCES = "refs/afflux"
_RUN = "run-"
_MAX_PACKS = 40
_UNUSED_SECONDS = 7 * 86400.0
_MAINTENANCE_SECONDS = 300.0


class Mirror:
    """One bare repository. Fetches wait for each other; reads go on beside them and hold off maintenance."""

    def __init__(self, path: Path, depth: int | None, size_limit: int) -> None:
        self.path = path
        self._depth = depth
        self._size_limit = size_limit
        self._fetching = asyncio.Lock()
        self._gate = asyncio.Lock()
        """Held while objects may disappear; taken for a moment by each reader that comes."""
        self._readers = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._opened = False

    def has(self, commit: str) -> bool:
        """Whether the commit is here already."""
        return has_commit(self.path, commit)

    async def fetch(self, remote: Remote, url: str, names: Sequence[str], wanted: str | None = None) -> dict[str, str]:
        """Fetches references (full names; ``prefix/*`` for many) and returns the commit of each that is no pattern.

        ``wanted``: nothing is done if that commit has come meanwhile. ``url`` is where the remote's server answered.
        Raises ``GitError``.
        """
        async with self._fetching:
            if wanted is not None and self.has(wanted):
                return {}
            try:
                return await self._fetch(remote, url, names)
            except MirrorBroken:
                await self._discard()
                return await self._fetch(remote, url, names)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Path]:
        """Holds off whatever would take objects away while the block reads from the path."""
        async with self._gate:
            self._readers += 1
            self._idle.clear()
        try:
            yield self.path
        finally:
            self._readers -= 1
            if self._readers == 0:
                self._idle.set()

    async def discard(self) -> None:
        """Throws the mirror away; the next fetch makes it anew."""
        async with self._fetching:
            await self._discard()

    async def _discard(self) -> None:
        async with self._gate:
            await self._idle.wait()
            await asyncio.to_thread(shutil.rmtree, self.path, True)
            self._opened = False

    async def _fetch(self, remote: Remote, url: str, names: Sequence[str]) -> dict[str, str]:
        await self._open(remote)
        plain = {name: f"{_REFERENCES}/{_local_name(name)}" for name in names if not name.endswith("/*")}
        patterns = [name for name in names if name.endswith("/*")]
        refspecs = [f"+{name}:{local}" for name, local in plain.items()]
        refspecs += [f"+{name}:{_REFERENCES}/all/{name.removeprefix('refs/')}" for name in patterns]
        depth = [f"--depth={self._depth}"] if self._depth else []
        prune = ["--prune"] if patterns else []
        fetched = await run_git(
            self.path,
            ["fetch", "--quiet", "--no-tags", "--force", *prune, *depth, "--end-of-options", url, *refspecs],
            settings=self._settings(remote, url),
            timeout=remote.timeout,
            file_limit=self._size_limit,
        )
        if fetched.code != 0:
            raise failure_of(fetched, url, self._size_limit)
        commits = {name: commit_of(self.path, local) for name, local in plain.items()}
        os.utime(self.path)  # in use: see Mirrors
        await self._maintain()
        return commits

    def _settings(self, remote: Remote, url: str) -> str:
        parts = []
        if remote.credentials is not None:
            parts.append(header_setting(url, f"Authorization: {remote.credentials.authorization}"))
        if remote.trust is not None:
            parts.append(authorities_setting(self._bundle))
        return "".join(parts)

    @property
    def _bundle(self) -> Path:
        return self.path / "authorities.pem"

    async def _open(self, remote: Remote) -> None:
        """Makes the mirror where there is none; the first time, clears what a killed process left behind."""
        if self._opened and (self.path / "HEAD").exists():
            return
        if (self.path / "HEAD").exists():
            await asyncio.to_thread(_clear_leftovers, self.path)
        else:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = await run_git(
                self.path,
                ["init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(self.path)],
            )
            if made.code != 0:
                raise GitError(f"can't make a mirror in {self.path.parent}: git init failed with code {made.code}")
        if remote.trust is not None:
            self._bundle.write_bytes(remote.trust.bundle())
        self._opened = True

    async def _maintain(self) -> None:
        """Packs the mirror anew once many small packs have piled up and nobody reads."""
        packs = len(list((self.path / "objects" / "pack").glob("*.pack")))
        if packs <= _MAX_PACKS or self._readers:
            return
        async with self._gate:
            await self._idle.wait()
            try:
                await run_git(self.path, ["gc", "--quiet", "--prune=now"], timeout=_MAINTENANCE_SECONDS)
            except GitTimedOut:
                pass  # the mirror is as good as before; the next fetch tries again


class Mirrors:
    """All mirrors below one directory, which belongs to this process alone. ``size_limit`` is in bytes a pack.

    The mirrors of an earlier process are taken over under a new path: a ``git`` that outlived it finds nothing any more
    where it was at work.
    """

    def __init__(self, root: Path, size_limit: int = 4 << 30) -> None:
        self._root = _taken_over(root)
        self._size_limit = size_limit
        self._open: dict[str, Mirror] = {}

    def snapshots(self, remote: Remote) -> Mirror:
        """The mirror that holds single commits of a repository."""
        return self._mirror(f"{remote.key}.git", depth=1)

    def history(self, remote: Remote) -> Mirror:
        """The mirror that holds a repository's history."""
        return self._mirror(f"{remote.key}-history.git", depth=None)

    def _mirror(self, name: str, depth: int | None) -> Mirror:
        if name not in self._open:
            self._remove_unused()
            self._open[name] = Mirror(self._root / name, depth, self._size_limit)
        return self._open[name]

    def _remove_unused(self) -> None:
        """Removes what nobody has fetched into for a week, and nobody has asked for since this process began."""
        for path in self._root.iterdir():
            if path.name not in self._open and time.time() - path.stat().st_mtime > _UNUSED_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _taken_over(root: Path) -> Path:
    """A directory in ``root`` that no other process knows, with the mirrors that were there."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    mine = root / f"{_RUN}{secrets.token_hex(8)}"
    for earlier in root.glob(f"{_RUN}*"):
        if mine.exists():
            shutil.rmtree(earlier, ignore_errors=True)
        else:
            earlier.rename(mine)
    mine.mkdir(exist_ok=True, mode=0o700)
    return mine


def _local_name(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _clear_leftovers(path: Path) -> None:
    """Locks and half-written packs: nobody else works here, so their owner is gone."""
    for pattern in ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*", "objects/**/tmp_obj_*"):
        for leftover in path.glob(pattern):
            leftover.unlink(missing_ok=True)
