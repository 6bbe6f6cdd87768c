"""Which names a listener answers to: what keeps a web page from reaching it by rebinding DNS."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware


def host_check(allowed: frozenset[str]) -> Middleware:
    """Refuses (421) requests whose ``Host``, port included, isn't named."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.host.lower() not in allowed:
            return web.Response(status=421, text="this host is not served here\n")
        return await handler(request)

    return check


def loopback_names(host: str, port: int) -> frozenset[str]:
    """What a listener on the loopback interface is called, with its port."""
    shown = f"[{host}]" if ":" in host else host
    return frozenset(f"{name}:{port}" for name in (shown.lower(), "localhost", "127.0.0.1", "[::1]"))
