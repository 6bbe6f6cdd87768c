"""A repository on a server: where it is, who we are to it, and names in it."""

import hashlib
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

from afflux.remotes.credentials import BasicAuth, Credentials, Trust
from afflux.remotes.git.errors import InvalidReference, InvalidUrl


@dataclass(frozen=True)
class Remote:
    """A repository at an HTTP(S) URL without user info. ``timeout`` is in seconds and for one operation.

    Objects that name the same URL share a mirror whoever they are: each reads only commits that the server has shown to
    its own credentials. Another set of trusted authorities is another mirror, since it may be another server.
    """

    url: str
    credentials: Credentials | None = field(default=None, repr=False)
    trust: Trust | None = field(default=None, repr=False)
    timeout: float = 60.0

    @property
    def key(self) -> str:
        """Name of the mirror: a digest of what decides which server answers."""
        trust = self.trust.digest if self.trust else ""
        return hashlib.sha256(f"{self.url}\n{trust}".encode()).hexdigest()[:40]


def parse_remote(
    url: str, credentials: Credentials | None = None, trust: Trust | None = None, timeout: float = 60.0
) -> Remote:
    """A remote for ``url``, whose user info is used where no ``credentials`` are given. Raises ``InvalidUrl``."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidUrl("the URL can't be parsed") from None
    if parts.scheme not in {"http", "https"}:
        raise InvalidUrl(f"the scheme {parts.scheme!r} is not supported, use http or https")
    if not host or any(ord(char) <= 0x20 or ord(char) == 0x7F or char == "\\" for char in url):
        raise InvalidUrl("the URL names no host or holds a blank, a backslash or a control character")
    if parts.query or parts.fragment:
        raise InvalidUrl("the URL of a repository has neither a query nor a fragment")
    name = f"[{host}]" if ":" in host else host
    location = name if port is None else f"{name}:{port}"
    if credentials is None and parts.username is not None:
        credentials = BasicAuth(unquote(parts.username), unquote(parts.password or ""))
    clean = urlunsplit((parts.scheme, location, parts.path.rstrip("/"), "", ""))
    return Remote(clean, credentials, trust, timeout)


_FORBIDDEN = frozenset(" ~^:?*[\\\x7f") | {chr(code) for code in range(0x20)}


def check_reference(name: str) -> str:
    """A full reference name, as it came. Raises ``InvalidReference`` where git-check-ref-format would refuse it."""
    parts = name.split("/")
    wrong = (
        not (name == "HEAD" or (name.startswith("refs/") and len(parts) > 2))
        or any(not part or part.startswith(".") or part.endswith(".lock") for part in parts)
        or ".." in name
        or "@{" in name
        or name.endswith(".")
        or any(char in _FORBIDDEN for char in name)
        or len(name) > 1024
    )
    if wrong:
        raise InvalidReference(f"{name[:200]!r} is not a valid reference name")
    return name
