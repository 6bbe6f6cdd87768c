"""Client certificates and proxies, against real sockets."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from afflux.kube.config import parse_config
from afflux.kube.credentials import ClientCertificate, Credential, FixedCredential
from afflux.kube.errors import Unreachable
from afflux.kube.transport import Request, Transport
from afflux.net.tls import Authority


def client_certificate(authority: Authority) -> ClientCertificate:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")]))
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


@pytest.fixture
async def proxy() -> AsyncIterator[tuple[str, list[str]]]:
    """An HTTP proxy that serves CONNECT, and what it was asked for."""
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

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
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
