"""HTTP to one API server: TLS, credentials, impersonation, pooled connections, retries. Bytes in, bytes out."""

import asyncio
import os
import random
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, TypeAlias
from urllib.parse import quote, urlencode

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from afflux import __version__
from afflux.kube.config import ClusterConfig, Impersonation
from afflux.kube.credentials import NOTHING, ClientCertificate, Credential
from afflux.kube.errors import ApiError, ConfigError, KubeError, Unreachable, error_from_answer
from afflux.kube.fence import Fence, PermitOutdated
from afflux.kube.sockets import watchful_socket

REQUEST_TIMEOUT = 60.0
POOL = 64
"""Connections for ordinary requests; watches have their own, without a limit."""

LARGEST_ANSWER = 512 * 1024 * 1024
"""Bytes. The server may be somebody's remote cluster: what it sends must not take all memory."""

_APPLY = "application/apply-patch+yaml"
_VERBS = {"POST": "create", "PUT": "update"}
_THROTTLED_TRIES = 10
_BROKEN_TRIES = 4
_LONGEST_PAUSE = 30.0


class Request(NamedTuple):
    """One request. ``path`` starts with a slash and is percent-encoded; ``parameters`` are query parameters."""

    method: str
    path: str
    parameters: Mapping[str, str] = {}
    body: bytes | None = None
    content_type: str = "application/json"
    accept: str = "application/json"

    @property
    def verb(self) -> str:
        """What is asked of the server, as people say it: ``get``, ``list``, ``apply``, ``dry-run`` ..."""
        if "dryRun" in self.parameters:
            return "dry-run"
        if self.method == "GET" and ("watch" in self.parameters or "limit" in self.parameters):
            return "watch" if "watch" in self.parameters else "list"
        return "apply" if self.content_type == _APPLY else _VERBS.get(self.method, self.method.lower())

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does what sending it once does."""
        return not self.writes or (self.method == "PATCH" and self.content_type == _APPLY)

    @property
    def writes(self) -> bool:
        """Whether it may change something; dry runs count as well."""
        return self.method not in ("GET", "HEAD")


class _GuardedBody(aiohttp.BytesPayload):
    """The body of a writing request, which asks the fence as it is handed to the connection.

    The request's head waits for its body, so that nothing has left before; what passes goes to the kernel at once,
    unless more is under way on this connection than the kernel takes.
    """

    def __init__(self, value: bytes, fence: Fence) -> None:
        super().__init__(value)
        self._fence = fence
        self.permit = fence.permit()
        self.refusal: KubeError | None = None
        self.sent = False

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        try:
            self._fence.check(self.permit)
        except KubeError as error:
            self.refusal = error
            raise
        self.sent = True
        await super().write_with_length(writer, content_length)


@dataclass(slots=True)
class _Attempt:
    """One try to send a request. ``body`` is there once it was ready to leave, where a fence guards it."""

    request: Request
    body: _GuardedBody | None = None
    credential: Credential = NOTHING

    @property
    def refusal(self) -> KubeError | None:
        """Why the fence kept it."""
        return self.body.refusal if self.body is not None else None

    @property
    def sent(self) -> bool:
        """Whether it left, as far as the fence saw."""
        return self.body is not None and self.body.sent


Observer: TypeAlias = Callable[[Request, int], None]
"""Told of each request that was answered, and of the answer's status."""


@dataclass(slots=True)
class Transport:
    """The connections to one API server, shared by all who act there under whatever name. Used on one event loop.

    Where there is a fence, it is asked before anything is written, and the server is asked to be done in time.
    """

    config: ClusterConfig
    fence: Fence | None = None
    observer: Observer | None = None
    largest_answer: int = LARGEST_ANSWER
    _session: aiohttp.ClientSession | None = field(default=None, init=False)
    _contexts: dict[tuple[ClientCertificate | None, bytes | None], ssl.SSLContext | bool] = field(
        default_factory=dict, init=False
    )
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(POOL), init=False)

    async def send(self, request: Request, impersonation: Impersonation | None = None) -> bytes:
        """The body of a successful answer.

        Raises ``ApiError`` in the server's words. 429 (and a 5xx that says when to come back) is retried as the server
        asks; a broken connection only where nothing was sent or sending twice does no harm. ``LeaseLost``: the fence
        kept it.
        """
        throttled = broken = 0
        reauthenticated = False
        while True:
            attempt = _Attempt(request)
            try:
                body, answer = await self._attempt(attempt, impersonation)
            except PermitOutdated:
                continue
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                broken += 1
                harmless = _is_harmless(request, error)
                if not harmless or broken >= _BROKEN_TRIES:
                    raise self._unreachable(error) from error
                await asyncio.sleep(0.1 * 2**broken * random.uniform(0.75, 1.25))
                continue
            if answer.status < 300:
                return body
            pause = _pause(answer)
            if pause is not None and throttled < _THROTTLED_TRIES:
                throttled += 1
                await asyncio.sleep(pause)
                continue
            if answer.status == 401 and not reauthenticated:
                reauthenticated = True
                self.config.credentials.refused(attempt.credential)
                continue
            raise error_from_answer(answer.status, body)

    async def _attempt(
        self, attempt: _Attempt, impersonation: Impersonation | None
    ) -> tuple[bytes, aiohttp.ClientResponse]:
        """One try: the answer and its body. An answer that doesn't come after all left may still be on its way."""
        answered = False
        try:
            async with self._slots, self._answer(attempt, impersonation, REQUEST_TIMEOUT) as answer:
                body = await self._body(answer)
                answered = True
                return body, answer
        except (aiohttp.ClientError, TimeoutError, OSError):
            if attempt.refusal is not None:
                raise attempt.refusal from None
            raise
        finally:
            if self.fence is not None and attempt.sent and not answered:
                self.fence.unanswered = self.fence.clock()

    @asynccontextmanager
    async def stream(
        self, request: Request, impersonation: Impersonation | None = None, *, silence: float | None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """An answer's body in the pieces that arrive; broken off after ``silence`` seconds without any (None: never).

        Raises ``ApiError`` for an answer that isn't a success, ``Unreachable`` also while reading.
        """
        try:
            attempt = _Attempt(request)
            async with self._answer(attempt, impersonation, None, silence) as answer:
                if answer.status >= 300:
                    if answer.status == 401:
                        self.config.credentials.refused(attempt.credential)
                    raise error_from_answer(answer.status, await self._body(answer))
                yield answer.content.iter_any()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def _answer(
        self, attempt: _Attempt, impersonation: Impersonation | None, total: float | None, silence: float | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        request = attempt.request
        credential = attempt.credential = await self.config.credentials.current()
        if self.fence is not None and request.writes:
            attempt.body = _GuardedBody(request.body or b"", self.fence)
        headers = _headers(request, impersonation or self.config.impersonation)
        if credential.authorization:
            headers.append(("Authorization", credential.authorization))
        async with self._open_session().request(
            request.method,
            self._url(attempt),
            data=request.body if attempt.body is None else attempt.body,
            headers=headers,
            ssl=self._context(credential.client_certificate),
            server_hostname=self.config.tls_server_name,
            proxy=self.config.proxy_url,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=total, sock_connect=10.0, sock_read=silence),
        ) as answer:
            if self.observer is not None:
                self.observer(request, answer.status)
            yield answer

    def _url(self, attempt: _Attempt) -> URL:
        request, parameters = attempt.request, attempt.request.parameters
        if attempt.body is not None:
            parameters = {**parameters, "timeout": f"{attempt.body.permit:.3f}s"}
        query = f"?{urlencode(parameters)}" if parameters else ""
        return URL(f"{self.config.server}{request.path}{query}", encoded=True)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            factory = (
                watchful_socket if self.fence is None else partial(watchful_socket, patience=self.fence.on_the_way)
            )
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60.0, ttl_dns_cache=30, socket_factory=factory)
            self._session = aiohttp.ClientSession(connector=connector, read_bufsize=2**18, trust_env=False)
        return self._session

    def _context(self, certificate: ClientCertificate | None) -> ssl.SSLContext | bool:
        """TLS with the certificates of now. While what lies in the files can't be used (a certificate is there, its key
        isn't yet), with those that could."""
        made_of = (certificate, self.config.trusted)
        context = self._contexts.get(made_of)
        if context is None:
            try:
                context = tls_context(*made_of, self.config) if self.config.server.startswith("https") else True
            except ssl.SSLError as error:
                if not self._contexts:
                    raise ConfigError(
                        f"{self.config.server}: the CA or client certificate can't be used: {error}"
                    ) from error
                return next(iter(self._contexts.values()))
            self._contexts = {made_of: context}
        return context

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        """All of an answer, unless it is too much."""
        pieces, left = [], self.largest_answer - (answer.content_length or 0)
        if left >= 0:
            left = self.largest_answer
            async for piece in answer.content.iter_any():
                pieces.append(piece)
                left -= len(piece)
                if left < 0:
                    break
        if left < 0:
            answer.close()
            raise Unreachable(f"{self.config.server}: an answer of more than {self.largest_answer} bytes was not read")
        return b"".join(pieces)

    def _unreachable(self, error: Exception) -> ApiError:
        if isinstance(error, aiohttp.ClientSSLError):
            self._trust_anew()
        if isinstance(error, TimeoutError):
            return Unreachable(f"{self.config.server}: no answer in time")
        return Unreachable(f"{self.config.server}: {error}")

    def _trust_anew(self) -> None:
        """The authorities that the configuration names now: they may have been rotated since it was read."""
        if self.config.ca_file is not None:
            self.config.ca_file.look_again()
        if self.config.reread is None:
            return
        with suppress(ConfigError):
            anew = self.config.reread()
            if anew.trusted != self.config.trusted:
                self.config = replace(self.config, ca=anew.ca, ca_file=anew.ca_file)
                self._contexts = {}


def tls_context(certificate: ClientCertificate | None, ca: bytes | None, config: ClusterConfig) -> ssl.SSLContext:
    """TLS as a kubeconfig asks for: its CA alone where it names one, no verification only where it says so."""
    context = ssl.create_default_context(cadata=ca.decode(errors="replace") if ca else None)
    if config.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        # OpenSSL's loader reads files only: one that only we can read, gone before anybody uses the context.
        with tempfile.NamedTemporaryFile(prefix="afflux-") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(certificate.certificate + b"\n" + certificate.key)
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _is_harmless(request: Request, error: Exception) -> bool:
    """Whether a request that broke may be sent again: it never arrived, or does the same twice."""
    if isinstance(error, aiohttp.ClientSSLError):
        return False
    return request.repeatable or isinstance(error, aiohttp.ClientConnectorError)


def _headers(request: Request, impersonation: Impersonation) -> list[tuple[str, str]]:
    headers = [("User-Agent", f"afflux/{__version__}"), ("Accept", request.accept)]
    if request.body is not None:
        headers.append(("Content-Type", request.content_type))
    if impersonation.user:
        headers.append(("Impersonate-User", impersonation.user))
        headers += [("Impersonate-Group", group) for group in impersonation.groups]
        headers += [("Impersonate-Uid", impersonation.uid)] if impersonation.uid else []
        for key, values in impersonation.extra.items():
            headers += [(f"Impersonate-Extra-{quote(key, safe='')}", value) for value in values]
    return headers


def _pause(answer: aiohttp.ClientResponse) -> float | None:
    """Seconds after which the server asks us to come back, or None where it doesn't."""
    after = answer.headers.get("Retry-After", "")
    if answer.status != 429 and not (answer.status >= 500 and after):
        return None
    return min(float(after), _LONGEST_PAUSE) if after.isdigit() else 1.0
