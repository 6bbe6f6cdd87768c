"""A recording proxy before an API server: every request that passes, watches included, in order.

It can be told to behave as networks, gateways and overloaded servers do: to cut watches, to answer in the server's
place, to show another certificate.
"""

import asyncio
import base64
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from aiohttp import ClientError, ClientSession, TCPConnector, web

from afflux.net.tls import Authority, write_private


class Recorded(NamedTuple):
    """One request that passed."""

    method: str
    path: str
    query: str


class RecordingProxy:
    """Speaks HTTPS with a certificate of its own; ``kubeconfig`` leads through it. Survives its upstream's death.

    While ``refusal`` is set it makes the answer to every request.
    """

    def __init__(self, upstream_kubeconfig: Path, folder: Path) -> None:
        self._upstream_kubeconfig = upstream_kubeconfig
        self._folder = folder
        self._authority = Authority.create()
        self.kubeconfig = folder / "proxied.kubeconfig"
        self.requests: list[Recorded] = []
        self.refusal: Callable[[], web.Response] | None = None
        self._watches: set[asyncio.Transport] = set()

    async def __aenter__(self) -> "RecordingProxy":
        config = yaml.safe_load(self._upstream_kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        self._upstream = cluster["server"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        trust = ssl.create_default_context(cadata=authority)
        self._session = ClientSession(connector=TCPConnector(ssl=trust, limit=0), auto_decompress=False)
        app = web.Application(client_max_size=16 << 20)
        app.router.add_route("*", "/{path:.*}", self._forward)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        self._tls = self._authority.server_context(["127.0.0.1"])
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        self._write_kubeconfig(config, self._runner.addresses[0][1])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    def cut_watches(self) -> int:
        """Breaks every watch under way off, as a network does; how many there were."""
        cut = list(self._watches)
        for transport in cut:
            transport.abort()
        return len(cut)

    def rotate_certificate(self, authority: Authority | None = None) -> None:
        """Shows a new certificate to whoever connects from now on, and cuts all watches so that they do."""
        self._authority = authority or self._authority
        pem = self._folder / "proxy.pem"
        write_private(pem, self._authority.server_pem(["127.0.0.1"]))
        self._tls.load_cert_chain(pem)
        self.cut_watches()

    def trust(self, *authorities: Authority) -> None:
        """Names these authorities in ``kubeconfig``."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        bundle = b"".join(authority.ca_pem for authority in authorities)
        config["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(bundle).decode()
        write_private(self.kubeconfig, yaml.safe_dump(config).encode())

    @property
    def authority(self) -> Authority:
        """Who signed the certificate that is shown."""
        return self._authority

    def _write_kubeconfig(self, config: dict[str, Any], port: int) -> None:
        cluster = config["clusters"][0]["cluster"]
        cluster["server"] = f"https://127.0.0.1:{port}"
        cluster["certificate-authority-data"] = base64.b64encode(self._authority.ca_pem).decode()
        self.kubeconfig.write_text(yaml.safe_dump(config))

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(Recorded(request.method, request.path, request.query_string))
        if self.refusal is not None:
            return self.refusal()
        if "watch" not in request.query or request.transport is None:
            return await self._pass_on(request)
        self._watches.add(request.transport)
        try:
            return await self._pass_on(request)
        finally:
            self._watches.discard(request.transport)

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host",)}
        headers["Host"] = self._upstream.removeprefix("https://")
        body = await request.read()
        response = web.StreamResponse()
        try:
            async with self._session.request(
                request.method, f"{self._upstream}{request.raw_path}", headers=headers, data=body or None
            ) as answer:
                response.set_status(answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                        response.headers.add(name, value)
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response
        except (ClientError, ConnectionError, TimeoutError):
            if response.prepared and request.transport is not None:
                request.transport.abort()  # half an answer must not look like one that goes on
                return response
            raise web.HTTPBadGateway(text="the API server is away") from None

    def deletions(self) -> list[str]:
        """Paths of DELETE requests (dry runs apart)."""
        return [r.path for r in self.requests if r.method == "DELETE" and "dryRun" not in r.query]
