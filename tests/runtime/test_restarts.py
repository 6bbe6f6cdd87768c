"""A controller whose API server goes away and comes back."""

import asyncio
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from afflux.kube.client import KubeClient
from afflux.kube.config import load_config
from afflux.runtime.events import EventRecorder
from afflux.runtime.outcome import RecordedEvent
from cluster import start_cluster
from waiting import eventually, let_pass

pytestmark = pytest.mark.embedded_only("restarts the embedded plane on its own state")


async def said(world: Any, message: str) -> bool:
    return any(line["msg"] == message for line in world.lines)


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
            await eventually(lambda: said(world, "failed to watch"))
            process = await asyncio.to_thread(start_cluster, tmp_path / "second", data_dir=data)
            await world.create("after")
            await world.until_ready("after")
            await world.kube.delete(world.target("deleted"))
            await world.until_gone("deleted")
            assert (await world.condition("before"))["status"] == "True"

            runs = len(world.reconciler.causes("before"))
            await world.until_runs("before", runs + 2)
    finally:
        await kube.close()
        process.stop()


async def test_a_controller_begins_nothing_while_its_server_is_away(tmp_path: Path, world_of: Any) -> None:
    data = tmp_path / "data"
    process = start_cluster(tmp_path / "first", data_dir=data)
    kube = KubeClient.connect(load_config(process.kubeconfig))
    world = world_of(kube, "default")
    await world.install()
    try:
        async with world.controller(concurrency=1):
            for name in "abcdef":
                await world.create(name, interval="100ms")
            for name in "abcdef":
                await world.until_ready(name)
            await asyncio.to_thread(process.stop, kill=True)
            await eventually(lambda: said(world, "failed to watch"))
            begun = len(world.reconciler.runs)
            await asyncio.to_thread(let_pass, 2.0)
            # Each of them was due many times over.
            assert len(world.reconciler.runs) <= begun + 1
            assert len([line for line in world.lines if line["level"] == "error"]) < 15
            process = await asyncio.to_thread(start_cluster, tmp_path / "second", data_dir=data)
            runs = len(world.reconciler.causes("a"))
            await world.until_runs("a", runs + 2)
    finally:
        await kube.close()
        process.stop()


async def test_a_server_restored_from_an_older_snapshot_is_believed(tmp_path: Path, world_of: Any) -> None:
    data, snapshot = tmp_path / "data", tmp_path / "snapshot"
    process = start_cluster(tmp_path / "first", data_dir=data)
    kube = KubeClient.connect(load_config(process.kubeconfig))
    world = world_of(kube, "default")
    await world.install()
    await world.create("old")
    process.stop()
    shutil.copytree(data, snapshot)
    process = await asyncio.to_thread(start_cluster, tmp_path / "second", data_dir=data)
    try:
        async with world.controller():
            await world.until_ready("old")
            await world.create("lost")
            await world.until_ready("lost")
            await world.patch("old", {"spec": {"url": "https://git.example/lost"}})
            await world.until_runs("old", 2)
            await world.until_ready("old")
            await asyncio.to_thread(process.stop, kill=True)
            shutil.rmtree(data)
            shutil.copytree(snapshot, data)
            process = await asyncio.to_thread(start_cluster, tmp_path / "third", data_dir=data)
            ready = await world.until_ready("old")
            assert ready["spec"]["url"] == "https://git.example/x"
            assert ready["status"]["observedGeneration"] == ready["metadata"]["generation"]
            await world.create("lost")
            await world.until_ready("lost")
            # What happens from now on is heard, too.
            await world.patch("old", {"spec": {"url": "https://git.example/new"}})
            seen = len(world.reconciler.causes("old"))
            await world.until_runs("old", seen)

            async def observed() -> bool:
                manifest = await world.get("old")
                return bool(manifest["status"]["observedGeneration"] == manifest["metadata"]["generation"])

            await eventually(observed)
    finally:
        await kube.close()
        process.stop()


async def test_events_of_a_time_without_a_server_are_written_when_it_is_back(tmp_path: Path, world_of: Any) -> None:
    data = tmp_path / "data"
    process = start_cluster(tmp_path / "first", data_dir=data)
    kube = KubeClient.connect(load_config(process.kubeconfig))
    world = world_of(kube, "default")
    await world.install()
    recorder = EventRecorder(kube, "source-controller", "source.toolkit.fluxcd.io", lambda: datetime.now(UTC))
    writing = asyncio.create_task(recorder.run())
    try:
        manifest = await world.create("one")
        await asyncio.to_thread(process.stop, kill=True)
        recorder.record(manifest, RecordedEvent("info", "NewArtifact", "stored", {}))
        await asyncio.to_thread(let_pass, 3.0)
        process = await asyncio.to_thread(start_cluster, tmp_path / "second", data_dir=data)

        async def told() -> bool:
            return [event["message"] for event in await world.events("one")] == ["stored"]

        await eventually(told)
    finally:
        writing.cancel()
        await kube.close()
        process.stop()
