"""A small client that speaks HTTP to a control plane."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import yaml

from afflux.controlplane.control_plane import ControlPlane

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


class Reply:
    """An answer: status, headers, text, and the text as JSON."""

    def __init__(self, status: int, headers: Any, text: str) -> None:
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Api:
    """Requests to one plane. Bodies are JSON unless they are bytes or text."""

    def __init__(self, address: str, token: str, session: aiohttp.ClientSession) -> None:
        self.address = address
        self.token = token
        self.session = session

    async def request(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        sent = {"Authorization": f"Bearer {self.token}", "User-Agent": "tests/1.0"}
        sent.update({key.replace("_", "-"): value for key, value in headers.items()})
        data = body if body is None or isinstance(body, bytes | str) else json.dumps(body, separators=(",", ":"))
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self.session.request(method, self.address + path, data=data, headers=sent) as response:
            return Reply(response.status, response.headers, await response.text())

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.request("GET", path, **headers)

    async def post(self, path: str, body: Any, **headers: str) -> Reply:
        return await self.request("POST", path, body, **headers)

    async def put(self, path: str, body: Any, **headers: str) -> Reply:
        return await self.request("PUT", path, body, **headers)

    async def patch(self, path: str, body: Any, content_type: str = MERGE) -> Reply:
        return await self.request("PATCH", path, body, Content_Type=content_type)

    async def apply(self, path: str, body: Any, manager: str, query: str = "") -> Reply:
        suffix = f"&{query}" if query else ""
        return await self.request("PATCH", f"{path}?fieldManager={manager}{suffix}", body, Content_Type=APPLY)

    async def delete(self, path: str, body: Any = None) -> Reply:
        return await self.request("DELETE", path, body)

    @asynccontextmanager
    async def watch(self, path: str, **headers: str) -> AsyncIterator[AsyncIterator[Any]]:
        """The events of a watch, parsed."""
        sent = {"Authorization": f"Bearer {self.token}"} | {key.replace("_", "-"): v for key, v in headers.items()}
        async with self.session.get(self.address + path, headers=sent) as response:
            assert response.status == 200, await response.text()

            async def events() -> AsyncIterator[Any]:
                async for line in response.content:
                    yield json.loads(line)

            yield events()


def authority_of(plane: ControlPlane) -> str:
    """The plane's CA, as PEM."""
    cluster = yaml.safe_load(plane.kubeconfig)["clusters"][0]["cluster"]
    return base64.b64decode(cluster["certificate-authority-data"]).decode()


@asynccontextmanager
async def client_of(plane: ControlPlane) -> AsyncIterator[Api]:
    """A client that trusts the plane's CA and holds its token."""
    config = yaml.safe_load(plane.kubeconfig)
    cluster = config["clusters"][0]["cluster"]
    context = ssl.create_default_context(cadata=authority_of(plane))
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=2**22) as session:
        yield Api(cluster["server"], config["users"][0]["user"]["token"], session)
