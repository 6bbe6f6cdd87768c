"""What a failed ``git fetch`` means, from its exit code and its own words; a server's words are left out."""

import re2

from afflux.net.http import origin
from afflux.remotes.git.command import Completed
from afflux.remotes.git.errors import (
    AuthenticationFailed,
    GitError,
    MirrorBroken,
    ReferenceNotFound,
    RemoteUnreachable,
    RepositoryNotFound,
    RepositoryTooLarge,
)

_SIGXFSZ = 25
_SILENT_DEATH = "fatal: fetch-pack: invalid index-pack output"
"""Alone, with no word of index-pack itself: the signal of the size limit ended it."""

_MEANINGS: tuple[tuple[str, type[GitError], str], ...] = (
    (
        r"died of signal 25|File too large|maximum allowed size",
        RepositoryTooLarge,
        "the repository is too large",
    ),
    (r"[Cc]ouldn't find remote ref", ReferenceNotFound, "the reference is not there any more"),
    (r"could not read Username|could not read Password", AuthenticationFailed, "authentication required"),
    (r"Authentication failed|returned error: 40[13]", AuthenticationFailed, "authentication failed"),
    (r"repository '[^']*' not found|returned error: 404", RepositoryNotFound, "repository not found"),
    (r"Could not resolve (host|proxy)", RemoteUnreachable, "no such host"),
    (r"SSL certificate problem|certificate verification failed", RemoteUnreachable, "TLS: certificate not trusted"),
    (r"SSL|TLS", RemoteUnreachable, "TLS handshake failed"),
    (r"Connection refused|Failed to connect|Couldn't connect", RemoteUnreachable, "connection refused"),
    (r"timed out|Operation too slow", RemoteUnreachable, "the connection timed out"),
    (r"returned error: \d+", RemoteUnreachable, "the server answered with an error"),
    (
        r"unable to access|RPC failed|early EOF|hung up|unexpected disconnect",
        RemoteUnreachable,
        "the transfer broke off",
    ),
    (r"remote error|expected 'packfile'|protocol error|not our ref", RemoteUnreachable, "the server refused the fetch"),
    (r"No space left on device", GitError, "the disk is full"),
)
"""Git's words (RE2, the first match wins), what they mean, and what we say."""

_COMPILED = tuple((re2.compile(pattern), error, message) for pattern, error, message in _MEANINGS)


def failure_of(completed: Completed, url: str, size_limit: int) -> GitError:
    """The error for a fetch that failed. What isn't known to come from the remote is taken for damage of the mirror."""
    own = "\n".join(line for line in completed.errors.splitlines() if not line.startswith("remote:"))
    if completed.code in {-_SIGXFSZ, 128 + _SIGXFSZ} or own == _SILENT_DEATH:
        return RepositoryTooLarge(f"the repository is larger than {size_limit} bytes")
    own = own.replace(url, "")  # a name in it could look like a failure
    for pattern, error, message in _COMPILED:
        if pattern.search(own):
            return error(f"{origin(url)}: {message}" if error is RemoteUnreachable else message)
    return MirrorBroken(f"git fetch failed with exit code {completed.code}")
