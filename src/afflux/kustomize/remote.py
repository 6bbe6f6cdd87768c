"""Which paths of a kustomization mean something that isn't in the file system: URLs of files and repositories."""

import posixpath
import re
from typing import Final

SCHEMES: Final = ("ssh://", "https://", "http://", "file://")
ORG_AND_REPOSITORY: Final = 2
"""Path segments that name a repository where nothing in the URL marks its end."""
USER: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9-]*)@")


def is_remote_file(path: str) -> bool:
    """Whether the path is an http or https URL."""
    return path.startswith(("http:", "https:"))


def is_repository(path: str) -> bool:
    """Whether kustomize would take the path for a repository to clone (the rules of its URL reader)."""
    if path.startswith("/"):
        return False
    rest = path.partition("?")[0]
    if rest.lower().startswith("git::"):
        rest = rest[len("git::") :]
    scheme = next((scheme for scheme in SCHEMES if rest.lower().startswith(scheme)), "")
    rest = rest[len(scheme) :]
    user = USER.match(rest)
    rest = rest[user.end() :] if user else rest
    is_github = rest.lower().startswith(("github.com/", "github.com:"))
    if not scheme and not user and not is_github:
        return False
    if scheme == "file://":
        return bool(rest)
    host, below = _host(rest, not scheme)
    return bool(host) and _is_repository_path(below)


def _host(rest: str, scp_style: bool) -> tuple[str, str]:
    slash, colon = rest.find("/"), rest.find(":")
    end = slash
    if scp_style and (slash == -1 or 0 < colon < slash):
        end = colon
    return (rest[: end + 1], rest[end + 1 :]) if end >= 0 else (rest, "")


def _is_repository_path(path: str) -> bool:
    for marker, keeps in (("_git/", True), ("//", False), (".git", True)):
        at = path.find(marker)
        if at >= 0:
            repository = path[: at + len(marker)] if keeps else path[:at]
            return bool(repository) and not _leaves(path[at + len(marker) :])
    segments = path.split("/")
    if len(segments) < ORG_AND_REPOSITORY:
        return False
    return bool(segments[0]) and not _leaves("/".join(segments[ORG_AND_REPOSITORY:]))


def _leaves(path: str) -> bool:
    return posixpath.normpath(path.removeprefix("/") or ".").split("/")[0] == ".."
