"""Client certificates and proxies, against real sockets."""

import asyncio
import datetime
import json
import ssl
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from afflux.app.event_loop import run_loop
from afflux.kube.config import ClusterConfig, load_config, parse_config
from afflux.kube.credentials import ClientCertificate, Credential, FixedCredential
from afflux.kube.errors import ConfigError, Unreachable
from afflux.kube.transport import Request, Transport
from afflux.kube.watched_file import WatchedFile
from afflux.net.tls import Authority


def client_certificate(authority: Authority, name: str = "jane") -> ClientCertificate:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .sign(authority.key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return ClientCertificate(certificate.public_bytes(serialization.Encoding.PEM), pem)


@pytest.fixture
async def mutual_server() -> AsyncIterator[tuple[str, Authority]]:
    """Answers with the name in the client's certificate, and speaks to nobody who has none."""
    authority = Authority.create()

    async def who(request: web.Request) -> web.Response:
        assert request.transport is not None
        subject = request.transport.get_extra_info("peercert")["subject"]
        return web.Response(text=dict(pair[0] for pair in subject)["commonName"])

    application = web.Application()
    application.router.add_get("/", who)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    context = authority.server_context(["127.0.0.1"])
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=authority.ca_pem.decode())
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}", authority
    await runner.cleanup()


async def test_a_client_certificate_says_who_we_are(mutual_server: tuple[str, Authority]) -> None:
    url, authority = mutual_server
    text = f'{{"current-context": "x", "contexts": [{{"name": "x", "context": {{"cluster": "c"}}}}], "clusters": \
[{{"name": "c", "cluster": {{"server": "{url}"}}}}]}}'
    config = replace(parse_config(text), ca=authority.ca_pem)
    credentials = FixedCredential(Credential(None, client_certificate(authority)))
    transport = Transport(replace(config, credentials=credentials))
    assert await transport.send(Request("GET", "/")) == b"jane"
    await transport.close()
    stranger = Transport(config)
    with pytest.raises(Unreachable):
        await stranger.send(Request("POST", "/", body=b"{}"))
    await stranger.close()


async def test_certificates_and_keys_that_are_replaced_on_disk_are_used_from_then_on(
    mutual_server: tuple[str, Authority], tmp_path: Path
) -> None:
    url, authority = mutual_server

    def issue(name: str) -> None:
        pair = client_certificate(authority, name)
        (tmp_path / "tls.crt").write_bytes(pair.certificate)
        (tmp_path / "tls.key").write_bytes(pair.key)

    issue("before")
    (tmp_path / "ca.crt").write_bytes(authority.ca_pem)
    cluster = {"server": url, "certificate-authority": "ca.crt"}
    user = {"client-certificate": "tls.crt", "client-key": "tls.key"}
    document = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    (tmp_path / "config").write_text(json.dumps(document))
    config = load_config(tmp_path / "config")
    transport = Transport(config)
    assert await transport.send(Request("GET", "/")) == b"before"

    stranger = client_certificate(authority, "stranger")
    (tmp_path / "tls.crt").write_bytes(stranger.certificate)  # its key isn't there yet
    config.credentials.refused(await config.credentials.current())
    assert await transport.send(Request("GET", "/")) == b"before"
    issue("after")
    config.credentials.refused(await config.credentials.current())
    assert await transport.send(Request("GET", "/")) == b"after"
    await transport.close()


async def test_a_ca_that_is_replaced_on_disk_is_trusted_from_then_on(
    https_server: Any, answer_with: Any, tmp_path: Path
) -> None:
    https_server.answers = [answer_with({"ok": True})]
    ca_file = WatchedFile(tmp_path / "ca.crt")
    ca_file.path.write_bytes(Authority.create().ca_pem)
    transport = Transport(ClusterConfig(server=https_server.url, ca_file=ca_file))
    with pytest.raises(Unreachable, match="certificate"):
        await transport.send(Request("GET", "/"))
    ca_file.path.write_bytes(https_server.authority.ca_pem)
    ca_file.look_again()
    assert await transport.send(Request("GET", "/")) == b'{"ok": true}'
    ca_file.path.write_text("half a certificate")
    ca_file.look_again()
    assert await transport.send(Request("GET", "/")) == b'{"ok": true}'
    await transport.close()


async def test_a_ca_that_never_could_be_used_is_named(tmp_path: Path) -> None:
    ca_file = WatchedFile(tmp_path / "ca.crt")
    ca_file.path.write_text("no certificate")
    transport = Transport(ClusterConfig(server="https://127.0.0.1:1", ca_file=ca_file))
    with pytest.raises(ConfigError, match=r"https://127\.0\.0\.1:1: the CA or client certificate can't be used"):
        await transport.send(Request("GET", "/"))


@pytest.fixture
async def proxy() -> AsyncIterator[tuple[str, list[str]]]:
    """An HTTP proxy that serves CONNECT, and what it was asked for."""
    async with proxy_on(None) as (port, asked):
        yield f"http://127.0.0.1:{port}", asked


@asynccontextmanager
async def proxy_on(tls: ssl.SSLContext | None) -> AsyncIterator[tuple[int, list[str]]]:
    asked: list[str] = []

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head.split("\r\n", 1)[0])
        host, _, port = head.split(" ")[1].rpartition(":")
        upstream_reader, upstream_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pipe(reader, upstream_writer), pipe(upstream_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    yield server.sockets[0].getsockname()[1], asked
    server.close()


async def test_a_proxy_is_used_where_the_kubeconfig_names_one(
    https_server: Any, proxy: tuple[str, list[str]], answer_with: Any
) -> None:
    https_server.answers = [answer_with({"ok": True})]
    url, asked = proxy
    config = replace(parse_config(https_server.kubeconfig(token="t")), proxy_url=url)
    transport = Transport(config)
    assert await transport.send(Request("GET", "/version")) == b'{"ok": true}'
    await transport.close()
    assert asked == [f"CONNECT {https_server.url.removeprefix('https://')} HTTP/1.1"]
    assert https_server.requests[0].headers["Authorization"] == "Bearer t"


def over_uvloop(main: Coroutine[Any, Any, None]) -> None:
    """As `afflux` runs, on a loop of its own."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(run_loop, main).result(30)


async def test_a_proxy_may_speak_tls_itself_and_the_servers_name_is_its_own(
    https_server: Any, answer_with: Any
) -> None:
    https_server.answers = [answer_with({"ok": True})]
    config = replace(parse_config(https_server.kubeconfig(token="t")), tls_server_name="localhost")
    async with proxy_on(https_server.authority.server_context(["127.0.0.1"])) as (port, asked):

        async def main() -> None:
            transport = Transport(replace(config, proxy_url=f"https://me:s3cret@127.0.0.1:{port}"))
            assert await transport.send(Request("GET", "/version")) == b'{"ok": true}'
            await transport.close()

        await asyncio.to_thread(over_uvloop, main())
    assert asked == [f"CONNECT {https_server.url.removeprefix('https://')} HTTP/1.1"]


async def test_another_name_than_the_servers_is_refused_through_a_proxy_too(
    https_server: Any, proxy: tuple[str, list[str]], answer_with: Any
) -> None:
    https_server.answers = [answer_with({})]
    config = replace(parse_config(https_server.kubeconfig()), tls_server_name="other.example", proxy_url=proxy[0])
    transport = Transport(config)
    with pytest.raises(Unreachable, match="certificate"):
        await transport.send(Request("POST", "/", body=b"{}"))
    await transport.close()


async def test_a_proxy_that_is_away_shows_no_password(https_server: Any) -> None:
    config = replace(parse_config(https_server.kubeconfig()), proxy_url="http://me:s3cret@127.0.0.1:1")
    transport = Transport(config)
    with pytest.raises(Unreachable) as away:
        await transport.send(Request("GET", "/"))
    assert "s3cret" not in str(away.value)
    await transport.close()
