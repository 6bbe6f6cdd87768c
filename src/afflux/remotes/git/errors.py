"""What can go wrong with a Git remote.

::

    GitError
    |- InvalidUrl             the URL can't be used
    |- InvalidReference       the name of a reference can't be used
    |- AuthenticationFailed   the server refuses us
    |- RepositoryNotFound     the server says that there is no such repository (or that it won't tell)
    |- ReferenceNotFound      the repository has no such branch, tag or name
    |- CommitNotFound         the commit isn't in the repository or not in the branch
    |- EmptyRepository        the repository has no commit at all
    |- RemoteUnreachable      name, connection, TLS, or an answer that isn't Git's
    |- GitTimedOut            a time limit passed
    |- RepositoryTooLarge     a size limit passed
    |- UnusableTree           a commit holds a name that can't be a file
    `- MirrorBroken           our own copy is damaged (it is made anew once before this is raised)

Messages never repeat what a server said, and never hold user info of a URL.
"""


class GitError(Exception):
    """Root of this package's errors."""


class InvalidUrl(GitError):
    """The URL can't be used; the message says why."""


class InvalidReference(GitError):
    """The name of a reference breaks Git's rules."""


class AuthenticationFailed(GitError):
    """The server refuses us: credentials are missing or wrong."""


class RepositoryNotFound(GitError):
    """The server says that there is no such repository."""


class ReferenceNotFound(GitError):
    """The repository has no such reference."""


class CommitNotFound(GitError):
    """The commit isn't reachable from what it should be reachable from."""


class EmptyRepository(GitError):
    """The repository has no commit."""


class RemoteUnreachable(GitError):
    """No usable answer came: name, connection, TLS or protocol."""


class GitTimedOut(GitError):
    """A time limit passed."""


class RepositoryTooLarge(GitError):
    """A size limit passed; nothing of it is used."""


class UnusableTree(GitError):
    """A commit holds a name that can't be a file."""


class MirrorBroken(GitError):
    """Our own copy of a repository is damaged."""
