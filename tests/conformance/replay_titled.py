"""Replays recordings that have titles and answers: the answers read, cut ones too, and compared with ours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from replay_differences import ABSENT, Difference, differences, masked
from replay_requests import Step
from yarl import URL

from waiting import eventually

_HEADING = re.compile(r"## (?P<title>.*) -> (?P<status>\d+) (?P<text>.*)")


@dataclass(frozen=True)
class Titled:
    """A recorded answer: its status and what is known of its body (a part, or the beginning of a text)."""

    title: str
    status: int
    body: Any
    text: str = ""


def titled_answers(path: Path) -> list[Titled]:
    """What ``## title -> status answer`` lines say."""
    found = []
    for line in path.read_text().splitlines():
        if match := _HEADING.fullmatch(line):
            text = match["text"]
            body = beginning(text) if text.startswith("{") else None
            found.append(Titled(match["title"], int(match["status"]), body, "" if body is not None else text))
    return found


def applied_answers(path: Path) -> list[Titled]:
    """What a list of titles and facts says, a fact being a value under a dotted path of the answer."""
    found = []
    for title, facts in json.loads(path.read_text()):
        body: dict[str, Any] = {}
        for name, value in facts.items():
            if value is not None and name not in {"code", "rv", "gen", "metadata.uid"}:
                _put(body, ("metadata.managedFields" if name == "managedFields" else name).split("."), value)
        found.append(Titled(title, facts["code"], body))
    return found


def _put(body: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        body = body.setdefault(part, {})
    body[path[-1]] = value


def beginning(text: str) -> Any:
    """As much JSON as a text that was cut holds: its last incomplete part is left out."""
    for cut in [len(text), *(index for index in range(len(text) - 1, 0, -1) if text[index] in ",{[")]:
        kept = text[:cut] if cut == len(text) or text[cut] == "," else text[: cut + 1]
        try:
            return json.loads(kept + _closing(kept))
        except ValueError:
            continue
    return None


def _closing(text: str) -> str:
    open_, quoted, escaped = [], False, False
    for character in text:
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = character == "\\", character != '"'
        elif character == '"':
            quoted = True
        elif character in "{[":
            open_.append("}" if character == "{" else "]")
        elif character in "}]" and open_:
            open_.pop()
    return "".join(reversed(open_))


@dataclass
class TitledReplay:
    """Requests against one plane, each compared with the answer of its title."""

    session: aiohttp.ClientSession
    address: str
    token: str

    async def run(self, steps: list[Step], answers: list[Titled]) -> list[tuple[Step, list[Difference]]]:
        """Answers come in the order of the steps; those without a step are passed over."""
        compared, position = [], 0
        for step in steps:
            if not step.title:
                status, text = await self._send(step)
                assert status < 300, (step.request, text)
                continue
            position = next(at for at in range(position, len(answers)) if answers[at].title == step.title) + 1
            compared.append((step, await self._compare(step, answers[position - 1])))
        return compared

    async def _compare(self, step: Step, recorded: Titled) -> list[Difference]:
        found: list[Difference] = []

        async def equal() -> bool:
            found[:] = _differences(recorded, *await self._send(step))
            return not found or not step.request.startswith("GET")

        try:
            await eventually(equal, timeout=1.5)
        except AssertionError:
            pass
        return found

    async def _send(self, step: Step) -> tuple[int, str]:
        method, path = step.request.split(" ", 1)
        headers = {"Authorization": f"Bearer {self.token}", "User-Agent": "ex/1.0"} | step.headers
        data = None
        if step.body is not None:
            headers["Content-Type"] = step.content_type
            data = step.body if isinstance(step.body, str) else json.dumps(step.body)
        headers = {name: value for name, value in headers.items() if value}
        url = URL(self.address + path, encoded=True)
        async with self.session.request(method, url, data=data, headers=headers) as response:
            return response.status, await response.text()


def _differences(recorded: Titled, status: int, text: str) -> Iterator[Difference]:
    if status != recorded.status:
        yield Difference("(status)", recorded.status, status)
    if recorded.body is None:
        if not text.startswith(recorded.text.strip()):
            yield Difference("(text)", recorded.text, text)
        return
    try:
        ours = json.loads(text)
    except ValueError:
        yield Difference("(text)", recorded.body, text)
        return
    left, right = (masked(_without_controllers(each)) for each in (recorded.body, ours))
    for each in differences(left, _as_far(left, right)):
        if each.recorded != ABSENT:
            yield each


def _without_controllers(value: Any) -> Any:
    """Without what controllers own: they come to it in their own time."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    entries = metadata.get("managedFields") if isinstance(metadata, dict) else None
    if entries is None:
        return value
    kept = [each for each in entries if each["manager"] != "kube-controller-manager"]
    others = {name: each for name, each in metadata.items() if name != "managedFields"}
    return {**value, "metadata": {**others, "managedFields": kept} if kept else others}


def _as_far(recorded: Any, ours: Any) -> Any:
    """Our value without what lies beyond the recorded beginning: further list items, the ends of texts, times."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        return {name: _as_far(recorded[name], value) for name, value in ours.items() if name in recorded}
    if isinstance(recorded, list) and isinstance(ours, list) and len(recorded) <= len(ours):
        return [_as_far(left, right) for left, right in zip(recorded, ours, strict=False)]
    return ours
