"""The HTTP session against real servers, well-behaved and not."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from afflux.net.http import (
    HttpSession,
    RedirectRefused,
    Request,
    RequestLimits,
    TimedOut,
    TlsFailed,
    TooLarge,
    Unreachable,
    origin,
)
from afflux.net.tls import Authority

SECRET = {"Authorization": "Bearer s3cret"}


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    async with HttpSession() as session:
        yield session


@asynccontextmanager
async def server(handler: Callable[[web.Request], Awaitable[web.StreamResponse]], **site: object) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, **site).start()  # type: ignore[arg-type]
    try:
        yield f"{'https' if site else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def echo(request: web.Request) -> web.Response:
    return web.json_response({"path": request.path, "authorization": request.headers.get("Authorization")})


async def test_a_redirect_within_the_server_keeps_credentials(http: HttpSession) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/old":
            raise web.HTTPFound("/new")
        return await echo(request)

    async with server(handler) as url:
        answer = await http.request(Request("GET", f"{url}/old", SECRET))
        assert answer.url == f"{url}/new"
        assert b"s3cret" in answer.body


async def test_a_redirect_to_another_server_drops_credentials(http: HttpSession) -> None:
    async with server(echo) as other:

        async def handler(request: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(f"{other}/there")

        async with server(handler) as url:
            answer = await http.request(Request("GET", url, SECRET))
            assert answer.url == f"{other}/there"
            assert b"s3cret" not in answer.body


@pytest.mark.parametrize("target", ["file:///etc/passwd", "gopher://127.0.0.1/", "ftp://127.0.0.1/"])
async def test_a_redirect_to_another_scheme_is_refused(http: HttpSession, target: str) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": target})

    async with server(handler) as url:
        with pytest.raises(RedirectRefused):
            await http.request(Request("GET", url))


async def test_redirects_end(http: HttpSession) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/again")

    async with server(handler) as url:
        with pytest.raises(RedirectRefused, match="more than 5 times"):
            await http.request(Request("GET", url))


async def test_tls_is_not_given_up_by_a_redirect(http: HttpSession) -> None:
    authority = Authority.create()
    trust = ssl.create_default_context(cadata=authority.ca_pem.decode())
    async with server(echo) as plain:

        async def handler(request: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(plain)

        async with server(handler, ssl_context=authority.server_context(["127.0.0.1"])) as url:
            with pytest.raises(RedirectRefused, match="from HTTPS to plain HTTP"):
                await http.request(Request("GET", url, trust=trust))
            with pytest.raises(TlsFailed, match="certificate verification failed"):
                await http.request(Request("GET", url))


async def test_a_body_beyond_the_limit_is_an_error_even_if_compressed(http: HttpSession) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        bomb = gzip.compress(bytes(5_000_000))
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    async with server(handler) as url:
        with pytest.raises(TooLarge):
            await http.request(Request("GET", url, limits=RequestLimits(body_bytes=1_000_000)))


async def test_a_server_that_trickles_is_cut_off(http: HttpSession) -> None:
    closed = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        await closed.wait()
        return response

    async with server(handler) as url:
        with pytest.raises(TimedOut, match=r"did not answer within 0\.2s"):
            await http.request(Request("GET", url, limits=RequestLimits(total_seconds=0.2)))
        closed.set()


async def test_a_body_that_breaks_off_is_an_error(http: HttpSession) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"only this")
        assert request.transport is not None
        request.transport.close()
        return response

    async with server(handler) as url:
        with pytest.raises(Unreachable, match="before the answer was complete"):
            await http.request(Request("GET", url))


async def test_errors_name_the_host_and_never_user_info(http: HttpSession) -> None:
    for url, words in (
        ("http://user:s3cret@127.0.0.1:1/x", "http://127.0.0.1:1: connection refused"),
        ("http://user:s3cret@does-not-exist.invalid/x", "http://does-not-exist.invalid: no such host"),
    ):
        with pytest.raises(Unreachable) as caught:
            await http.request(Request("GET", url))
        assert str(caught.value) == words


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a:b@Example.com:443/x?y", "https://example.com"),
        ("http://example.com:8080/x", "http://example.com:8080"),
        ("http://[::1]:80/", "http://[::1]"),
    ],
)
def test_origins(url: str, expected: str) -> None:
    assert origin(url) == expected
