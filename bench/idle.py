"""What does a fleet cost while nothing changes?

N Kustomizations at an interval of a minute, all Ready and looked at once since; then requests by verb and CPU over some
minutes. A write or a dry run (but for the hourly sweep) is a defect.

    python bench/idle.py [--server embedded|real] [--count 1000] [--minutes 2]
"""

import argparse
import asyncio

import uvloop

from arrivals import installed_fleet
from gitops_fleet import names_of
from process_tree import Sampler

WRITES = ("create", "update", "patch", "apply", "delete", "dry-run")


async def measure(kind: str, count: int, minutes: float) -> None:
    names = names_of(count)
    async with installed_fleet(kind, names, interval="1m") as (fleet, _):
        await asyncio.sleep(270)  # four intervals: dry runs find everything clean, then looks do, then the watches
        before = fleet.requests()
        with Sampler({"afflux": fleet.afflux}) as sampler:
            await asyncio.sleep(minutes * 60)
        after = fleet.requests()
    a_minute = {verb: (n - before.get(verb, 0)) / minutes for verb, n in sorted(after.items())}
    share = sampler.cpu["afflux"] / (minutes * 60)
    print(f"{kind}, {count} Kustomizations at 1m, {minutes:g} minutes in which nothing changes:")
    print("  requests a minute: " + ", ".join(f"{verb} {rate:.0f}" for verb, rate in a_minute.items()))
    print(f"  writes and dry runs a minute: {sum(a_minute.get(verb, 0) for verb in WRITES):.0f}")
    print(f"  CPU: {share * 100:.1f} % of a core; memory: {sampler.peak['afflux'] / 2**20:.0f} MiB PSS")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=["embedded", "real"], default="embedded")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=2.0)
    arguments = parser.parse_args()
    uvloop.run(measure(arguments.server, arguments.count, arguments.minutes))
