"""Twenty links of `dependsOn`: how much longer than their readiness takes a commit to reach the end?

Each link's Deployment has a Pod that becomes ready after a time of its own. A commit changes all links; reported are
the time from the end of `git push` until the last one is Ready, the sum of the times between each Deployment's change
and its availability, and the difference.

    python bench/chain.py [--server embedded|real] [--links 20] [--ready-after 0.5s] [--runs 3]
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from afflux.kube.client import KubeClient, Selection
from afflux.kube.watch import watch
from arrivals import Arrivals, all_wait, installed
from gitops_fleet import APPS, DEPLOYMENT, Fleet, condition, eventually, fleet_on, names_of, server_of, small_app


def app_with_a_pod(ready_after: str, name: str, mark: str) -> list[dict[str, Any]]:
    deployment, *others = small_app(name, mark)
    template = {**deployment["spec"]["template"]}
    template["metadata"] = {**template["metadata"], "annotations": {"sim.gitops/ready-after": ready_after}}
    spec = {**deployment["spec"], "replicas": 1, "template": template, "strategy": {"type": "Recreate"}}
    return [{**deployment, "spec": spec}, *others]


class Readiness:
    """When each Deployment was seen changed for a commit, and rolled out."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self.mark = ""
        self.changed: dict[str, float] = {}
        self.rolled_out: dict[str, float] = {}

    async def follow(self) -> None:
        async with aclosing(watch(self._client, DEPLOYMENT, Selection(namespace=APPS))) as events:
            async for event in events:
                if event.object:
                    self._see(event.object)

    def _see(self, live: dict[str, Any]) -> None:
        metadata, status = live["metadata"], live.get("status") or {}
        if metadata.get("annotations", {}).get("bench/mark") != self.mark or not self.mark:
            return
        self.changed.setdefault(metadata["name"], time.monotonic())
        seen = status.get("observedGeneration") == metadata["generation"]
        ready = status.get("updatedReplicas") == status.get("readyReplicas") == 1
        if seen and ready and condition(live, "Available").get("status") == "True":
            self.rolled_out.setdefault(metadata["name"], time.monotonic())


async def one_commit(
    fleet: Fleet, arrivals: Arrivals, readiness: Readiness, names: list[str], mark: str
) -> list[float]:
    readiness.mark, readiness.changed, readiness.rolled_out = mark, {}, {}
    start = await installed(fleet, arrivals, names, mark)
    total = max(arrivals.ready.values()) - start
    alone = sum(readiness.rolled_out[name] - readiness.changed[name] for name in names)
    return [total, alone, total - alone]


async def measure(kind: str, links: int, ready_after: str, runs: int) -> None:
    names = names_of(links)
    rows = []
    with tempfile.TemporaryDirectory(prefix="afflux-bench-") as folder:
        work = Path(folder)
        async with server_of(kind, work, nodes=True) as server, fleet_on(server, work) as fleet:
            await fleet.create([])
            for before, name in zip(["", *names], names, strict=False):
                await fleet.kustomization(name, **({"dependsOn": [{"name": before}]} if before else {}))
            await eventually(lambda: all_wait(fleet, names), 120)
            readiness = Readiness(fleet.client)
            following = asyncio.create_task(readiness.follow())
            async with Arrivals(fleet.client).following() as arrivals:
                for number in range(runs + 1):
                    for name in names:
                        fleet.repository.write(name, f"commit-{number}", partial(app_with_a_pod, ready_after))
                    row = await one_commit(fleet, arrivals, readiness, names, f"commit-{number}")
                    rows += [row] if number else []
            following.cancel()
    total, alone, more = (statistics.median(column) for column in zip(*rows, strict=True))
    print(
        f"{kind}, {links} links, medians of {runs}: {total:.2f} s in all, {alone:.2f} s of readiness, {more:.2f} s more"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=["embedded", "real"], default="embedded")
    parser.add_argument("--links", type=int, default=20)
    parser.add_argument("--ready-after", default="0.5s")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    uvloop.run(measure(arguments.server, arguments.links, arguments.ready_after, arguments.runs))
