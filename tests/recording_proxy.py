"""A recording proxy before an API server: every request that passes, watches included, in order."""

import base64
import ssl
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from aiohttp import ClientError, ClientSession, TCPConnector, web

from afflux.net.tls import Authority


class Recorded(NamedTuple):
    """One request that passed."""

    method: str
    path: str
    query: str


class RecordingProxy:
    """Speaks HTTPS with a certificate of its own; ``kubeconfig`` leads through it. Survives its upstream's death."""

    def __init__(self, upstream_kubeconfig: Path, folder: Path) -> None:
        self._upstream_kubeconfig = upstream_kubeconfig
        self._folder = folder
        self._authority = Authority.create()
        self.kubeconfig = folder / "proxied.kubeconfig"
        self.requests: list[Recorded] = []

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
        tls = self._authority.server_context(["127.0.0.1"])
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=tls).start()
        self._write_kubeconfig(config, self._runner.addresses[0][1])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    def _write_kubeconfig(self, config: dict[str, Any], port: int) -> None:
        cluster = config["clusters"][0]["cluster"]
        cluster["server"] = f"https://127.0.0.1:{port}"
        cluster["certificate-authority-data"] = base64.b64encode(self._authority.ca_pem).decode()
        self.kubeconfig.write_text(yaml.safe_dump(config))

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(Recorded(request.method, request.path, request.query_string))
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host",)}
        headers["Host"] = self._upstream.removeprefix("https://")
        body = await request.read()
        try:
            async with self._session.request(
                request.method, f"{self._upstream}{request.raw_path}", headers=headers, data=body or None
            ) as answer:
                response = web.StreamResponse(status=answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                        response.headers.add(name, value)
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response
        except (ClientError, ConnectionError, TimeoutError):
            raise web.HTTPBadGateway(text="the API server is away") from None

    def deletions(self) -> list[str]:
        """Paths of DELETE requests (dry runs apart)."""
        return [r.path for r in self.requests if r.method == "DELETE" and "dryRun" not in r.query]
