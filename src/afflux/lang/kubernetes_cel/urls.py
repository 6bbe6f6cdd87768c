"""URLs as Go's ``url.ParseRequestURI`` reads them: absolute ones, or absolute paths."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import parse_qs, quote, unquote

from afflux.lang.kubernetes_cel.opaque import Method, Opaque, content_of, opaque
from afflux.objects.manifest import Json

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:\"<>%\u0080-\U0010ffff]*")
_USER = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_PATH_KEPT = "/!$&'()*+,;=:@-._~%[]"


def parse(text: str) -> Opaque:
    """The URL that a text says. ``ValueError``."""
    if not text or _CONTROL.search(text):
        raise _refusal(f"{text[:100]!r} is empty or has control characters")
    scheme, rest = _scheme(text)
    rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        if not scheme:
            raise _refusal(f"{text[:100]!r} is neither absolute nor an absolute path")
        return _made(scheme, "", "", query)
    authority = ""
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
    if _BAD_ESCAPE.search(rest) or _BAD_ESCAPE.search(authority):
        raise _refusal(f"{text[:100]!r} has an invalid escape")
    return _made(scheme, _host(authority), rest, query)


def _refusal(why: str) -> ValueError:
    return ValueError(f"URL parse error during conversion from string: {why}")


def _made(scheme: str, host: str, path: str, query: str) -> Opaque:
    return opaque("url", {"scheme": scheme, "host": host, "path": path, "query": query})


def _scheme(text: str) -> tuple[str, str]:
    found = _SCHEME.match(text)
    if found is not None:
        return found[1].lower(), text[found.end() :]
    if ":" in text.partition("/")[0]:
        raise _refusal("first path segment in URL cannot contain colon")
    return "", text


def _host(authority: str) -> str:
    user, at, host = authority.rpartition("@")
    if at and not _USER.fullmatch(user):
        raise _refusal("invalid userinfo")
    if host.startswith("["):
        address, closed, port = host[1:].partition("]")
        if not closed:
            raise _refusal("missing ']' in host")
        ipaddress.IPv6Address(address.partition("%25")[0])
    else:
        name, colon, digits = host.rpartition(":")
        port = colon + digits if colon else ""
        if not _HOST.fullmatch(host) or ":" in name:
            raise _refusal("invalid host")
    if port and not re.fullmatch(r":[0-9]*", port):
        raise _refusal(f"invalid port {port!r} after host")
    return host


def _part(value: Json, name: str) -> str:
    return str(content_of(value, "url")[name])


def _name(value: Json) -> str:
    host = _part(value, "host")
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return unquote(host.partition(":")[0])


def _port(value: Json) -> str:
    return _part(value, "host").rpartition("]")[2].partition(":")[2]


METHODS: dict[str, Method] = {
    "getScheme": lambda value: _part(value, "scheme"),
    "getHost": lambda value: _part(value, "host"),
    "getHostname": _name,
    "getPort": _port,
    "getEscapedPath": lambda value: quote(_part(value, "path"), safe=_PATH_KEPT),
    "getQuery": lambda value: parse_qs(_part(value, "query"), keep_blank_values=True),
}
