"""A leader whose event loop hangs: it may not write any more, and can't end by itself."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from afflux.kube.client import KubeClient, Selection, Target
from afflux.kube.config import load_config
from afflux.runtime.lease import LEASE
from cluster_option import Cluster
from waiting import eventually

HANGING = """
import asyncio, sys, time
from pathlib import Path
from afflux.app.event_loop import run_loop
from afflux.app.serve import serve_until
from afflux.app.settings import Settings
from afflux.runtime.lease import LeaseTimes

kubeconfig, data, moment = (Path(argument) for argument in sys.argv[1:])

async def hang():
    while not moment.exists():
        await asyncio.sleep(0.05)
    time.sleep(60)

async def main():
    hanging = asyncio.create_task(hang())
    await serve_until(asyncio.Event(), Settings(data, kubeconfig, election=LeaseTimes(3, 2, 0.5)))

run_loop(main())
"""


async def leader(cluster: Cluster, tmp_path: Path) -> asyncio.subprocess.Process:
    arguments = [str(cluster.kubeconfig), str(tmp_path / "data"), str(tmp_path / "now")]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HANGING, *arguments, stderr=asyncio.subprocess.PIPE, process_group=0
    )
    client = KubeClient.connect(load_config(cluster.kubeconfig))

    async def elected() -> bool:
        assert process.returncode is None
        found = (await client.list(LEASE, Selection("flux-system"))).items
        return len(found) == 2

    await eventually(elected)
    await client.close()
    return process


async def test_a_leader_that_hangs_is_ended_and_says_what_it_was_doing(fresh_cluster: Cluster, tmp_path: Path) -> None:
    process = await leader(fresh_cluster, tmp_path)
    (tmp_path / "now").touch()
    _, said = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    last = said.decode().splitlines()[-1]
    assert last.startswith("Error: no longer the leader: ")
    assert b"in hang" in said


async def test_a_short_pause_does_no_harm(fresh_cluster: Cluster, tmp_path: Path) -> None:
    process = await leader(fresh_cluster, tmp_path)
    client = KubeClient.connect(load_config(fresh_cluster.kubeconfig))
    target = Target(LEASE, "flux-system", "source-controller-leader-election")
    os.kill(process.pid, signal.SIGSTOP)
    before = (await client.get(target))["spec"]["renewTime"]
    os.kill(process.pid, signal.SIGCONT)

    async def renewed() -> bool:
        return bool((await client.get(target))["spec"]["renewTime"] != before)

    await eventually(renewed)
    assert process.returncode is None
    await client.close()
    process.terminate()
    await process.communicate()
