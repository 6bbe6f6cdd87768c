"""The self-made authority."""

import ssl
from pathlib import Path

from aiohttp import ClientSession, TCPConnector, web

from afflux.net.tls import Authority


async def _hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


async def test_a_client_that_trusts_the_authority_reaches_a_listener(tmp_path: Path) -> None:
    authority = Authority.load_or_create(tmp_path)
    app = web.Application()
    app.router.add_get("/", _hello)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.server_context(["127.0.0.1", "localhost"]))
    await site.start()
    port = runner.addresses[0][1]
    trust = ssl.create_default_context(cadata=authority.ca_pem.decode())
    async with ClientSession(connector=TCPConnector(ssl=trust)) as session:
        for host in ("127.0.0.1", "localhost"):
            async with session.get(f"https://{host}:{port}/") as response:
                assert await response.text() == "hello"
    await runner.cleanup()


def test_an_authority_survives_a_restart_and_its_key_is_private(tmp_path: Path) -> None:
    first = Authority.load_or_create(tmp_path / "pki")
    assert Authority.load_or_create(tmp_path / "pki").ca_pem == first.ca_pem
    assert (tmp_path / "pki" / "ca.key").stat().st_mode & 0o777 == 0o600


def test_a_torn_authority_is_made_anew(tmp_path: Path) -> None:
    first = Authority.load_or_create(tmp_path)
    (tmp_path / "ca.crt").write_bytes(first.ca_pem[:100])
    assert Authority.load_or_create(tmp_path).ca_pem != first.ca_pem


def test_a_private_key_never_shows_in_a_repr() -> None:
    assert "PRIVATE" not in repr(Authority.create())
