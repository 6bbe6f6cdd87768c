"""When the objects of a commit arrive in a cluster, seen from outside: by watches of the bench's own."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from afflux.kube.client import KubeClient, Selection
from afflux.kube.watch import watch
from afflux.objects.manifest import Manifest
from gitops_fleet import APPS, DEPLOYMENT, FLUX, KUSTOMIZATION, Fleet, condition, eventually, fleet_on, server_of

PATIENCE = 900.0


@dataclass
class Arrivals:
    """When each Kustomization's objects were first seen in the state of a commit, and when it was Ready for it."""

    client: KubeClient
    mark: str = ""
    revision: str = ""
    applied: dict[str, float] = field(default_factory=dict)
    ready: dict[str, float] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    complete: asyncio.Event = field(default_factory=asyncio.Event)

    def expect(self, names: Sequence[str], mark: str, revision: str) -> None:
        self.mark, self.revision, self.names = mark, revision, frozenset(names)
        self.applied, self.ready = {}, {}
        self.complete.clear()

    async def follow_deployments(self) -> None:
        selection = Selection(namespace=APPS, metadata_only=True)
        async with aclosing(watch(self.client, DEPLOYMENT, selection)) as events:
            async for event in events:
                metadata = event.object.get("metadata") or {}
                if (metadata.get("annotations") or {}).get("bench/mark") == self.mark and self.mark:
                    self.applied.setdefault(metadata["name"], time.monotonic())
                    self._check()

    async def follow_kustomizations(self) -> None:
        async with aclosing(watch(self.client, KUSTOMIZATION, Selection(namespace=FLUX))) as events:
            async for event in events:
                if self._is_ready(event.object):
                    self.ready.setdefault(event.object["metadata"]["name"], time.monotonic())
                    self._check()

    def _is_ready(self, kustomization: Manifest) -> bool:
        applied = (kustomization.get("status") or {}).get("lastAppliedRevision")
        is_true = condition(kustomization, "Ready").get("status") == "True"
        return bool(self.revision) and applied == self.revision and is_true

    def _check(self) -> None:
        if len(self.applied) >= len(self.names) and self.names <= self.ready.keys() & self.applied.keys():
            self.complete.set()

    @asynccontextmanager
    async def following(self) -> AsyncIterator["Arrivals"]:
        tasks = [asyncio.create_task(self.follow_deployments()), asyncio.create_task(self.follow_kustomizations())]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def pushed(fleet: Fleet, arrivals: Arrivals, names: Sequence[str], mark: str) -> str:
    """Commits what was written and pushes it; the revision is known to the watches before the server has it."""
    await fleet.repository.git("add", "--all")
    await fleet.repository.git("commit", "--quiet", "--message", mark)
    revision = f"main@sha1:{await fleet.repository.git('rev-parse', 'HEAD')}"
    arrivals.expect(names, mark, revision)
    await fleet.repository.git("push", "--quiet", "origin", "HEAD:main")
    return revision


async def installed(fleet: Fleet, arrivals: Arrivals, names: Sequence[str], mark: str) -> float:
    """Pushes what was written and waits until all are Ready for it; when the push was done, by the monotonic clock."""
    revision = await pushed(fleet, arrivals, names, mark)
    start = time.monotonic()
    await fleet.look_at_source(mark)
    try:
        await asyncio.wait_for(arrivals.complete.wait(), PATIENCE)
    except TimeoutError:
        late = sorted(arrivals.names - arrivals.ready.keys())[:5]
        raise SystemExit(f"not Ready for {revision} after {PATIENCE:g} s: {late} ...") from None
    return start


@asynccontextmanager
async def installed_fleet(
    kind: str, names: Sequence[str], interval: str = "10m"
) -> AsyncIterator[tuple[Fleet, Arrivals]]:
    """A server, `afflux run` and Kustomizations that are all Ready for a first commit."""
    with tempfile.TemporaryDirectory(prefix="afflux-bench-") as folder:
        work = Path(folder)
        async with server_of(kind, work) as server, fleet_on(server, work) as fleet:
            await fleet.create(names, interval=interval)
            await eventually(lambda: all_wait(fleet, names), 300)
            for name in names:
                fleet.repository.write(name, "first")
            async with Arrivals(fleet.client).following() as arrivals:
                await installed(fleet, arrivals, names, "first")
                yield fleet, arrivals


async def all_wait(fleet: Fleet, names: Sequence[str]) -> bool:
    """Every Kustomization was looked at and waits for its source."""
    listing = await fleet.client.list(KUSTOMIZATION, Selection(namespace=FLUX))
    waiting = [one for one in listing.items if condition(one, "Ready").get("status") == "False"]
    return len(waiting) >= len(names)


def percentiles(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}
