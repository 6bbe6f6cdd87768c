"""The Git server of `afflux up`: one bare repository over smart HTTP, with the real ``git`` behind it.

It listens on the loopback interface, asks for a token (the password of any user name), checks ``Host`` against DNS
rebinding, bounds bodies, time and processes, and runs no hook. A push is told to the callback once its references are
in place, and answered after that.
"""

import asyncio
import base64
import binascii
import hmac
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

import pygit2
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from afflux.net.host_check import host_check, loopback_names
from afflux.remotes.git.command import clean_environment, kill_group
from afflux.remotes.git.packet_lines import FLUSH, MalformedPackets, packet, packets

PushCallback: TypeAlias = Callable[[list[str]], Awaitable[None]]
Authorize: TypeAlias = Callable[[str], bool]
"""Whether the value of the header ``Authorization`` (empty where there is none) lets one in."""

_SERVICES = ("git-upload-pack", "git-receive-pack")
_CHUNK = 1 << 16
_OPTIONS = (
    *("-c", "core.hooksPath=/dev/null", "-c", "safe.directory=*", "-c", "gc.auto=0"),
    *("-c", "receive.denyDeletes=false", "-c", "receive.denyNonFastForwards=false", "-c", "receive.autogc=false"),
    *("-c", "receive.denyDeleteCurrent=ignore", "-c", "uploadpack.allowAnySHA1InWant=true"),
)
_NO_CACHE = {"Cache-Control": "no-cache, max-age=0, must-revalidate"}

_log = structlog.get_logger("git-server")


@dataclass(frozen=True)
class ServerLimits:
    """Bytes of a push, processes at a time, seconds of one request."""

    push_bytes: int = 1 << 30
    processes: int = 8
    seconds: float = 600.0


class SmartHttp:
    """The requests of one repository, as an application for any listener."""

    def __init__(
        self,
        repository: Path,
        authorize: Authorize,
        on_push: PushCallback | None = None,
        limits: ServerLimits = ServerLimits(),
    ) -> None:
        self._repository, self._authorize, self._on_push, self._limits = repository, authorize, on_push, limits
        self._slots = asyncio.Semaphore(limits.processes)

    def application(self, *before: Middleware) -> web.Application:
        """Serves ``/<repository's name>/...``; requests pass through the middlewares ``before`` anything else."""
        application = web.Application(middlewares=[*before, self._authentication])
        base = f"/{self._repository.name}"
        application.router.add_get(f"{base}/info/refs", self._advertise)
        application.router.add_post(f"{base}/git-upload-pack", self._upload_pack)
        application.router.add_post(f"{base}/git-receive-pack", self._receive_pack)
        return application

    @web.middleware
    async def _authentication(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._authorize(request.headers.get("Authorization", "")):
            challenge = {"WWW-Authenticate": 'Basic realm="afflux", charset="UTF-8"'}
            return web.Response(status=401, text="a token is needed\n", headers=challenge)
        try:
            return await handler(request)
        except ConnectionResetError:
            return web.Response(status=400)  # the client has gone; nobody reads this

    async def _advertise(self, request: web.Request) -> web.Response:
        service = request.query.get("service", "")
        if service not in _SERVICES:
            return web.Response(status=403, text="only the smart protocol is served\n")
        async with self._process(request, service, "--advertise-refs") as process:
            output, _ = await process.communicate()
        if service != "git-upload-pack" or "version=2" not in request.headers.get("Git-Protocol", ""):
            output = packet(f"# service={service}\n".encode()) + FLUSH + output
        return web.Response(body=output, content_type=f"application/x-{service}-advertisement", headers=_NO_CACHE)

    async def _upload_pack(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={**_NO_CACHE, "Content-Type": "application/x-git-upload-pack-result"})
        async with self._process(request, "git-upload-pack") as process, self._fed(request, process):
            assert process.stdout is not None
            await response.prepare(request)
            while chunk := await process.stdout.read(_CHUNK):
                await response.write(chunk)
        await response.write_eof()
        return response

    async def _receive_pack(self, request: web.Request) -> web.StreamResponse:
        commands = _Commands()
        async with self._process(request, "git-receive-pack") as process:
            async with self._fed(request, process, commands):
                assert process.stdout is not None
                output = await process.stdout.read()
            await process.wait()
        await self._tell(commands)
        return web.Response(body=output, content_type="application/x-git-receive-pack-result", headers=_NO_CACHE)

    async def _tell(self, commands: "_Commands") -> None:
        """Tells the references that the push has really moved. What the listener does wrong is no fault of the push."""
        moved = await asyncio.to_thread(commands.moved, self._repository)
        if not moved or self._on_push is None:
            return
        try:
            await self._on_push(moved)
        except Exception:
            _log.exception("the listener for pushes failed", references=moved)

    @asynccontextmanager
    async def _fed(
        self, request: web.Request, process: asyncio.subprocess.Process, commands: "_Commands | None" = None
    ) -> AsyncIterator[None]:
        """The process gets the request's body while the block reads its output."""
        feeding = asyncio.create_task(self._feed(request, process, commands))
        try:
            yield
            await feeding
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)

    async def _feed(
        self, request: web.Request, process: asyncio.subprocess.Process, commands: "_Commands | None" = None
    ) -> None:
        """The request's body (which the HTTP library has un-gzipped already) as the process's input, bounded."""
        assert process.stdin is not None
        left = self._limits.push_bytes
        try:
            async for chunk in request.content.iter_chunked(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise web.HTTPRequestEntityTooLarge(self._limits.push_bytes, self._limits.push_bytes - left)
                if commands is not None:
                    commands.see(chunk)
                if not await _written(process.stdin, chunk):
                    return
        except BaseException:
            await kill_group(process)  # a body that broke off must not look like one that ended
            raise
        finally:
            process.stdin.close()

    @asynccontextmanager
    async def _process(
        self, request: web.Request, service: str, *more: str
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """A git process for the block, within the limits of number and time; nothing of it outlives the block."""
        protocol = request.headers.get("Git-Protocol", "")
        environment = clean_environment()
        if protocol in {"version=1", "version=2"}:
            environment["GIT_PROTOCOL"] = protocol
        command = ["git", *_OPTIONS, service.removeprefix("git-"), "--stateless-rpc", *more, str(self._repository)]
        async with self._slots:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL if more else asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
            try:
                async with asyncio.timeout(self._limits.seconds):
                    yield process
            except TimeoutError:
                raise web.HTTPRequestTimeout from None
            finally:
                await kill_group(process)


async def _written(stream: asyncio.StreamWriter, chunk: bytes) -> bool:
    """Whether git took the bytes; where it has ended, its answer says why."""
    try:
        stream.write(chunk)
        await stream.drain()
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


class _Commands:
    """The references a push wants to move, read from the start of its body as it passes by."""

    _LIMIT = 1 << 20

    def __init__(self) -> None:
        self._start = bytearray()

    def see(self, chunk: bytes) -> None:
        """Some more of the body."""
        self._start += chunk[: self._LIMIT - len(self._start)]

    def moved(self, repository: Path) -> list[str]:
        """Names of the references that are now what the push wanted."""
        found = pygit2.Repository(str(repository), pygit2.enums.RepositoryOpenFlag.BARE)
        return [name for name, target in self._wanted().items() if _target(found, name) == target]

    def _wanted(self) -> dict[str, str | None]:
        wanted: dict[str, str | None] = {}
        try:
            for line in packets(bytes(self._start)):
                words = (line or b"").split(b"\0")[0].decode("utf-8", "replace").split()
                if len(words) != 3:
                    break
                wanted[words[2]] = None if set(words[1]) == {"0"} else words[1]
        except MalformedPackets:
            pass  # the pack begins
        return wanted


def _target(repository: pygit2.Repository, name: str) -> str | None:
    try:
        return str(repository.lookup_reference(name).target)
    except (KeyError, ValueError, pygit2.GitError):
        return None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def token_authorization(token: str) -> Authorize:
    """Lets in who has the token as the password of HTTP basic authentication. An empty token is refused."""
    if not token:
        raise ValueError("the token of the Git server is empty")

    def authorize(header: str) -> bool:
        scheme, _, encoded = header.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            _, _, password = base64.b64decode(encoded, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(password, token.encode())

    return authorize


class GitServer:
    """Serves one bare repository on the loopback interface. ``port`` 0 takes a free one; ``port`` tells which."""

    def __init__(
        self,
        repository: Path,
        token: str,
        host: str = "127.0.0.1",
        port: int = 0,
        on_push: PushCallback | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._smart_http = SmartHttp(repository, token_authorization(token), on_push)
        self._name, self._token = repository.name, token
        self._host, self.port, self._tls = host, port, tls
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listens; returns the URL to clone, with user ``git`` and the token. Raises ``OSError`` for a port in use."""
        listener = socket.create_server((self._host, self.port), family=_family(self._host))
        self.port = listener.getsockname()[1]
        checked = host_check(loopback_names(self._host, self.port))
        runner = web.AppRunner(self._smart_http.application(checked), access_log=None, shutdown_timeout=2.0)
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=self._tls).start()
        self._runner = runner
        return self.clone_url

    @property
    def clone_url(self) -> str:
        """The URL to clone and to push to, with the token in it."""
        return self.url.replace("://", f"://git:{quote(self._token, safe='')}@", 1)

    @property
    def url(self) -> str:
        """The same without the token."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}/{self._name}"

    async def stop(self) -> None:
        """Stops listening; requests under way get two seconds, then their processes are ended."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
