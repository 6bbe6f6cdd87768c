"""A commit changes one path of a thousand: what is done for it, and when?

N Kustomizations over one repository, all Ready. A commit changes the path of one in the middle; reported are the builds
that it caused, the time from the end of `git push` until that one is applied and Ready, how many others' status had
moved before, and when the last one's had.

    python bench/one_change.py [--server embedded|real] [--count 1000] [--runs 3]
"""

import argparse
import asyncio
import statistics
import time
from typing import Any

import uvloop

from arrivals import Arrivals, installed_fleet, pushed
from gitops_fleet import Fleet, names_of

BUILDS = "afflux_kustomize_builds_total"


async def one_change(fleet: Fleet, arrivals: Arrivals, names: list[str], mark: str) -> dict[str, float]:
    changed = names[len(names) // 2]
    before, requests = fleet.metrics()[BUILDS], fleet.requests()
    fleet.repository.write(changed, mark)
    await pushed(fleet, arrivals, names, mark)
    start = time.monotonic()
    await fleet.look_at_source(mark)
    while changed not in arrivals.ready or len(arrivals.ready) < len(names):
        await asyncio.sleep(0.05)
        if time.monotonic() - start > 120:
            raise SystemExit(f"{len(names) - len(arrivals.ready)} Kustomizations have not moved after 120 s")
    after = fleet.requests()
    applied = arrivals.applied[changed]
    return {
        "builds": fleet.metrics()[BUILDS] - before,
        "applied s": applied - start,
        "ready s": arrivals.ready[changed] - start,
        "moved before": sum(at < applied for name, at in arrivals.ready.items() if name != changed),
        "last moved s": max(arrivals.ready.values()) - start,
        "requests": sum(after.values()) - sum(requests.values()),
        "dry runs": after.get("dry-run", 0) - requests.get("dry-run", 0),
    }


async def measure(kind: str, count: int, runs: int) -> None:
    names = names_of(count)
    results: list[dict[str, Any]] = []
    async with installed_fleet(kind, names) as (fleet, arrivals):
        for number in range(runs):
            results.append(await one_change(fleet, arrivals, names, f"change-{number}"))
    print(f"{kind}, one path of {count} changes, medians of {runs}:")
    for what in results[0]:
        values = [result[what] for result in results]
        print(f"  {what:13} {statistics.median(values):8.2f}   ({', '.join(f'{value:.2f}' for value in values)})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=["embedded", "real"], default="embedded")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    uvloop.run(measure(arguments.server, arguments.count, arguments.runs))
