"""Replays the recording of watches: the same changes, then each way to watch."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import aiohttp
from replay_differences import Difference, differences, masked

_MAPS = "/api/v1/namespaces/default/configmaps"
_OURS = "fieldSelector=metadata.name%21%3Dkube-root-ca.crt"
_TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
_PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

_CHANGES: tuple[tuple[str, str, Any], ...] = (
    ("POST", "", {"metadata": {"name": "w2", "labels": {"a": "1"}}}),
    ("PATCH", "/w0", {"metadata": {"labels": {"a": "2"}}}),
    ("PATCH", "/w1", {"metadata": {"labels": {"a": "1"}}}),
    ("PATCH", "/w2", {"data": {"x": "1"}}),
    ("DELETE", "/w2", None),
)

# By title: the query (START is the version after w0 and w1 came) and the form asked for.
_ROUNDS: tuple[tuple[str, str, str], ...] = (
    ("label selector transitions a=1 from rv", "labelSelector=a%3D1&resourceVersion=START", ""),
    ("no rv (any + start)", _OURS, ""),
    ("rv=0", f"{_OURS}&resourceVersion=0", ""),
    ("rv huge", f"{_OURS}&resourceVersion=99999999", ""),
    ("rv bad", "resourceVersion=abc", ""),
    (
        "sendInitialEvents",
        f"{_OURS}&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan",
        "",
    ),
    ("sendInitialEvents w/o bookmarks", f"{_OURS}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", ""),
    ("sendInitialEvents w/o rvMatch", "sendInitialEvents=true", ""),
    ("sendInitialEvents=false", f"{_OURS}&sendInitialEvents=false&resourceVersionMatch=NotOlderThan", ""),
    ("rvMatch on watch without sendInitialEvents", "resourceVersionMatch=NotOlderThan", ""),
    ("fieldSelector name", "fieldSelector=metadata.name%3Dw1", ""),
    ("pom watch", _OURS, _PARTIAL),
)


class Watches:
    """One plane's watches as the recording shows them, a line an event."""

    def __init__(self, session: aiohttp.ClientSession, address: str, token: str) -> None:
        self._session = session
        self._address = address + _MAPS
        self._headers = {"Authorization": f"Bearer {token}"}

    async def compare(self, path: Path) -> list[tuple[str, list[Difference]]]:
        """By title, how our lines differ."""
        recorded = _recorded(path)
        for name, labels in (("w0", {"a": "1"}), ("w1", {})):
            version = await self._change("POST", "", {"metadata": {"name": name, "labels": labels}})
        for change in _CHANGES:
            await self._change(*change)
        compared = []
        for title, query, accept in _ROUNDS:
            if title == "no rv (any + start)":
                await self._change("DELETE", "/w0", None)
            if title == "pom watch":
                await self._change("POST", "", {"metadata": {"name": "w0"}})
            lines = await self._lines(query.replace("START", version), accept)
            compared.append((title, list(differences(recorded[title], lines))))
        return compared

    async def _change(self, method: str, path: str, body: Any) -> str:
        headers = {**self._headers, "Content-Type": "application/merge-patch+json"}
        if method != "PATCH":
            headers["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body)
        async with self._session.request(method, self._address + path, data=data, headers=headers) as response:
            assert response.status < 300, await response.text()
            return str((await response.json())["metadata"].get("resourceVersion"))

    async def _lines(self, query: str, accept: str) -> list[Any]:
        headers = {**self._headers, "Accept": accept or "application/json"}
        url = f"{self._address}?watch=1&timeoutSeconds=1&{query}"
        async with self._session.get(url, headers=headers) as response:
            text = await response.text()
            if response.status != 200:
                return [response.status, json.loads(text)]
            lines = [_line(json.loads(line), plain=not accept) for line in text.splitlines()]
            return [response.status, response.content_type, *lines]


def _line(event: dict[str, Any], *, plain: bool) -> Any:
    if not plain or event["type"] == "BOOKMARK":
        return masked(_without_owners(event))
    shown = event["object"]
    return [event["type"], shown["metadata"]["name"], shown["metadata"].get("labels"), shown.get("data")]


def _without_owners(event: dict[str, Any]) -> dict[str, Any]:
    metadata = {name: value for name, value in event["object"]["metadata"].items() if name != "managedFields"}
    return {**event, "object": {**event["object"], "metadata": metadata}}


def _recorded(path: Path) -> dict[str, list[Any]]:
    rounds: dict[str, list[Any]] = {}
    lines: list[Any] = []
    for line in path.read_text().splitlines():
        if line.startswith("## "):
            lines = rounds.setdefault(line.removeprefix("## "), [])
        elif line.startswith("     ") and not line.strip().startswith(("EOF", "END")):
            lines += _told(line.strip())
    return rounds


def _told(line: str) -> list[Any]:
    if line.startswith("("):
        head = ast.literal_eval(line)
        return [head[1], json.loads(head[2])] if head[0] == "ERR" else [head[1], head[2]]
    if line.startswith("{"):
        return [masked(ast.literal_eval(line) if "'" in line else json.loads(line))]
    words = line.split(" ", 4)
    if words[2] != "rv":
        return [line]
    labels, data = _pair(words[4])
    return [[words[0], words[1], labels, data]]


def _pair(text: str) -> tuple[Any, Any]:
    decoder_end = text.index("}") + 1 if text.startswith("{") else text.index(" ")
    return ast.literal_eval(text[:decoder_end]), ast.literal_eval(text[decoder_end:].strip())
