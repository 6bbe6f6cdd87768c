"""One HTTP session for everything Afflux fetches: bounded in time, size and redirects, with clear errors."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urljoin, urlsplit

import aiohttp

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK = 1 << 16


class HttpError(Exception):
    """A request that got no usable answer. Messages name host and cause, never a body, a header or user info."""


class Unreachable(HttpError):
    """The host could not be resolved or connected to, or it hung up."""


class TlsFailed(HttpError):
    """The TLS handshake failed: most often a certificate that nobody we trust has signed."""


class TimedOut(HttpError):
    """The answer took longer than the request's time limit."""


class TooLarge(HttpError):
    """The body is larger than the request's limit; what was read so far must not be used."""


class RedirectRefused(HttpError):
    """A redirect that is not followed: too many, another scheme, or from HTTPS to plain HTTP."""


@dataclass(frozen=True)
class RequestLimits:
    """What one request may cost: seconds to connect and in total, bytes of (decompressed) body, redirects."""

    connect_seconds: float = 10.0
    total_seconds: float = 60.0
    body_bytes: int = 64 << 20
    redirects: int = 5


@dataclass(frozen=True)
class Request:
    """One request. ``trust`` replaces the system's certificate authorities; ``headers`` may hold credentials."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    trust: ssl.SSLContext | None = field(default=None, repr=False)
    limits: RequestLimits = RequestLimits()


@dataclass(frozen=True)
class Response:
    """A whole answer: status, headers, body, and the URL that answered after redirects."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    url: str = ""


class Stream:
    """An answer whose body is still to be read."""

    def __init__(self, response: aiohttp.ClientResponse, request: Request, url: str) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.url = url
        self._response, self._request = response, request

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body in pieces. Raises ``TooLarge`` past the limit: a short read is never mistaken for the whole."""
        left = self._request.limits.body_bytes
        async for chunk in self._response.content.iter_chunked(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise TooLarge(f"{origin(self.url)} answered with more than {self._request.limits.body_bytes} bytes")
            yield chunk


class HttpSession:
    """One pool of connections. No proxy, cookie or credential comes from the environment or the user's home."""

    def __init__(self, user_agent: str = "afflux") -> None:
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "HttpSession":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; the session can be used again."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def request(self, request: Request) -> Response:
        """The whole answer, whatever its status. Raises ``HttpError``."""
        async with self.stream(request) as stream:
            body = b"".join([chunk async for chunk in stream.chunks()])
            return Response(stream.status, stream.headers, body, stream.url)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Stream]:
        """The answer with its body unread. Errors while the body is read are mapped as well."""
        try:
            async with asyncio.timeout(request.limits.total_seconds):
                response, url = await self._follow(request)
                try:
                    yield Stream(response, request, url)
                finally:
                    response.close()
        except aiohttp.ClientError as error:  # before TimeoutError: the library's time-outs are both
            raise _mapped(error, request.url) from None
        except TimeoutError:
            limit = f"{request.limits.total_seconds:g}s"
            raise TimedOut(f"{origin(request.url)} did not answer within {limit}") from None

    async def _follow(self, request: Request) -> tuple[aiohttp.ClientResponse, str]:
        """The last answer of a chain of redirects, with its URL. Another origin never sees our credentials."""
        url, headers, method, body = request.url, dict(request.headers), request.method, request.body
        for _ in range(request.limits.redirects + 1):
            response = await self._send(request, method, url, headers, body)
            target = response.headers.get("Location")
            if response.status not in _REDIRECTS or not target:
                return response, url
            response.close()
            status, previous, url = response.status, url, _redirected(url, target)
            if origin(url) != origin(previous):
                headers = {name: value for name, value in headers.items() if name.lower() not in _CREDENTIALS}
            if status == 303 and method != "HEAD":
                method, body = "GET", None
        raise RedirectRefused(f"{origin(request.url)} redirects more than {request.limits.redirects} times")

    async def _send(
        self, request: Request, method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers={"User-Agent": self._user_agent},
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=200, limit_per_host=32),
            )
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=request.limits.connect_seconds)
        trust: ssl.SSLContext | bool = True if request.trust is None else request.trust
        return await self._session.request(
            method, url, headers=headers, data=body, ssl=trust, timeout=timeout, allow_redirects=False
        )


_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})


def origin(url: str) -> str:
    """``scheme://host[:port]`` of a URL: what may be shown, and what credentials are bound to."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = _port(parts.port, parts.scheme)
    return f"{parts.scheme}://{host}{port}"


def _port(port: int | None, scheme: str) -> str:
    return "" if port is None or (scheme, port) in {("http", 80), ("https", 443)} else f":{port}"


def _redirected(url: str, target: str) -> str:
    """Where a redirect leads. Raises ``RedirectRefused`` for a scheme that is not HTTP(S) or gives up TLS."""
    absolute = urljoin(url, target)
    scheme = urlsplit(absolute).scheme
    if scheme not in {"http", "https"}:
        raise RedirectRefused(f"{origin(url)} redirects to a URL that is not HTTP(S)")
    if scheme == "http" and urlsplit(url).scheme == "https":
        raise RedirectRefused(f"{origin(url)} redirects from HTTPS to plain HTTP")
    return absolute


def _mapped(error: aiohttp.ClientError, url: str) -> HttpError:
    """One of our errors for one of the library's, whose own texts may repeat URLs with user info."""
    host = origin(url)
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return TlsFailed(f"{host}: {_certificate_problem(error.certificate_error)}")
        case aiohttp.ClientSSLError():
            return TlsFailed(f"{host}: TLS handshake failed")
        case aiohttp.ClientConnectorDNSError():
            return Unreachable(f"{host}: no such host")
        case aiohttp.ClientConnectorError():
            return Unreachable(f"{host}: {_connect_problem(error.os_error)}")
        case aiohttp.InvalidURL():
            return HttpError("the URL is not valid")
        case aiohttp.ServerTimeoutError():
            return TimedOut(f"{host}: connecting timed out")
        case _:
            return Unreachable(f"{host}: the connection was closed before the answer was complete")


def _connect_problem(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else "cannot connect"


def _certificate_problem(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"x509: certificate verification failed: {error.verify_message}"
    return "x509: certificate verification failed"
