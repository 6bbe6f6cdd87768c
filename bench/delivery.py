"""How long from a push to N Kustomizations applied and Ready, and how near is that to what the server can take?

N Kustomizations with `wait: true` over one GitRepository with N paths, each a Deployment scaled to zero, a
ServiceAccount, a Service and an Ingress: installed by one commit, upgraded by another that changes every path. On a
real server every write of Afflux is recorded, and a loader in Go sends the same writes to a fresh server as
fast as it takes them: that time is the limit. Everything runs on the same cores.

    python bench/delivery.py [--servers real,embedded] [--counts 100,500,1000] [--runs 3] [--json FILE]

`applied` is when the Deployment carries the commit's mark, `ready` when the Kustomization says so for the revision;
both from the end of `git push`. Memory is the peak of the sum of PSS, sampled ten times a second.
"""

import argparse
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from arrivals import Arrivals, all_wait, installed, percentiles
from gitops_fleet import Fleet, Server, dump, eventually, fleet_on, names_of, server_of
from loader import build_loader, recorded_writes, replay
from process_tree import Process, Sampler


async def one_push(fleet: Fleet, arrivals: Arrivals, names: list[str], mark: str) -> dict[str, Any]:
    """One commit, from the end of its push until all are Ready."""
    for name in names:
        fleet.repository.write(name, mark)
    before = fleet.requests()
    with Sampler({"afflux": fleet.afflux, "api server": fleet.server.process}) as sampler:
        start = await installed(fleet, arrivals, names, mark)
        wall = time.monotonic() - start
    ended = datetime.now(UTC)
    after = fleet.requests()
    return {
        "revision": arrivals.revision,
        "ended": ended.isoformat(),
        "wall": wall,
        "applied": percentiles([at - start for at in arrivals.applied.values()]),
        "ready": percentiles([at - start for at in arrivals.ready.values()]),
        "cpu": sampler.cpu,
        "peak": sampler.peak,
        "requests": {verb: count - before.get(verb, 0) for verb, count in sorted(after.items())},
    }


async def deliver(kind: str, count: int, work: Path, loader: Path | None, options: list[str]) -> dict[str, Any]:
    """Install and upgrade on a server of their own; then the limit."""
    names = names_of(count)
    audit = kind == "real" and loader is not None
    async with server_of(kind, work, audit=audit) as server, fleet_on(server, work, *options) as fleet:
        await fleet.create(names)
        await eventually(lambda: all_wait(fleet, names), 120)
        async with Arrivals(fleet.client).following() as arrivals:
            result = {"install": await one_push(fleet, arrivals, names, "one")}
            result["upgrade"] = await one_push(fleet, arrivals, names, "two")
    if audit:
        assert server.audit_log is not None and loader is not None
        phases = [(result[phase]["revision"], result[phase]["ended"]) for phase in ("install", "upgrade")]
        parts = recorded_writes(server.audit_log, phases)
        limits = await _limits(work / "limit", names, loader, parts)
        for phase, limit in zip(("install", "upgrade"), limits, strict=True):
            result[phase]["limit"] = limit
    return result


async def _limits(work: Path, names: list[str], loader: Path, parts: list[list[bytes]]) -> list[dict[str, Any]]:
    """What the loader needs for each part, on a fresh server with what was there before the first push.

    Everything else is as in the run that it is compared with: the bench's watches and samples cost the same.
    """
    async with server_of("real", work) as server, fleet_on(server, work) as fleet:
        await fleet.create(names)
        await eventually(lambda: all_wait(fleet, names), 120)
        await fleet.stop_afflux()
        async with Arrivals(fleet.client).following():
            return [await _limit(loader, server, work, part) for part in parts]


async def _limit(loader: Path, server: Server, work: Path, writes: list[bytes]) -> dict[str, Any]:
    with Sampler({"loader": Process(os.getpid()), "api server": server.process}) as sampler:
        seconds = await replay(loader, server.kubeconfig, work, writes)
    return {"writes": len(writes), "wall": seconds, "cpu": sampler.cpu["api server"]}


def medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each figure over the runs."""
    first = runs[0]
    return {
        key: medians([run[key] for run in runs])
        if isinstance(value, dict)
        else value
        if isinstance(value, str)
        else statistics.median(run[key] for run in runs)
        for key, value in first.items()
    }


def row(kind: str, count: int, phase: str, result: dict[str, Any]) -> str:
    limit = result.get("limit")
    ratio = f"{limit['wall']:6.1f} s {result['wall'] / limit['wall']:5.2f}x" if limit else f"{'':8} {'':6}"
    times = " ".join(f"{result[what][name]:6.2f}" for what in ("applied", "ready") for name in ("p50", "p95", "p99"))
    cost = " ".join(
        f"{result['cpu'][who]:6.1f} s {result['peak'][who] / 2**20:5.0f} MiB" for who in ("afflux", "api server")
    )
    return f"{kind:8} {count:5} {phase:8} {result['wall']:7.1f} s {ratio} | {times} | {cost}"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", default="real,embedded")
    parser.add_argument("--counts", default="100,500,1000")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, help="the figures, for machines")
    parser.add_argument("--no-limit", action="store_true", help="leave the loader out")
    parser.add_argument("--option", action="append", default=[], help="of afflux run, such as --concurrent=8")
    arguments = parser.parse_args()
    print(
        "server   count phase       wall   limit ratio | applied p50 p95 p99, ready p50 p95 p99 s | afflux, API server"
    )
    results: dict[str, Any] = {}
    for kind in arguments.servers.split(","):
        loader = build_loader() if kind == "real" and not arguments.no_limit else None
        for count in map(int, arguments.counts.split(",")):
            runs = []
            for _ in range(arguments.runs):
                with tempfile.TemporaryDirectory(prefix="afflux-bench-") as folder:
                    runs.append(await deliver(kind, count, Path(folder), loader, arguments.option))
            result = medians(runs)
            results[f"{kind} {count}"] = {"median": result, "runs": runs}
            for phase in ("install", "upgrade"):
                print(row(kind, count, phase, result[phase]), flush=True)
                limit = result[phase].get("limit")
                alone = (
                    f"; the limit: {limit['writes']} writes, {limit['cpu']:.1f} s of the API server" if limit else ""
                )
                print(f"{'':15} requests: {result[phase]['requests']}{alone}", flush=True)
            if arguments.json:
                arguments.json.write_text(dump(results))


if __name__ == "__main__":
    uvloop.run(main())
