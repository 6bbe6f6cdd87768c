"""`afflux logs`: from the controllers' Pods and from a data directory, filtered and printed as `flux logs` does."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from afflux.app.root_objects import namespace, stand_in
from afflux.kube.client import KubeClient, Selection
from afflux.kube.config import load_config
from afflux.kube.pod_logs import POD
from cluster import start_cluster
from waiting import eventually

AFFLUX = str(Path(sys.executable).parent / "afflux")
OLD, NEW = "2026-01-01T00:00:00.000Z", "2026-01-01T01:00:00.000Z"


def line(msg: str, kind: str = "", name: str = "", namespace: str = "flux-system", **more: Any) -> dict[str, Any]:
    about = {"controllerKind": kind, "name": name, "namespace": namespace} if name else {}
    return {"level": "info", "ts": NEW, "msg": msg, **about, **more}


SOURCE = [
    line("starting", ts=OLD),
    line("stored artifact for commit 'First'", "GitRepository", "fleet", revision="main@sha1:abc"),
    line("Reconciler error", "GitRepository", "broken", level="error", error="no route to host"),
]
KUSTOMIZE = [line("server-side apply completed", "Kustomization", "apps", "team-a")]


def text(lines: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(one) + "\n" for one in lines)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "logs"
    folder.mkdir(parents=True)
    (folder / "source-controller.log").write_text(text(SOURCE) + "not a line of ours\n")
    (folder / "kustomize-controller.log").write_text(text(KUSTOMIZE))
    return tmp_path / "data"


def logs(*arguments: str | Path, code: int = 0) -> str:
    """What the command prints; the error where it is to fail."""
    environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    command = [AFFLUX, "logs", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr if code else done.stdout


def test_lines_are_printed_as_flux_prints_them(data: Path) -> None:
    assert logs("--data-dir", data).splitlines() == [
        f"{NEW} info GitRepository/fleet.flux-system - stored artifact for commit 'First' ",
        f"{NEW} error GitRepository/broken.flux-system - Reconciler error no route to host",
    ]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("-A",), ["starting", "stored artifact", "Reconciler error", "server-side apply"]),
        (("-n", "team-a"), ["server-side apply"]),
        (("--level", "error"), ["Reconciler error"]),
        (("--kind", "gitrepository", "--name", "FLEET"), ["stored artifact"]),
        (("-A", "--since-time", "2026-01-01T00:30:00Z"), ["stored artifact", "Reconciler error", "server-side apply"]),
        (("-A", "--since", "1s"), []),
        (("-A", "--tail", "2"), ["Reconciler error", "server-side apply"]),
        (("-A", "--tail", "-1", "--kind", "Kustomization"), ["server-side apply"]),
    ],
)
def test_only_what_is_wanted_is_shown(data: Path, flags: tuple[str, ...], expected: list[str]) -> None:
    shown = [one.partition(" - ")[2] for one in logs("--data-dir", data, *flags).splitlines()]
    assert [one.startswith(start) for one, start in zip(shown, expected, strict=True)] == [True] * len(expected)


def test_the_raw_lines_are_there_for_programs(data: Path) -> None:
    shown = [json.loads(one) for one in logs("--data-dir", data, "-A", "-o", "json").splitlines()]
    assert shown == [*SOURCE, *KUSTOMIZE]


def test_a_hostile_message_does_not_steer_the_terminal(data: Path) -> None:
    hostile = line("commit '\x1b[2J\x9b31m'", "GitRepository", "fleet")
    (data / "logs/source-controller.log").write_text(text([hostile]))
    assert logs("--data-dir", data).endswith(r"- commit '\x1b[2J\x9b31m' " + "\n")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--data-dir", "elsewhere"), 1, "no controller's log in elsewhere/logs; --data-dir is the directory"),
        (("--data-dir", "x", "--context", "y"), 2, "--context are for a cluster"),
        (("--since", "1m", "--since-time", NEW), 2, "at most one of --since and --since-time"),
        (("--since", "yesterday"), 2, "--since"),
        (("--since-time", "yesterday"), 2, "'yesterday' is not RFC 3339"),
        (("--kubeconfig", "no-such-file"), 1, "no-such-file"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(arguments: tuple[str, ...], code: int, words: str) -> None:
    assert words in logs(*arguments, code=code)


@asynccontextmanager
async def following(*arguments: str | Path) -> AsyncIterator[list[str]]:
    """What `afflux logs -f` has printed so far; at the end it is asked to stop, and does."""
    command = [AFFLUX, "logs", "-f", *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    seen: list[str] = []

    async def read(stream: asyncio.StreamReader) -> None:
        async for raw in stream:
            seen.append(raw.decode().partition(" - ")[2].strip())

    reading = asyncio.create_task(read(process.stdout))
    try:
        yield seen
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()
        await reading


async def sees(seen: list[str], *lines: str) -> None:
    async def probe() -> bool:
        assert sorted(seen) == sorted(lines)
        return True

    await eventually(probe)


def append(path: Path, msg: str) -> None:
    with path.open("a") as file:
        file.write(text([line(msg, "GitRepository", "fleet", ts=datetime.now(UTC).isoformat())]))


async def test_new_lines_of_all_files_are_followed(data: Path) -> None:
    async with following("--data-dir", data, "--since", "1h") as seen:
        append(data / "logs/source-controller.log", "one")
        await sees(seen, "one")
        append(data / "logs/kustomize-controller.log", "two")
        await sees(seen, "one", "two")


@pytest.mark.embedded_only("a Pod's log is a kubelet's business on a real server")
async def test_the_pods_of_flux_are_found_and_read_through_the_api(tmp_path: Path, data: Path) -> None:
    folder = data / "logs"
    names = ("source-controller", "kustomize-controller")
    options = [option for name in names for option in ("--pod-log", f"flux-system/{name}={folder / name}.log")]
    with start_cluster(tmp_path / "cluster", *options) as cluster:
        client = KubeClient.connect(load_config(cluster.kubeconfig))
        here = ("--kubeconfig", cluster.kubeconfig)
        try:
            assert 'namespace "flux-system"; name the namespace with --flux-namespace' in logs(*here, code=1)
            for manifest in (namespace(), *map(stand_in, names)):
                await client.create(manifest)

            async def running() -> bool:
                pods = (await client.list(POD, Selection("flux-system"))).items
                return [pod["status"].get("phase") for pod in pods] == ["Running", "Running"]

            await eventually(running)
        finally:
            await client.close()
        assert len(logs(*here, "-A").splitlines()) == 4
        assert logs(*here, "--kind", "GitRepository", "--tail", "3").count("GitRepository") == 2
        recent = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        async with following(*here, "--since-time", recent) as seen:
            append(folder / "source-controller.log", "one")
            append(folder / "kustomize-controller.log", "two")
            await sees(seen, "one", "two")
