"""Recordings of clients at work on a real server: reading them, and the requests whose bodies they cut short."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CUT = 20_000
"""Answers were recorded up to this many characters."""

_REVIEWS: dict[str, dict[str, Any]] = {
    "selfsubjectaccessreviews": {
        "spec": {"resourceAttributes": {"verb": "create", "group": "apps", "resource": "deployments"}}
    },
    "selfsubjectrulesreviews": {"spec": {"namespace": "demo"}},
    "selfsubjectreviews": {},
    "token": {"spec": {}},
}
_RELEASES = {
    "install podinfo wait=watcher": "sh.helm.release.v1.pi.v1",
    "upgrade wait=watcher": "sh.helm.release.v1.pi.v2",
    "upgrade bad image": "sh.helm.release.v1.pi.v3",
    "rollback": "sh.helm.release.v1.pi.v4",
    "install metrics-server": "sh.helm.release.v1.ms.v1",
}
_OF_THE_RECORDING = {"--dry-run=server", "-o", "yaml"}


@dataclass(frozen=True, eq=False)
class Exchange:
    """One request and its answer. ``status`` None is a watch that its client ended."""

    command: str
    started: float
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: str
    status: int | None
    content_type: str
    answer_headers: dict[str, str]
    answer: str

    @property
    def request(self) -> str:
        return f"{self.method} {self.path}" + (f"?{self.query}" if self.query else "")

    @property
    def is_watch(self) -> bool:
        return "watch=true" in self.query

    @property
    def answer_object(self) -> Any:
        """The answer as JSON; None where it is something else or was cut."""
        try:
            return json.loads(self.answer)
        except ValueError:
            return None


def unpacked(shared: Path, directory: Path) -> Path:
    """The recordings' directory, unpacked from the archive beside the checkout."""
    with tarfile.open(shared / "kubernetes-1.36" / "observed.tar.xz") as archive:
        archive.extractall(directory, filter="data")
    return directory


def exchanges(path: Path) -> list[Exchange]:
    """What a recording holds, in the order in which requests were made; streams left over from before aren't in it."""
    commands = json.loads(path.read_text())
    first = min(each["t"] for each in commands[0]["reqs"])
    found = [_exchange(command["cmd"], each) for command in commands for each in command["reqs"]]
    return sorted((each for each in found if each.started >= first), key=lambda each: each.started)


def _exchange(command: str, recorded: dict[str, Any]) -> Exchange:
    headers = {"Accept": recorded["accept"], "User-Agent": recorded["ua"], **recorded["other"]}
    if recorded["ctype"]:
        headers["Content-Type"] = recorded["ctype"]
    status = recorded["status"]
    return Exchange(
        command,
        recorded["t"],
        recorded["method"],
        recorded["path"],
        recorded["query"],
        headers,
        recorded["body"],
        status if isinstance(status, int) else None,
        recorded.get("rct") or "",
        recorded.get("rh", {}),
        recorded["resp"],
    )


async def body_of(exchange: Exchange, kubeconfig: Path) -> bytes:
    """What to send. Protobuf bodies were cut: what such a client means is sent as JSON."""
    if not exchange.body.startswith("<"):
        return exchange.body.encode()
    kind = exchange.path.rpartition("/")[2]
    if exchange.method == "DELETE":
        return b"{}"
    if kind in _REVIEWS:
        return json.dumps(_REVIEWS[kind]).encode()
    if exchange.headers["User-Agent"].startswith("Helm"):
        return json.dumps(_release(exchange)).encode()
    return await _made_by_kubectl(exchange.command, kubeconfig)


def _release(exchange: Exchange) -> dict[str, Any]:
    posted = exchange.method == "POST"
    name = _RELEASES[exchange.command] if posted else exchange.path.rpartition("/")[2]
    labels = {"owner": "helm", "name": name.split(".")[4], "status": "pending" if posted else "deployed"}
    return {"metadata": {"name": name, "labels": labels}, "type": "helm.sh/release.v1", "data": {"release": "eA=="}}


async def _made_by_kubectl(command: str, kubeconfig: Path) -> bytes:
    arguments = [each for each in shlex.split(command.removeprefix("K ")) if each not in _OF_THE_RECORDING]
    at = arguments.index("--") if "--" in arguments else len(arguments)
    arguments[at:at] = ["--dry-run=client", "-o", "json", f"--kubeconfig={kubeconfig}"]
    kubectl = Path(sys.executable).parent / "kubectl"
    process = await asyncio.create_subprocess_exec(
        kubectl, *arguments, stdout=asyncio.subprocess.PIPE, env={"HOME": str(kubeconfig.parent)}
    )
    made, _ = await process.communicate()
    assert process.returncode == 0, command
    return made
