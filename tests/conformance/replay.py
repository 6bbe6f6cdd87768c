"""Replays recorded requests against a control plane, and collects how its answers differ from the recorded ones."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from replay_differences import Difference, differences, masked
from replay_recording import CUT, Exchange, body_of
from yarl import URL

from waiting import eventually

_VERSION = re.compile(r'((?:resourceVersion(?:=|":"|\\":\\")|"/metadata/resourceVersion","value":"))(\d+)')
_UID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_POD = re.compile(r"(?P<namespace>/api/v1/namespaces/[^/]+)/pods/(?P<name>(?P<prefix>[^/]+-)\w{8,10}-\w{5})/")
_SETTLED_SECONDS = 0.04
_SETTLING_SECONDS = 10.0
_READ_AGAIN_SECONDS = 0.6
_STREAM_SECONDS = 1.0


@dataclass(frozen=True)
class Compared:
    """One exchange, and what differs."""

    exchange: Exchange
    differences: list[Difference]


@dataclass
class Answer:
    status: int
    headers: Any
    text: str

    @property
    def object(self) -> Any:
        try:
            return json.loads(self.text)
        except ValueError:
            return None


@dataclass
class Replay:
    """One recording against one plane. Versions, uids and ETags of the recording are translated into the plane's."""

    session: aiohttp.ClientSession
    address: str
    token: str
    kubeconfig: Path
    patience: float = _READ_AGAIN_SECONDS
    known: dict[str, str] = field(default_factory=dict)
    events: dict[Exchange, list[Any]] = field(default_factory=dict)
    streams: list[tuple[Exchange, asyncio.Task[None]]] = field(default_factory=list)

    async def run(self, exchanges: list[Exchange]) -> list[Compared]:
        compared, command, before = [], "", exchanges[0].started
        for exchange in exchanges:
            self.patience = max(_READ_AGAIN_SECONDS, exchange.started - before)
            before = exchange.started
            if exchange.command != command or exchange.method != "GET":
                await self._settled()
                command = exchange.command
            if exchange.is_watch:
                self.events[exchange] = []
                self.streams.append((exchange, asyncio.create_task(self._stream(exchange))))
                await asyncio.sleep(0)
            else:
                compared.append(Compared(exchange, await self._compare(exchange)))
        for exchange, task in self.streams:
            await asyncio.wait([task], timeout=_STREAM_SECONDS)
            task.cancel()
            compared.append(Compared(exchange, _stream_differences(exchange, self.events[exchange])))
        return compared

    async def _known_from_before(self, exchange: Exchange) -> None:
        """What the recorded client had in its cache when it started, this one asks for now."""
        etag = exchange.headers.get("If-None-Match")
        if etag and etag not in self.known:
            headers = {"Accept": exchange.headers["Accept"], "Authorization": f"Bearer {self.token}"}
            async with self.session.get(self.address + exchange.path, headers=headers) as response:
                self.known[etag] = response.headers.get("ETag", etag)

    async def _compare(self, exchange: Exchange) -> list[Difference]:
        """A read is repeated for a while: controllers get to their work at different moments on two servers."""
        await self._known_from_before(exchange)
        deadline = asyncio.get_running_loop().time() + self.patience
        while True:
            answer = await self.send(exchange)
            found = list(_answer_differences(exchange, answer))
            lasting = all(each.path == "(content type)" for each in found)
            if lasting or exchange.method != "GET" or asyncio.get_running_loop().time() > deadline:
                break
            await self._settled()
        self._learn(exchange, answer)
        return found

    async def send(self, exchange: Exchange) -> Answer:
        place = self._translated(exchange.request.partition(" ")[2])
        if made_up := _POD.match(place):
            place = place.replace(made_up["name"], await self._pod(made_up["namespace"], made_up["prefix"]))
        url = URL(self.address + place, encoded=True)
        body = self._translated((await body_of(exchange, self.kubeconfig)).decode()) if exchange.body else None
        async with self.session.request(exchange.method, url, data=body, headers=self._headers(exchange)) as response:
            content = await response.read()
            return Answer(response.status, response.headers, content.decode("utf-8", "replace"))

    async def _pod(self, namespace: str, prefix: str) -> str:
        """A Pod whose made-up name begins as the recorded one's."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.session.get(f"{self.address}{namespace}/pods", headers=headers) as response:
            names = [each["metadata"]["name"] for each in (await response.json())["items"]]
        return str(next(name for name in names if name.startswith(prefix)))

    def _headers(self, exchange: Exchange) -> dict[str, str]:
        headers = {name: self.known.get(value, value) for name, value in exchange.headers.items()}
        if exchange.body.startswith("<"):
            headers["Content-Type"] = "application/json"
        return headers | {"Authorization": f"Bearer {self.token}"}

    async def _settled(self) -> None:
        """Waits until controllers write nothing more."""
        seen = ""

        async def unchanged() -> bool:
            nonlocal seen
            before, seen = seen, await self._version()
            return before == seen

        await eventually(unchanged, timeout=_SETTLING_SECONDS, interval=_SETTLED_SECONDS)

    async def _version(self) -> str:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.session.get(self.address + "/api/v1/namespaces?limit=1", headers=headers) as response:
            return str((await response.json())["metadata"]["resourceVersion"])

    async def _stream(self, exchange: Exchange) -> None:
        wanted = len(_whole_lines(exchange))
        url = URL(self.address + self._translated(f"{exchange.path}?{exchange.query}"), encoded=True)
        events = self.events[exchange]
        timeout = aiohttp.ClientTimeout(total=None)
        async with self.session.get(url, headers=self._headers(exchange), timeout=timeout) as response:
            while len(events) < wanted:
                events.append(json.loads(await response.content.readline()))

    def _translated(self, text: str) -> str:
        """Known versions and uids of the recording as the plane's."""
        return _UID.sub(lambda found: self.known.get(found[0], found[0]), _VERSION.sub(self._version_of, text))

    def _version_of(self, found: re.Match[str]) -> str:
        return found[1] + self.known.get(f"version {found[2]}", found[2])

    def _learn(self, exchange: Exchange, answer: Answer) -> None:
        for name in ("Etag", "ETag"):
            if name in exchange.answer_headers and "ETag" in answer.headers:
                self.known[exchange.answer_headers[name]] = answer.headers["ETag"]
        self._pair(exchange.answer_object, answer.object)

    def _pair(self, recorded: Any, ours: Any) -> None:
        if isinstance(recorded, dict) and isinstance(ours, dict):
            for name, value in recorded.items():
                if name == "resourceVersion" and isinstance(value, str) and name in ours:
                    self.known[f"version {value}"] = ours[name]
                elif name == "uid" and isinstance(value, str) and name in ours:
                    self.known[value] = ours[name]
                else:
                    self._pair(value, ours.get(name))
        elif isinstance(recorded, list) and isinstance(ours, list):
            for left, right in zip(recorded, ours, strict=False):
                self._pair(left, right)


def _answer_differences(exchange: Exchange, answer: Answer) -> list[Difference]:
    found = []
    if answer.status != exchange.status:
        found.append(Difference("(status)", exchange.status, answer.status))
    ours = answer.headers.get("Content-Type", "")
    if ours != exchange.content_type:
        found.append(Difference("(content type)", exchange.content_type, ours))
    warnings = answer.headers.getall("Warning", [])
    recorded = exchange.answer_headers.get("Warning", [])
    if warnings != ([recorded] if isinstance(recorded, str) else recorded):
        found.append(Difference("(warnings)", recorded, warnings))
    return found + _body_differences(exchange, answer)


def _body_differences(exchange: Exchange, answer: Answer) -> list[Difference]:
    recorded = exchange.answer_object
    if recorded is not None:
        return list(differences(masked(recorded), masked(answer.object)))
    if exchange.answer.startswith("<") or len(exchange.answer) >= CUT or exchange.answer == answer.text:
        return []
    return [Difference("(text)", exchange.answer, answer.text)]


def _stream_differences(exchange: Exchange, ours: list[Any]) -> list[Difference]:
    recorded = [json.loads(line) for line in _whole_lines(exchange)]
    return list(differences(masked(recorded), masked(ours), "(stream)"))


def _whole_lines(exchange: Exchange) -> list[str]:
    lines = exchange.answer.splitlines()
    return lines if exchange.answer.endswith("\n") else lines[:-1]
