"""Many watches while many write: nothing is lost, nothing comes out of order, and memory stays within bounds.

``AFFLUX_STRESS=full`` runs it with 500 watches and 100,000 changes (minutes), else smaller.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import yaml

from cluster import start_cluster

FULL: Final = os.environ.get("AFFLUX_STRESS") == "full"
WATCHES, CHANGES = (500, 100_000) if FULL else (100, 5_000)
WRITERS: Final = 20
NAMES: Final = 25
"""How many objects each writer creates, changes and deletes in turn."""

PEAK_BYTES: Final = (900 if FULL else 300) * 2**20
"""What the server may take at most: the history that it keeps is bounded, and so is what waits for a watcher."""

CONFIG_MAPS: Final = "/api/v1/namespaces/default/configmaps"
SELECTED: Final = "labelSelector=group%3Da"
KINDS: Final = (
    ("everything", "", "timeoutSeconds=3000"),
    ("a selection that objects come into and leave", SELECTED, "timeoutSeconds=3000"),
    ("everything, in short streams", "", "timeoutSeconds=2"),
    ("everything, with bookmarks", "", "timeoutSeconds=3000&allowWatchBookmarks=true"),
)
"""What a watch says, which objects it selects, and its other options; the watches take turns."""


@dataclass
class Replay:
    """A client that knows the objects only by the events it got: how many, and a digest of their versions in order."""

    kind: tuple[str, str, str]
    version: int
    objects: dict[str, int]
    seen: int = 0
    digest: int = 0
    lists: int = 0

    def take(self, line: bytes) -> bool:
        """One event; whether it was the last that matters."""
        type_, name, version = parsed(line)
        if type_ == "BOOKMARK":
            return False
        assert version > self.version, f"{version} came after {self.version}"
        self.version = version
        self.seen += 1
        self.digest = hash((self.digest, version))
        if type_ == "DELETED":
            assert name in self.objects, f"{name} was deleted before it was there"
            del self.objects[name]
        else:
            assert (type_ == "ADDED") is (name not in self.objects), (type_, name)
            self.objects[name] = version
        return name == "end"


class TooOld(Exception):
    """The stream can't go on from there."""


@lru_cache(maxsize=4096)
def parsed(line: bytes) -> tuple[str, str, int]:
    """Type, name and version of an event: most watches get the same bytes."""
    event = json.loads(line)
    if event["type"] == "ERROR":
        raise TooOld(event["object"]["message"])
    metadata = event["object"]["metadata"]
    return event["type"], metadata.get("name", ""), int(metadata["resourceVersion"])


class Client:
    """HTTP to one server, as JSON."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        described = config["clusters"][0]["cluster"]
        authority = base64.b64decode(described["certificate-authority-data"]).decode()
        self.server: str = described["server"]
        self.trust = ssl.create_default_context(cadata=authority)
        self.headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}

    async def __aenter__(self) -> Client:
        connector = aiohttp.TCPConnector(ssl=self.trust, limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        self.session = aiohttp.ClientSession(connector=connector, headers=self.headers, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": kind}
        async with self.session.request(method, self.server + path, data=data, headers=headers) as response:
            assert response.status < 300, await response.text()
            return await response.json()

    async def listed(self, query: str) -> tuple[dict[str, int], int]:
        found = await self.call("GET", f"{CONFIG_MAPS}?{query}")
        objects = {item["metadata"]["name"]: int(item["metadata"]["resourceVersion"]) for item in found["items"]}
        return objects, int(found["metadata"]["resourceVersion"])

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        """The lines of a stream, until it ends."""
        async with self.session.get(self.server + path) as response:
            assert response.status == 200
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield line


async def replay(client: Client, kind: tuple[str, str, str], opened: asyncio.Semaphore) -> Replay:
    """Watch until the end, going on where a stream ended; ``opened`` is released when the first list is there."""
    objects, version = await client.listed(kind[1])
    told = Replay(kind, version, objects)
    opened.release()
    while True:
        path = f"{CONFIG_MAPS}?watch=1&resourceVersion={told.version}&{kind[1]}&{kind[2]}"
        try:
            async with contextlib.aclosing(client.lines(path)) as lines:
                async for line in lines:
                    if told.take(line):
                        return told
        except TooOld:
            told.lists += 1
            told.objects, told.version = await client.listed(kind[1])


async def write(client: Client, writer: int, changes: int) -> None:
    """Each object of this writer is created, changed in and out of the selection, and deleted, again and again."""
    for number, step in zip(range(changes), itertools.cycle(range(6)), strict=False):
        name = f"w{writer}-{number // 6 % NAMES}"
        labels = {"group": "ab"[step % 2]}
        body = {"metadata": {"name": name, "labels": labels}, "data": {"number": str(number), "text": "x" * 50}}
        if step == 0:
            await client.call("POST", CONFIG_MAPS, body)
        elif step < 5:
            await client.call("PATCH", f"{CONFIG_MAPS}/{name}", body, "application/merge-patch+json")
        else:
            await client.call("DELETE", f"{CONFIG_MAPS}/{name}")


def memory_of(process: int) -> int:
    """Bytes that a process takes, shared pages in proportion."""
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    return int(rollup.partition("\nPss:")[2].split()[0]) * 1024


async def peak_memory(process: int) -> int:
    """The most that the process took, until it is cancelled."""
    peak = 0
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            peak = max(peak, memory_of(process))
            await asyncio.sleep(0.25)
    return peak


async def stressed(client: Client, process: int) -> tuple[list[Replay], int]:
    """Every watch's replay, and the memory that the server took at most."""
    opened = asyncio.Semaphore(0)
    watches = [asyncio.create_task(replay(client, KINDS[each % len(KINDS)], opened)) for each in range(WATCHES)]
    for _ in watches:
        await opened.acquire()
    memory = asyncio.create_task(peak_memory(process))
    await asyncio.gather(*(write(client, writer, CHANGES // WRITERS) for writer in range(WRITERS)))
    await client.call("POST", CONFIG_MAPS, {"metadata": {"name": "end", "labels": {"group": "a"}}})
    replays = await asyncio.gather(*watches)
    memory.cancel()
    return replays, await memory


pytestmark = pytest.mark.embedded_only("measures the embedded plane's memory")
LINUX = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is as Linux tells it")


@LINUX
@pytest.mark.timeout(3000 if FULL else 120)
async def test_no_watch_loses_or_reorders_a_change(tmp_path: Path) -> None:
    with start_cluster(tmp_path) as cluster:
        async with Client(cluster.kubeconfig) as client:
            replays, peak = await stressed(client, cluster.process.pid)
            final = {query: (await client.listed(query))[0] for _, query, _ in KINDS}
    for told in replays:
        assert told.objects == final[told.kind[1]], told.kind[0]
    complete = [(told.seen, told.digest) for told in replays if not told.kind[1] and not told.lists]
    assert complete, "every watch had to list again"
    assert all(each == complete[0] for each in complete)
    assert complete[0][0] == CHANGES + 1
    print(f"peak {peak / 2**20:.0f} MB, {sum(each.lists for each in replays)} lists, {len(complete)} complete replays")
    assert peak < PEAK_BYTES, f"the server took {peak / 2**20:.0f} MB"


@LINUX
async def test_watches_that_nobody_reads_are_ended_and_cost_little(tmp_path: Path) -> None:
    with start_cluster(tmp_path) as cluster:
        async with Client(cluster.kubeconfig) as client:
            _, since = await client.listed("")
            path = f"{client.server}{CONFIG_MAPS}?watch=1&resourceVersion={since}"
            idle = [await client.session.get(path) for _ in range(20)]
            body = {"metadata": {"name": "large"}, "data": {"text": "x" * 500_000}}
            await client.call("POST", CONFIG_MAPS, body)
            for number in range(150):
                body["data"]["number"] = str(number)
                await client.call("PATCH", f"{CONFIG_MAPS}/large", body, "application/merge-patch+json")
            assert memory_of(cluster.process.pid) < 400 * 2**20
            for stream in idle:
                lines = [line async for line in stream.content if line.endswith(b"\n")]
                numbers = [int(found[1]) for line in lines if (found := re.search(rb'"number":"(\d+)"', line))]
                assert numbers == list(range(len(numbers)))
                assert len(numbers) < 150
