"""What references are worth on the server now: Git protocol v2 ``ls-refs``, or the list that an older server gives."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from afflux.net.http import HttpError, HttpSession, Request, RequestLimits, Response, TimedOut, TlsFailed, origin
from afflux.remotes.git.errors import (
    AuthenticationFailed,
    GitError,
    GitTimedOut,
    RemoteUnreachable,
    RepositoryNotFound,
)
from afflux.remotes.git.packet_lines import DELIMITER, FLUSH, MalformedPackets, packet, packets, text_lines
from afflux.remotes.git.remote import Remote

_SERVICE = "git-upload-pack"
_QUERY = f"/info/refs?service={_SERVICE}"
_ADVERTISEMENT = f"application/x-{_SERVICE}-advertisement"
_LIST_LIMIT = 64 << 20
_HEX = frozenset("0123456789abcdef")


class Reference(NamedTuple):
    """A reference and the commit it means: for an annotated tag the commit behind it."""

    name: str
    commit: str


@dataclass(frozen=True)
class Listing:
    """References by name, and the URL that answered (after redirects within the server)."""

    references: Mapping[str, Reference]
    url: str


async def list_references(http: HttpSession, remote: Remote, prefixes: Sequence[str]) -> Listing:
    """References whose names begin with one of ``prefixes`` (at least these; all where there is no prefix).

    Raises ``AuthenticationFailed``, ``RepositoryNotFound``, ``RemoteUnreachable`` or ``GitTimedOut``.
    """
    try:
        advertisement = await _send(http, remote, "GET", remote.url + _QUERY, None)
        _check_advertisement(remote, advertisement)
        url = advertisement.url.removesuffix(_QUERY)
        lines = list(text_lines(packets(advertisement.body)))
        if "version 2" not in lines[:3]:
            return Listing(_version_0(lines), url)
        answer = await _send(http, remote, "POST", f"{url}/{_SERVICE}", _ls_refs(prefixes))
        return Listing(_version_2(text_lines(packets(answer.body))), url)
    except MalformedPackets:
        raise RemoteUnreachable(f"{origin(remote.url)} does not answer as a Git server") from None


async def _send(http: HttpSession, remote: Remote, method: str, url: str, body: bytes | None) -> Response:
    headers = {"Git-Protocol": "version=2"}
    if remote.credentials is not None:
        headers["Authorization"] = remote.credentials.authorization
    if body is not None:
        headers |= {"Content-Type": f"application/x-{_SERVICE}-request", "Accept": f"application/x-{_SERVICE}-result"}
    limits = RequestLimits(
        connect_seconds=min(30.0, remote.timeout), total_seconds=remote.timeout, body_bytes=_LIST_LIMIT
    )
    trust = remote.trust.context if remote.trust else None
    try:
        response = await http.request(Request(method, url, headers, body, trust, limits))
    except TimedOut as error:
        raise GitTimedOut(str(error)) from None
    except TlsFailed as error:
        raise RemoteUnreachable(f"TLS: {error}") from None
    except HttpError as error:
        raise RemoteUnreachable(str(error)) from None
    if remote.credentials is not None and origin(response.url) != origin(remote.url):
        raise RemoteUnreachable(
            f"{origin(remote.url)} redirects to {origin(response.url)}, where the credentials are not sent; "
            "name that host in the URL"
        )
    if response.status != 200:
        raise status_error(response.status, with_credentials=remote.credentials is not None)
    return response


def status_error(status: int, *, with_credentials: bool) -> GitError:
    """What an HTTP status means; the body is never shown."""
    match status:
        case 401 if with_credentials:
            return AuthenticationFailed("authentication failed: the server refuses the credentials (HTTP 401)")
        case 401:
            return AuthenticationFailed("authentication required (HTTP 401)")
        case 403:
            return AuthenticationFailed("authorization failed: access is forbidden (HTTP 403)")
        case 404:
            return RepositoryNotFound("repository not found (HTTP 404)")
        case _:
            return RemoteUnreachable(f"the server answered with HTTP {status}")


def _check_advertisement(remote: Remote, response: Response) -> None:
    kind = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind != _ADVERTISEMENT:
        raise RemoteUnreachable(f"{origin(remote.url)} does not answer as a smart Git server")
    if not response.body:
        raise MalformedPackets("empty advertisement")
    if b"object-format=sha256" in response.body[:4096]:
        raise RemoteUnreachable("the repository uses SHA-256 object names, which are not supported")


def _ls_refs(prefixes: Sequence[str]) -> bytes:
    wanted = b"".join(packet(b"ref-prefix " + prefix.encode() + b"\n") for prefix in prefixes)
    arguments = packet(b"peel\n") + packet(b"symrefs\n") + wanted
    return packet(b"command=ls-refs\n") + packet(b"agent=afflux\n") + DELIMITER + arguments + FLUSH


def _version_2(lines: Iterable[str | None]) -> dict[str, Reference]:
    found: dict[str, Reference] = {}
    for line in lines:
        words = line.split(" ") if line else []
        if len(words) < 2 or words[0] == "unborn":
            continue
        peeled = next((word.removeprefix("peeled:") for word in words[2:] if word.startswith("peeled:")), words[0])
        found[words[1]] = Reference(words[1], _object_id(peeled))
    return found


def _version_0(lines: Iterable[str | None]) -> dict[str, Reference]:
    """Each line is ``<id> <name>``; ``<id> <name>^{}`` follows an annotated tag and names its commit."""
    found: dict[str, Reference] = {}
    for line in lines:
        commit, space, name = (line or "").partition("\0")[0].partition(" ")
        if not space or commit in {"#", "version", "shallow"} or name == "capabilities^{}":
            continue
        name = name.removesuffix("^{}")
        found[name] = Reference(name, _object_id(commit))
    return found


def _object_id(text: str) -> str:
    if len(text) != 40 or not _HEX.issuperset(text):
        raise MalformedPackets("not an object id")
    return text
