"""Connections to an API server, for benchmarks: little over asyncio streams, as client and server share a machine."""

import asyncio
import base64
import json
import os
import ssl
import tempfile
import time
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

CONNECTIONS = 8
Request = tuple[str, str, bytes]
"""Method, path, body."""


@dataclass(frozen=True)
class Server:
    """Where an API server is and how it is reached. ``pid`` is of the process, where it is ours."""

    host: str
    port: int
    trust: ssl.SSLContext
    token: str
    pid: int | None

    @classmethod
    def of(cls, kubeconfig: Path, pid: int | None = None) -> "Server":
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        trust = ssl.create_default_context(cadata=authority)
        if "client-certificate-data" in user:
            with tempfile.NamedTemporaryFile() as pair:
                parts = [base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")]
                pair.write(b"\n".join(parts))
                pair.flush()
                trust.load_cert_chain(pair.name)
        address = urllib.parse.urlsplit(cluster["server"])
        return cls(address.hostname or "", address.port or 443, trust, user.get("token", ""), pid)

    def cpu_seconds(self) -> float:
        """CPU time of the process so far; 0 where it isn't ours."""
        if self.pid is None:
            return 0.0
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def pss(self) -> int:
        """Bytes of memory, shared pages counted in proportion."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return int(rollup.partition("\nPss:")[2].split()[0]) * 1024


class Connection:
    """One keep-alive connection, one request at a time."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def open(self) -> "Connection":
        # As Kubernetes' own clients: big reads, for lists are megabytes.
        self.reader, self.writer = await asyncio.open_connection(
            self._server.host, self._server.port, ssl=self._server.trust, limit=2**24
        )
        return self

    def send(self, request: Request, accept: str = "application/json") -> None:
        method, path, body = request
        kind = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._server.host}:{self._server.port}\r\nAccept: {accept}\r\n"
            f"User-Agent: bench/1.0\r\nAuthorization: Bearer {self._server.token}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.writer.write(head.encode() + body)

    async def head(self) -> tuple[int, bytes]:
        """Status and headers of the answer, in small letters."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        return int(head[9:12]), head

    async def call(self, request: Request, accept: str = "application/json") -> bytes:
        self.send(request, accept)
        status, head = await self.head()
        _, found, rest = head.partition(b"\r\ncontent-length:")
        body = await (self.reader.readexactly(int(rest.partition(b"\r\n")[0])) if found else self._chunks())
        if status >= 300:
            raise RuntimeError(f"{request[0]} {request[1]}: {status} {body[:300].decode()}")
        return body

    async def _chunks(self) -> bytes:
        parts = []
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            parts.append((await self.reader.readexactly(size + 2))[:-2])
        await self.reader.readexactly(2)
        return b"".join(parts)


@dataclass
class Session:
    """A server, eight connections, and a Namespace of the run's own."""

    server: Server
    namespace: str
    scale: float
    pool: list[Connection] = field(default_factory=list)

    @property
    def config_maps(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/configmaps"

    @property
    def deployments(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments"

    def count(self, full: int) -> int:
        return max(int(full * self.scale), CONNECTIONS)

    async def __aenter__(self) -> "Session":
        self.pool = [await Connection(self.server).open() for _ in range(CONNECTIONS)]
        body = json.dumps({"metadata": {"name": self.namespace}}).encode()
        await self.pool[0].call(("POST", "/api/v1/namespaces", body))
        return self

    async def __aexit__(self, *_: object) -> None:
        cleaner = await Connection(self.server).open()
        await cleaner.call(("DELETE", f"/api/v1/namespaces/{self.namespace}", b""))
        for connection in [*self.pool, cleaner]:
            connection.writer.close()

    async def all(self, requests: Iterable[Request], accept: str = "application/json") -> list[float]:
        """Send everything over all connections; the seconds each answer took."""
        queue, times = iter(list(requests)), []

        async def work(connection: Connection) -> None:
            for request in queue:
                start = time.perf_counter()
                await connection.call(request, accept)
                times.append(time.perf_counter() - start)

        await asyncio.gather(*(work(connection) for connection in self.pool))
        return times
