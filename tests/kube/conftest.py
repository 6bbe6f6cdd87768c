"""A real HTTPS server that answers what a test tells it to, and records what it was asked."""

import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from afflux.lang.yaml import dump
from afflux.net.tls import Authority

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class HttpsServer:
    """``answers`` are used up in order; the last one stays. Whether the server is ready is answered apart, if it is."""

    url: str
    authority: Authority
    answers: list[Answer] = field(default_factory=list)
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    is_ready: bool = True

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.is_ready and request.path == "/readyz":
            return web.Response(text="ok")
        self.requests.append(request)
        self.bodies.append(await request.read())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)

    def kubeconfig(self, **user: object) -> str:
        ca = base64.b64encode(self.authority.ca_pem).decode()
        return dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "apps"}}],
                "clusters": [{"name": "c", "cluster": {"server": self.url, "certificate-authority-data": ca}}],
                "users": [{"name": "u", "user": user}],
            }
        )


def answering(value: object, status: int = 200, **headers: str) -> Answer:
    """An answer with a JSON body."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(value, status=status, headers=headers)

    return answer


@pytest.fixture
def answer_with() -> Callable[..., Answer]:
    return answering


@pytest.fixture
async def https_server() -> AsyncIterator[HttpsServer]:
    authority = Authority.create()
    server = HttpsServer("", authority)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    context: ssl.SSLContext = authority.server_context(["127.0.0.1", "localhost"])
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    server.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()
