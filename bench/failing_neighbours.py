"""Do applications that never become healthy slow down the others?

200 Kustomizations with `wait: true`, of which 50 never become healthy (their Deployment wants a Pod that never is
ready). A commit changes all; reported are p50 and p95 from the end of `git push` to Ready of the same 150 healthy ones,
beside a fleet in which all 200 are healthy. Both fleets live on servers of their own, one after the other.

    python bench/failing_neighbours.py [--server embedded|real] [--count 200] [--failing 50] [--runs 3] [--commits 5]
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from arrivals import PATIENCE, Arrivals, all_wait, percentiles, pushed
from gitops_fleet import eventually, fleet_on, names_of, server_of, small_app


def failing_app(name: str, mark: str) -> list[dict[str, Any]]:
    """The same with a Pod that never is ready, on simulated nodes as on none."""
    deployment, *others = small_app(name, mark)
    template = {**deployment["spec"]["template"]}
    template["metadata"] = {**template["metadata"], "annotations": {"sim.gitops/fail": "never-ready"}}
    return [{**deployment, "spec": {**deployment["spec"], "replicas": 1, "template": template}}, *others]


async def fleet_of(kind: str, count: int, failing: int, commits: int) -> list[float]:
    """Seconds from each push to Ready, of every healthy one."""
    names = names_of(count)
    ill = set(names[:: count // failing][:failing]) if failing else set()
    watched = [name for name in names if name not in ill]
    seconds: list[float] = []
    with tempfile.TemporaryDirectory(prefix="afflux-bench-") as folder:
        work = Path(folder)
        async with server_of(kind, work) as server, fleet_on(server, work) as fleet:
            await fleet.create(names)
            await eventually(lambda: all_wait(fleet, names), 300)
            async with Arrivals(fleet.client).following() as arrivals:
                for number in range(commits + 1):
                    for name in names:
                        app = failing_app if name in ill else small_app
                        fleet.repository.write(name, f"commit-{number}", app)
                    await pushed(fleet, arrivals, watched, f"commit-{number}")
                    start = time.monotonic()
                    await fleet.look_at_source(f"commit-{number}")
                    await asyncio.wait_for(arrivals.complete.wait(), PATIENCE)
                    if number:
                        seconds += [arrivals.ready[name] - start for name in watched]
                    await asyncio.sleep(3)  # the ill ones are applied as well
    return seconds


async def measure(kind: str, count: int, failing: int, runs: int, commits: int) -> None:
    ratios = []
    for _ in range(runs):
        ill = percentiles(await fleet_of(kind, count, failing, commits))
        well = percentiles(await fleet_of(kind, count, 0, commits))
        ratios.append(ill["p95"] / well["p95"])
        print(
            f"{kind}: with {failing} of {count} failing p50 {ill['p50']:.2f} s, p95 {ill['p95']:.2f} s; all healthy "
            f"p50 {well['p50']:.2f} s, p95 {well['p95']:.2f} s; ratio of p95 {ratios[-1]:.2f}",
            flush=True,
        )
    print(f"{kind}: median ratio of p95 {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=["embedded", "real"], default="embedded")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--failing", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--commits", type=int, default=5)
    arguments = parser.parse_args()
    uvloop.run(measure(arguments.server, arguments.count, arguments.failing, arguments.runs, arguments.commits))
