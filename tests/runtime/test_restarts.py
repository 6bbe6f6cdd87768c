"""A controller whose API server goes away and comes back."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

from afflux.kube.client import KubeClient
from afflux.kube.config import load_config
from cluster import start_cluster
from waiting import eventually


async def test_a_controller_survives_the_death_of_its_server(tmp_path: Path, world_of: Any) -> None:
    data = tmp_path / "data"
    process = start_cluster(tmp_path / "first", data_dir=data)
    kube = KubeClient.connect(load_config(process.kubeconfig))
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    world = world_of(kube, namespace)
    await world.install()
    try:
        async with world.controller():
            await world.create("before", interval="100ms")
            await world.create("deleted")
            await world.until_ready("before")
            await world.until_ready("deleted")
            await asyncio.to_thread(process.stop, kill=True)
            runs = len(world.reconciler.causes("before"))
            await world.until_runs("before", runs + 2)
            process = await asyncio.to_thread(start_cluster, tmp_path / "second", data_dir=data)
            await world.create("after")
            await world.until_ready("after")
            await world.kube.delete(world.target("deleted"))
            await world.until_gone("deleted")
            assert (await world.condition("before"))["status"] == "True"

            async def quiet() -> bool:
                return "Reconciler error" not in world.messages("before")[-1:]

            await eventually(quiet)
    finally:
        await kube.close()
        process.stop()
