"""A URL as the source of `afflux up`: credentials out of it, and a first look at its folders."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from afflux.artifacts.archive import Directory
from afflux.net.http import HttpSession
from afflux.remotes.git.errors import GitError
from afflux.remotes.git.mirror import Mirrors
from afflux.remotes.git.remote import parse_remote
from afflux.sources.git import GitFetcher, Wanted


class RemoteSourceError(Exception):
    """The URL can't be followed; the message says why, without credentials."""


@dataclass(frozen=True, repr=False)
class RemoteSource:
    """A URL without user info, and the user info (None where there is none)."""

    url: str
    username: str | None
    password: str | None


def split_credentials(url: str) -> RemoteSource:
    """Takes user name and password out of a URL, so that they go into a Secret and nowhere else."""
    parts = urlsplit(url)
    if parts.username is None:
        return RemoteSource(url, None, None)
    host = parts.netloc.rpartition("@")[2]
    clean = urlunsplit((parts.scheme, host, parts.path, parts.query, parts.fragment))
    return RemoteSource(clean, unquote(parts.username), unquote(parts.password or ""))


async def folders_below(url: str, branch: str, parent: str, http: HttpSession, mirrors: Mirrors) -> list[str]:
    """Names of the folders directly below ``parent`` at the tip of ``branch``; fetches it into ``mirrors``, so that the
    controllers find it there. ``url`` may carry user info. Raises ``RemoteSourceError``."""
    try:
        fetcher = GitFetcher(parse_remote(url), Wanted(branch=branch), http, mirrors)
        async with fetcher.fetch(await fetcher.resolve()) as fetched:
            folders = [Path(entry.path) for entry in fetched.entries if isinstance(entry, Directory)]
    except GitError as error:
        raise RemoteSourceError(f"can't follow {split_credentials(url).url} ({branch}): {error}") from error
    return [path.name for path in folders if str(path.parent) == parent]
