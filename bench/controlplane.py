"""How fast is the embedded control plane, and how large?

Starts `afflux cluster` in a process of its own, with simulated workloads, and drives it over HTTPS on loopback with
eight connections: the table that `docs/explanation/control-plane.md` prints. Each row is the median of several runs.
`server CPU` is what one operation costs the server's process; it is steadier than the rate where others use the
machine too.

    python bench/controlplane.py [--runs 3] [--quick] [--json] [--durable] [--kubeconfig OTHER]

With `--kubeconfig` the same runs against another server too (in Namespaces that are deleted afterwards), and the last
column is ours divided by the other's. `--durable` alone compares with ours in memory in the same way.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from api_session import CONNECTIONS, Connection, Request, Server, Session
from cluster import ClusterProcess, start_cluster

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@dataclass(frozen=True)
class Sample:
    """One run of one question: its value, and what an operation cost."""

    value: float
    cpu: float = 0.0
    p99: float = 0.0


@dataclass(frozen=True)
class Question:
    """One row of the table. ``target`` is a least rate, or a most for what should be small."""

    says: str
    unit: str
    target: float
    ask: Callable[[Session], Awaitable[Sample]]
    p99: float = 0.0
    """At most so many milliseconds for the slowest hundredth; 0 where nothing is asked."""


async def rate(session: Session, requests: Sequence[Request]) -> Sample:
    """Operations a second over all connections."""
    cpu, start = session.server.cpu_seconds(), time.perf_counter()
    times = await session.all(requests)
    took = time.perf_counter() - start
    spent = session.server.cpu_seconds() - cpu
    return Sample(len(requests) / took, spent / len(requests), statistics.quantiles(times, n=100)[98])


async def milliseconds(session: Session, path: str, accept: str, count: int = 8) -> Sample:
    """The median of one request after the other."""
    times, connection = [], session.pool[0]
    cpu = session.server.cpu_seconds()
    for _ in range(count):
        start = time.perf_counter()
        await connection.call(("GET", path, b""), accept)
        times.append(time.perf_counter() - start)
    return Sample(statistics.median(times) * 1000, (session.server.cpu_seconds() - cpu) / count)


def config_map(number: int, value: str = "1") -> bytes:
    data = {"key": value, "other": "x" * 100}
    labels = {"app": "bench", "number": str(number)}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{number}", "labels": labels}}
    return json.dumps({**manifest, "data": data}).encode()


def deployment(number: int, *, paused: bool = False) -> bytes:
    labels = {"app": f"d{number}"}
    probe = {"httpGet": {"path": "/healthz", "port": "http"}}
    container = {
        "name": "app",
        "image": "registry.example.com/app:1.0",
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": "LEVEL", "value": "info"}, {"name": "NUMBER", "value": str(number)}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "readinessProbe": probe,
        "livenessProbe": probe,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "volumes": [{"name": "tmp", "emptyDir": {}}]},
    }
    spec: dict[str, Any] = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    if paused:
        spec["paused"] = True
    head = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": f"d{number}", "labels": labels}}
    return json.dumps({**head, "spec": spec}).encode()


def applied(path: str, name: str, body: bytes, query: str = "") -> Request:
    return ("PATCH", f"{path}/{name}?fieldManager=bench&force=true{query}", body)


def applied_config_maps(session: Session, count: int, value: str) -> list[Request]:
    return [applied(session.config_maps, f"c{number}", config_map(number, value)) for number in range(count)]


def applied_deployments(session: Session, count: int, query: str = "") -> list[Request]:
    return [applied(session.deployments, f"d{number}", deployment(number), query) for number in range(count)]


async def create_config_maps(session: Session) -> Sample:
    return await rate(session, applied_config_maps(session, session.count(5000), "1"))


async def apply_config_maps_again(session: Session) -> Sample:
    return await rate(session, applied_config_maps(session, session.count(3000), "1"))


async def change_config_maps(session: Session) -> Sample:
    return await rate(session, applied_config_maps(session, session.count(3000), str(time.time())))


async def get_one(session: Session) -> Sample:
    return await rate(session, [("GET", f"{session.config_maps}/c1", b"")] * session.count(8000))


async def list_json(session: Session) -> Sample:
    return await milliseconds(session, session.config_maps, "application/json")


async def list_table(session: Session) -> Sample:
    return await milliseconds(session, session.config_maps, TABLE)


async def select_one(session: Session) -> Sample:
    return await milliseconds(session, f"{session.config_maps}?labelSelector=number%3D7", "application/json", 20)


async def create_deployments(session: Session) -> Sample:
    return await rate(session, applied_deployments(session, session.count(1000)))


async def roll_out_deployments(session: Session) -> Sample:
    """Created and simulated to the end: ReplicaSet, Pod, and every status."""
    requests = [
        applied(session.deployments, f"d{number}", deployment(number))
        for number in range(session.count(1000), session.count(1000) + session.count(500))
    ]
    await settled(session)
    cpu, start = session.server.cpu_seconds(), time.perf_counter()
    await session.all(requests)
    await settled(session)
    took = time.perf_counter() - start
    return Sample(len(requests) / took, (session.server.cpu_seconds() - cpu) / len(requests))


async def dry_run_deployments(session: Session) -> Sample:
    await settled(session)
    return await rate(session, applied_deployments(session, session.count(1000), "&dryRun=All"))


async def list_deployments(session: Session) -> Sample:
    return await milliseconds(session, session.deployments, "application/json")


async def settled(session: Session) -> None:
    """Until nothing has changed for three looks; one object is listed, for a long answer would count as memory."""
    versions = [""]
    for _ in range(600):
        listed = json.loads(await session.pool[0].call(("GET", f"{session.deployments}?limit=1", b"")))
        versions.append(listed["metadata"]["resourceVersion"])
        if versions[-3:] == [versions[-1]] * 3:
            return
        await asyncio.sleep(0.25)


_VERSION = re.compile(rb'"resourceVersion":"(\d+)"')
_TAIL = 16 * 1024
"""Bytes in which the last whole event of a watch is found again."""


class Watching:
    """Counts the events of one watch. A server may end one that is read too slowly: then it goes on where it was."""

    def __init__(self, session: Session, since: str) -> None:
        self._session = session
        self._since = since
        self.seen = 0

    async def open(self) -> "Watching":
        path = f"{self._session.config_maps}?watch=1&resourceVersion={self._since}"
        self._connection = await Connection(self._session.server).open()
        self._connection.send(("GET", path, b""))
        status, _ = await self._connection.head()
        assert status == 200, status
        return self

    async def until(self, count: int) -> None:
        # Each event ends with a newline after its last brace; a chunk's own line ends with another byte before it.
        last = b""
        while self.seen < count:
            data = await self._connection.reader.read(2**20)
            self.seen += (last[-1:] + data).count(b"}\n")
            last = data[-_TAIL:] if len(data) > _TAIL else (last + data)[-_TAIL:]
            if not data or data.endswith(b"\r\n0\r\n\r\n"):
                self._since = _VERSION.findall(last[: last.rindex(b"}\n")])[-1].decode()
                self.close()
                await self.open()
                last = b""

    def close(self) -> None:
        self._connection.writer.close()


def fan_out(watchers: int, changes: int) -> Callable[[Session], Awaitable[Sample]]:
    """Events a second that arrive over all watchers while eight connections change objects."""

    async def ask(session: Session) -> Sample:
        count = session.count(changes)
        listed = json.loads(await session.pool[0].call(("GET", f"{session.config_maps}?limit=1", b"")))
        since = listed["metadata"]["resourceVersion"]
        watching = [await Watching(session, since).open() for _ in range(watchers)]
        requests = applied_config_maps(session, count, str(time.time()))
        cpu, start = session.server.cpu_seconds(), time.perf_counter()
        await asyncio.gather(session.all(requests), *(each.until(count) for each in watching))
        took = time.perf_counter() - start
        spent = session.server.cpu_seconds() - cpu
        for each in watching:
            each.close()
        return Sample(count * watchers / took, spent / (count * watchers))

    return ask


WRITE_P99 = 25.0

QUESTIONS = (
    Question("SSA create ConfigMap", "/s", 1000, create_config_maps, WRITE_P99),
    Question("SSA no-op ConfigMap", "/s", 1000, apply_config_maps_again, WRITE_P99),
    Question("SSA change ConfigMap", "/s", 1000, change_config_maps, WRITE_P99),
    Question("GET one", "/s", 4000, get_one),
    Question("list 5,000 ConfigMaps, JSON", "ms", 100, list_json),
    Question("list 5,000 ConfigMaps, Table", "ms", 150, list_table),
    Question("label selector, 1 of 5,000", "ms", 36, select_one),
    Question("watch, 1 watcher", "ev/s", 600, fan_out(1, 3000)),
    Question("watch, 20 watchers", "ev/s", 10_900, fan_out(20, 3000)),
    Question("watch, 100 watchers", "ev/s", 20_000, fan_out(100, 2000)),
    Question("SSA create Deployment", "/s", 400, create_deployments, WRITE_P99),
    Question("SSA dry run of an existing Deployment", "/s", 250, dry_run_deployments),
    Question("list 1,000 Deployments", "ms", 43, list_deployments),
    Question("Deployments until all are available", "/s", 0, roll_out_deployments),
)
"""The order matters: the later ones ask about what the earlier ones made."""

Answers = dict[str, list[Sample]]


async def asked(server: Server, run: int, scale: float, answers: Answers) -> None:
    """All questions once."""
    async with Session(server, f"bench-{os.getpid()}-{run}", scale) as session:
        for question in QUESTIONS:
            answers.setdefault(question.says, []).append(await question.ask(session))


async def grown(server: Server, answers: Answers, scale: float) -> None:
    """What objects cost in memory."""
    async with Session(server, f"bench-{os.getpid()}-memory", scale) as session:
        base, count = server.pss(), session.count(5000)
        answers.setdefault("memory of the idle process", []).append(Sample(base / 2**20))
        await session.all(applied_config_maps(session, count, "1"))
        small, more = server.pss(), session.count(1000)
        answers.setdefault("memory of a ConfigMap", []).append(Sample((small - base) / count / 1024))
        paused = [
            applied(session.deployments, f"d{number}", deployment(number, paused=True))
            for number in range(more, 2 * more)
        ]
        await session.all(paused)
        await settled(session)
        alone = server.pss()
        answers.setdefault("memory of a paused Deployment", []).append(Sample((alone - small) / more / 1024))
        await session.all(applied_deployments(session, more))
        await settled(session)
        whole = (server.pss() - alone) / more / 1024
        answers.setdefault("memory of Deployment, ReplicaSet and Pod", []).append(Sample(whole))


async def ready(server: Server) -> None:
    connection = await Connection(server).open()
    await connection.call(("GET", "/readyz", b""))
    connection.writer.close()


def started(folder: Path, durable: bool) -> tuple[ClusterProcess, Server, float]:
    """A plane of our own, and the seconds until it answered."""
    start = time.perf_counter()
    cluster = start_cluster(folder, data_dir=folder / "data" if durable else None, simulation_delay=0.05)
    server = Server.of(cluster.kubeconfig, cluster.process.pid)
    uvloop.run(ready(server))
    return cluster, server, time.perf_counter() - start


def measure_ours(runs: int, scale: float, *, durable: bool) -> Answers:
    answers: Answers = {}
    with tempfile.TemporaryDirectory(prefix="afflux-bench-") as folder:
        for run in range(runs):
            cluster, server, seconds = started(Path(folder) / f"run-{run}", durable)
            with cluster:
                answers.setdefault("start to ready", []).append(Sample(seconds))
                uvloop.run(asked(server, run, scale, answers))
            cluster, server, _ = started(Path(folder) / f"memory-{run}", durable)
            with cluster:
                uvloop.run(grown(server, answers, scale))
    return answers


def measure_other(kubeconfig: Path, runs: int, scale: float) -> Answers:
    answers: Answers = {}
    for run in range(runs):
        uvloop.run(asked(Server.of(kubeconfig), run, scale, answers))
    return answers


LIMITS = (
    ("start to ready", "s", 0.7),
    ("memory of the idle process", "MB", 80.0),
    ("memory of a ConfigMap", "KB", 10.0),
    ("memory of a paused Deployment", "KB", 25.0),
    ("memory of Deployment, ReplicaSet and Pod", "KB", 0.0),
)


def rows(ours: Answers, other: Answers) -> list[dict[str, Any]]:
    """The table: one row a question, medians."""
    asked = [(each.says, each.unit, each.target, each.p99) for each in QUESTIONS]
    asked += [(says, unit, most, 0.0) for says, unit, most in LIMITS]
    return [row(*each, ours[each[0]], other.get(each[0], [])) for each in asked]


def row(
    says: str, unit: str, target: float, most_p99: float, ours: list[Sample], other: list[Sample]
) -> dict[str, Any]:
    value = statistics.median(each.value for each in ours)
    found = {"what": says, "value": value, "unit": unit, "target": target}
    found["met"] = not target or (value >= target if unit.endswith("/s") else value <= target)
    found["cpu_us"] = statistics.median(each.cpu for each in ours) * 1e6
    found["p99_ms"] = statistics.median(each.p99 for each in ours) * 1e3
    found["p99_met"] = not most_p99 or found["p99_ms"] <= most_p99
    if other:
        found["other"] = statistics.median(each.value for each in other)
        found["ratio"] = value / found["other"]
    return found


def printed(row: dict[str, Any]) -> str:
    digits = 2 if row["value"] < 10 else 0
    target = f"{row['target']:,g}" if row["target"] else ""
    cells = [
        f"{row['what']:40}",
        f"{row['value']:>9,.{digits}f} {row['unit']:4}",
        f"{target:>7} {'' if row['met'] else 'MISSED':6}",
        f"{row['cpu_us']:>8,.0f} us" if row["cpu_us"] else f"{'':11}",
        (f"{row['p99_ms']:>6.1f} ms" if row["p99_ms"] else f"{'':9}") + ("" if row["p99_met"] else " MISSED"),
    ]
    if "ratio" in row:
        cells.append(f"{row['other']:>9,.{digits}f} {row['ratio']:6.2f}")
    return "  ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the objects, one run")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--durable", action="store_true", help="keep the state on disk, not in memory")
    parser.add_argument("--kubeconfig", type=Path, help="another server to run the same against")
    arguments = parser.parse_args()
    scale, runs = (0.1, 1) if arguments.quick else (1.0, arguments.runs)
    ours = measure_ours(runs, scale, durable=arguments.durable)
    other = measure_other(arguments.kubeconfig, runs, scale) if arguments.kubeconfig else {}
    if arguments.durable and not arguments.kubeconfig:
        other = measure_ours(runs, scale, durable=False)
    table = rows(ours, other)
    if arguments.json:
        print(json.dumps(table))
        return
    print(f"{runs} runs, {CONNECTIONS} connections, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    head = f"{'':40}  {'median':>14}  {'target':>14}  {'server CPU':>11}  {'p99':>9}"
    print(head + ("      other  ratio" if other else ""))
    for each in table:
        print(printed(each))


if __name__ == "__main__":
    main()
