"""Several `afflux run` beside each other, each with a user, a data directory and listeners of its own."""

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from process_fleet import free_port
from waiting import eventually

BIN = Path(sys.executable).parent
SHORT = {"lease-duration": "20s", "renew-deadline": "15s", "retry-period": "1s"}
"""Times for tests, long enough for a busy machine."""

_MUTATING = frozenset(("create", "update", "patch", "delete", "deletecollection"))


class Replica:
    """One process. ``times`` are the flags of its leader election; Flux's defaults where there are none."""

    def __init__(self, name: str, work: Path, kubeconfig: Path, times: dict[str, str], *flags: str) -> None:
        self.name, self.data, self.log = name, work / f"data-{name}", work / f"{name}.log"
        self._kubeconfig, self._work = kubeconfig, work
        self.storage, self.health = free_port(), free_port()
        self._flags = [*(f"--leader-election-{key}={value}" for key, value in times.items()), *flags]
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> "Replica":
        listeners = [f"--storage-addr=127.0.0.1:{self.storage}", f"--health-addr=127.0.0.1:{self.health}"]
        command = [str(BIN / "afflux"), "run", "--kubeconfig", str(self._kubeconfig), "--data-dir", str(self.data)]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._work)}
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *command, *listeners, "--metrics-addr=127.0.0.1:0", *self._flags,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=environment, process_group=0,
            )  # fmt: skip
        return self

    def send(self, number: signal.Signals) -> None:
        """A signal for the process alone; its workers go on, as those of a paused container's would not: that is
        harder."""
        assert self.process is not None
        os.kill(self.process.pid, number)

    async def ended(self, timeout: float = 30.0) -> int:
        """Its exit code."""
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), timeout)

    async def kill(self) -> None:
        """kill -9 of the process and its children, whatever state they are in."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            await self.process.wait()

    async def leads(self, timeout: float = 90.0) -> None:
        """Waits until it is ready, which only the leader ever is."""

        async def probe() -> bool:
            assert self.process is not None
            assert self.process.returncode is None, self.said()[-3000:]
            status, text = await self.fetch(self.health, "/readyz")
            assert status == 200, (text, self.said()[-1500:])
            return True

        await eventually(probe, timeout)

    async def stands_by(self, behind: str = "") -> str:
        """Waits until it stands by; what it says that it waits for."""

        async def probe() -> str:
            status, text = await self.fetch(self.health, "/readyz")
            assert status == 503 and "-leader-election, held by afflux/" in text, (text, self.said()[-1500:])
            return text

        return await eventually(probe, 60)

    async def fetch(self, port: int, path: str) -> tuple[int, str]:
        """Status and body of a GET; 0 where nobody answers."""
        try:
            async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.status, (await answer.read()).decode(errors="replace")
        except aiohttp.ClientError as error:
            return 0, str(error)

    async def artifact(self, path: str) -> tuple[int, str]:
        """Asks its artifact server."""
        return await self.fetch(self.storage, f"/{path}")

    def said(self) -> str:
        """Its log."""
        return self.log.read_text()


class Write(NamedTuple):
    """One write in an audit log. Times compare as texts."""

    user: str
    received: str
    completed: str
    code: int
    uri: str


def writes(audit_log: Path, users: tuple[str, ...]) -> list[Write]:
    """What these users wrote (dry runs included, Leases apart), in the order in which the server received it."""
    found = []
    for line in audit_log.read_text().splitlines():
        event: dict[str, Any] = json.loads(line)
        about = event.get("objectRef") or {}
        if (
            event["user"]["username"] not in users
            or event["verb"] not in _MUTATING
            or about.get("resource") == "leases"
        ):
            continue
        code = (event.get("responseStatus") or {}).get("code", 0)
        moment = event["requestReceivedTimestamp"], event["stageTimestamp"]
        found.append(Write(event["user"]["username"], *moment, code, event["requestURI"]))
    return sorted(found, key=lambda write: write.received)


def terms(found: list[Write]) -> list[tuple[str, int]]:
    """Who wrote how much, in turns."""
    turns: list[tuple[str, int]] = []
    for write in found:
        if turns and turns[-1][0] == write.user:
            turns[-1] = (write.user, turns[-1][1] + 1)
        else:
            turns.append((write.user, 1))
    return turns


def assert_never_two(found: list[Write]) -> None:
    """At each change of the writer, all that the former one wrote was done before the new one's first."""
    for position in range(1, len(found)):
        earlier, later = found[position - 1], found[position]
        if earlier.user != later.user:
            last = max(write.completed for write in found[:position])
            assert last <= later.received, (last, later, terms(found))


def timeouts(found: list[Write]) -> list[float]:
    """The seconds that each write granted the server."""
    return [float(match[1]) for write in found if (match := re.search(r"[?&]timeout=([0-9.]+)s", write.uri))]
