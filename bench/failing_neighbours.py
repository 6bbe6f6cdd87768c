"""Do applications that never become healthy slow down the others?

200 Kustomizations with `wait: true`, of which 50 never become healthy (their Deployment wants a Pod that never is
ready). A commit changes all; reported are p50 and p95 from the end of `git push` to Ready of the same 150 healthy ones,
beside a fleet in which the Pods of those 50 are ready at once. Both fleets live on servers of their own.

    python bench/failing_neighbours.py [--server embedded|real] [--count 200] [--failing 50] [--runs 3] [--commits 5]
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from arrivals import PATIENCE, Arrivals, all_wait, percentiles, pushed
from gitops_fleet import eventually, fleet_on, names_of, server_of, small_app


def app_with_a_pod(fails: bool, name: str, mark: str) -> list[dict[str, Any]]:
    """The same with one Pod, which is ready at once or never."""
    deployment, *others = small_app(name, mark)
    template = {**deployment["spec"]["template"]}
    annotations = {"sim.gitops/fail": "never-ready"} if fails else {}
    template["metadata"] = {**template["metadata"], "annotations": annotations}
    return [{**deployment, "spec": {**deployment["spec"], "replicas": 1, "template": template}}, *others]


async def fleet_of(kind: str, count: int, failing: int, commits: int, *, fails: bool) -> list[float]:
    """Seconds from each push to Ready, of those that are healthy in either fleet."""
    names = names_of(count)
    neighbours = set(names[:: count // failing][:failing])
    watched = [name for name in names if name not in neighbours]
    seconds: list[float] = []
    with tempfile.TemporaryDirectory(prefix="afflux-bench-") as folder:
        work = Path(folder)
        async with server_of(kind, work, nodes=True) as server, fleet_on(server, work) as fleet:
            await fleet.create(names)
            await eventually(lambda: all_wait(fleet, names), 300)
            async with Arrivals(fleet.client).following() as arrivals:
                for number in range(commits + 1):
                    for name in names:
                        app = partial(app_with_a_pod, fails) if name in neighbours else small_app
                        fleet.repository.write(name, f"commit-{number}", app)
                    await pushed(fleet, arrivals, watched, f"commit-{number}")
                    start = time.monotonic()
                    await fleet.look_at_source(f"commit-{number}")
                    await asyncio.wait_for(arrivals.complete.wait(), PATIENCE)
                    if number:
                        seconds += [arrivals.ready[name] - start for name in watched]
                    await asyncio.sleep(3)  # the neighbours are applied as well
    return seconds


async def measure(kind: str, count: int, failing: int, runs: int, commits: int) -> None:
    ratios = []
    for _ in range(runs):
        ill = percentiles(await fleet_of(kind, count, failing, commits, fails=True))
        well = percentiles(await fleet_of(kind, count, failing, commits, fails=False))
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
