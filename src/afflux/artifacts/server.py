"""The artifact server: static files for whoever reads artifacts over HTTP, as Flux's other controllers do."""

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from afflux.artifacts.store import ArtifactStore
from afflux.net.host_check import host_check, loopback_names


class ArtifactServer:
    """Serves the files of a store: GET and HEAD, ranges, no listing, nothing that isn't an artifact.

    ``hosts`` are further names (with port where it isn't the scheme's) that it answers to. ``GET /`` says that it is
    ready. ``withheld`` (to be set) says why a path (empty: anything at all) isn't served now, or None; what is withheld
    is answered with 503, which clients try again.
    """

    def __init__(
        self,
        store: ArtifactStore,
        host: str = "127.0.0.1",
        port: int = 0,
        hosts: frozenset[str] = frozenset(),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._root = store.root
        self._host, self.port, self._hosts, self._tls = host, port, hosts, tls
        self.withheld: Callable[[str], str | None] = lambda _: None
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listens; ``port`` tells where. Raises ``OSError`` for a port in use."""
        listener = socket.create_server((self._host, self.port), family=_family(self._host))
        self.port = listener.getsockname()[1]
        allowed = loopback_names(self._host, self.port) | {host.lower() for host in self._hosts}
        application = web.Application(middlewares=[host_check(allowed)])
        application.router.add_get("/", self._ready)
        application.router.add_get("/{kind}/{namespace}/{name}/{file}", self._file)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=5.0)
        await self._runner.setup()
        await web.SockSite(self._runner, listener, ssl_context=self._tls).start()

    async def stop(self) -> None:
        """Stops listening; downloads under way get five seconds."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _ready(self, request: web.Request) -> web.Response:
        self._check("")
        return web.Response(text="ok\n")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        parts = [request.match_info[part] for part in ("kind", "namespace", "name", "file")]
        if any(part.startswith(".") or "/" in part or "\0" in part for part in parts) or parts[-1].endswith(".lock"):
            raise web.HTTPNotFound
        self._check("/".join(parts))
        path = self._root.joinpath(*parts)
        if path.is_symlink() or not path.is_file():
            raise web.HTTPNotFound
        # The type is given so that the library doesn't take the file for a compressed form of something else.
        return web.FileResponse(path, headers={"Content-Type": _content_type(path)})

    def _check(self, path: str) -> None:
        why = self.withheld(path)
        if why is not None:
            raise web.HTTPServiceUnavailable(text=f"{why}\n", headers={"Retry-After": "1"})


def _content_type(path: Path) -> str:
    return {".gz": "application/gzip", ".tgz": "application/gzip", ".yaml": "application/yaml"}.get(
        path.suffix, "application/octet-stream"
    )


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
