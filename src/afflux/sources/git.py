"""A Git repository as a source: a branch, a tag, a reference by its full name, or a commit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from afflux.artifacts.archive import Directory, Entry, File
from afflux.net.http import HttpSession
from afflux.remotes.git.errors import (
    CommitNotFound,
    EmptyRepository,
    GitTimedOut,
    InvalidReference,
    MirrorBroken,
    ReferenceNotFound,
)
from afflux.remotes.git.mirror import Mirror, Mirrors
from afflux.remotes.git.references import list_references
from afflux.remotes.git.remote import Remote, check_reference
from afflux.remotes.git.tree import CommitTree, TreeFile, is_reachable
from afflux.sources.fetcher import Fetched, Revision

DEFAULT_BRANCH = "master"
SUBJECT_LENGTH = 50
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Wanted:
    """What ``spec.ref`` asks for. The first that is set decides: commit (within ``branch``), name, tag, branch."""

    branch: str | None = None
    tag: str | None = None
    name: str | None = None
    commit: str | None = None

    def reference(self) -> tuple[str, str]:
        """Full name of the reference, and its name in a revision. Raises ``InvalidReference``."""
        if self.name:
            return check_reference(self.name), self.name
        if self.tag:
            return check_reference(f"refs/tags/{self.tag}"), self.tag
        branch = self.branch or DEFAULT_BRANCH
        return check_reference(f"refs/heads/{branch}"), branch


def revision_of(shown: str | None, commit: str) -> Revision:
    """The revision of a commit, ``shown`` as the name it was found by."""
    digest = f"sha1:{commit}"
    return Revision(f"{shown}@{digest}" if shown else digest, f"{commit}.tar.gz")


def subject_of(subject: str) -> str:
    """The words for a commit in a message, as Flux cuts them: 50 characters of its subject, then dots."""
    cut = subject if len(subject) <= SUBJECT_LENGTH else f"{subject[:SUBJECT_LENGTH]}..."
    return f"commit '{cut}'"


class _Target(NamedTuple):
    """What a resolved revision stands for until it is fetched."""

    commit: str
    url: str


class GitFetcher:
    """One repository at one reference. What a reference means is asked of the server with this object's own
    credentials each time; only a commit that it was shown that way (or fetches itself) is read from the shared
    mirror."""

    def __init__(self, remote: Remote, wanted: Wanted, http: HttpSession, mirrors: Mirrors) -> None:
        self._remote, self._wanted = remote, wanted
        self._http, self._mirrors = http, mirrors
        self._shown: dict[Revision, _Target] = {}

    async def resolve(self) -> Revision:
        """Raises ``GitError``. A pinned commit is its own answer: the server isn't asked."""
        if self._wanted.commit:
            return revision_of(self._wanted.branch, _checked_commit(self._wanted.commit))
        full_name, shown = self._wanted.reference()
        listing = await list_references(self._http, self._remote, [full_name])
        reference = listing.references.get(full_name)
        if reference is None:
            raise await self._absent(full_name)
        revision = revision_of(shown, reference.commit)
        self._shown[revision] = _Target(reference.commit, listing.url)
        return revision

    async def _absent(self, full_name: str) -> ReferenceNotFound | EmptyRepository:
        """Why a reference is not in the list: asked again for everything, so that an empty repository is called so."""
        everything = await list_references(self._http, self._remote, ["HEAD", "refs/heads/", "refs/tags/"])
        if not everything.references:
            return EmptyRepository("git repository is empty")
        return ReferenceNotFound(f'couldn\'t find remote ref "{full_name}"')

    @asynccontextmanager
    async def fetch(self, revision: Revision) -> AsyncIterator[Fetched]:
        """Raises ``GitError``, also while entries are read."""
        try:
            async with asyncio.timeout(self._remote.timeout):
                mirror, found = await (self._pinned(revision) if self._wanted.commit else self._latest(revision))
        except TimeoutError:
            raise GitTimedOut(f"the fetch did not finish within {self._remote.timeout:g}s") from None
        try:
            async with mirror.reading() as path:
                tree, entries = await asyncio.to_thread(_read, path, _commit_of(found))
                yield Fetched(found, entries, subject_of(tree.subject))
        except MirrorBroken:
            await mirror.discard()  # so that the next try starts from nothing
            raise

    async def _latest(self, revision: Revision) -> tuple[Mirror, Revision]:
        full_name, shown = self._wanted.reference()
        target = self._shown.get(revision)
        if target is None:
            revision = await self.resolve()
            target = self._shown[revision]
        mirror = self._mirrors.snapshots(self._remote)
        commits = await mirror.fetch(self._remote, target.url, [full_name], wanted=target.commit)
        return mirror, revision_of(shown, commits.get(full_name, target.commit))

    async def _pinned(self, revision: Revision) -> tuple[Mirror, Revision]:
        """A commit counts only if the branch (or any branch or tag) that the server shows us leads to it."""
        commit = _checked_commit(self._wanted.commit or "")
        names = [check_reference(f"refs/heads/{self._wanted.branch}")] if self._wanted.branch else []
        listing = await list_references(self._http, self._remote, names or ["refs/heads/", "refs/tags/"])
        tips = [found.commit for name, found in listing.references.items() if not names or name in names]
        if not tips:
            raise await self._absent(names[0] if names else "refs/heads/")
        mirror = self._mirrors.history(self._remote)
        if not await self._leads_to(mirror, commit, tips):
            await mirror.fetch(self._remote, listing.url, names or ["refs/heads/*", "refs/tags/*"])
            if not await self._leads_to(mirror, commit, tips):
                raise CommitNotFound(f"commit {commit} is not in {self._wanted.branch or 'any branch or tag'}")
        return mirror, revision

    async def _leads_to(self, mirror: Mirror, commit: str, tips: list[str]) -> bool:
        if not mirror.has(commit):
            return False
        async with mirror.reading() as path:
            return await asyncio.to_thread(is_reachable, path, commit, tips)


def _commit_of(revision: Revision) -> str:
    return revision.file_name.removesuffix(".tar.gz")


def _checked_commit(commit: str) -> str:
    if len(commit) != 40 or not _HEX.issuperset(commit):
        raise InvalidReference(f"{commit[:80]!r} is not a full commit id (40 hexadecimal digits)")
    return commit


def _read(mirror: Path, commit: str) -> tuple[CommitTree, list[Entry]]:
    tree = CommitTree(mirror, commit)
    found: list[Entry] = []
    for entry in tree.entries():
        match entry:
            case TreeFile(path, executable, read):
                found.append(File(path, executable, read))
            case _:
                found.append(Directory(entry.path))
    return tree, found
