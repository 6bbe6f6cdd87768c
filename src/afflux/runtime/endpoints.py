"""The endpoints that monitoring reads: ``/metrics``, ``/healthz``, ``/readyz``."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from afflux.runtime.metrics import CONTENT_TYPE, Metrics

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@asynccontextmanager
async def serve_metrics(address: str, metrics: Metrics) -> AsyncIterator[str]:
    """Serve ``/metrics``; yields the address that is bound."""

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})

    async with _serving(address, [web.get("/metrics", scrape)]) as bound:
        yield bound


@asynccontextmanager
async def serve_health(address: str, waits_for: Callable[[], list[str]]) -> AsyncIterator[str]:
    """Serve ``/healthz`` and ``/readyz``; the latter is 503 for as long as ``waits_for`` names something."""

    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def ready(_: web.Request) -> web.Response:
        missing = waits_for()
        if missing:
            return web.Response(status=503, text=f"waiting for: {', '.join(missing)}\n")
        return web.Response(text="ok")

    async with _serving(address, [web.get("/healthz", alive), web.get("/readyz", ready)]) as bound:
        yield bound


def _is_loopback(host: str) -> bool:
    return host.strip("[]") in _LOOPBACK


def _host_of(header: str) -> str | None:
    """The name in a ``Host`` header; None where it holds none."""
    try:
        return URL(f"http://{header}").host
    except ValueError:
        return None


@web.middleware
async def _own_host_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A web page that somebody's browser shows must not read us by a name of its own (DNS rebinding)."""
    if _host_of(request.host) not in _LOOPBACK:
        raise web.HTTPForbidden(text="this listener is for the local machine")
    return await handler(request)


@asynccontextmanager
async def _serving(address: str, routes: list[web.RouteDef]) -> AsyncIterator[str]:
    host, _, port = address.rpartition(":")
    application = web.Application(client_max_size=4096, middlewares=[_own_host_only] if _is_loopback(host) else [])
    application.add_routes(routes)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host.strip("[]") or None, int(port))
        await site.start()
        bound = runner.addresses[0]
        yield f"{host or bound[0]}:{bound[1]}"
    finally:
        await runner.cleanup()
