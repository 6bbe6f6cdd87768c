"""Pods' logs from files."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from controlplane_client import client_of

from afflux.controlplane.control_plane import ControlPlane, Settings
from waiting import eventually

EARLY, LATE = "2026-01-01T00:00:00.000Z", "2026-01-01T01:00:00.000Z"


def line(text: str, ts: str | None = None) -> str:
    return json.dumps({"ts": ts, "msg": text} if ts else {"msg": text}) + "\n"


def pod(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Any]:
    settings = Settings(pod_logs={"default/worker": tmp_path / "worker.log"}, simulation_delay=0.0)
    async with ControlPlane(settings=settings) as plane, client_of(plane) as client:
        for name in ("worker", "worker-6d4cf56db6-abcde", "other"):
            assert (await client.post("/api/v1/namespaces/default/pods", pod(name))).status == 201
        yield client


async def log(api: Any, name: str, query: str = "") -> str:
    reply = await api.get(f"/api/v1/namespaces/default/pods/{name}/log?{query}")
    assert reply.status == 200, reply.text
    return reply.text


async def test_pods_of_a_deployment_share_its_file(api: Any, tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text(line("one", EARLY) + "plain\n")
    whole = line("one", EARLY) + "plain\n"
    assert await log(api, "worker") == whole
    assert await log(api, "worker-6d4cf56db6-abcde") == whole
    assert await log(api, "other") == ""


async def test_a_log_can_be_cut(api: Any, tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text(line("one", EARLY) + line("two", LATE) + "now\n")
    assert await log(api, "worker", "tailLines=1") == "now\n"
    assert await log(api, "worker", f"sinceTime={LATE}") == line("two", LATE) + "now\n"
    assert await log(api, "worker", "sinceSeconds=60") == "now\n"
    assert await log(api, "worker", "limitBytes=5") == line("one", EARLY)[:5]
    stamped = await log(api, "worker", "timestamps=true&tailLines=2")
    assert stamped.startswith("2026-01-01T01:00:00.000000000Z {")


async def test_a_log_that_is_not_there_yet_is_empty(api: Any) -> None:
    assert await log(api, "worker") == ""


async def test_following_survives_truncation_and_rotation(api: Any, tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    path.write_text("old\n")
    seen: list[str] = []

    async def follow() -> None:
        url = f"{api.address}/api/v1/namespaces/default/pods/worker/log?follow=true"
        async with api.session.get(url, headers={"Authorization": f"Bearer {api.token}"}) as response:
            async for each in response.content:
                seen.append(each.decode().rstrip("\n"))

    async def has(count: int) -> bool:
        return len(seen) >= count

    following = asyncio.create_task(follow())
    await eventually(lambda: has(1))
    with path.open("a") as file:
        file.write("appen")
        file.flush()
        file.write("ded\n")
    await eventually(lambda: has(2))
    path.write_text("short\n"[:3] + "\n")
    await eventually(lambda: has(3))
    path.rename(tmp_path / "worker.log.1")
    path.write_text("rotated\n")
    await eventually(lambda: has(4))
    following.cancel()
    assert seen == ["old", "appended", "sho", "rotated"]


async def test_options_that_exclude_each_other_are_refused(api: Any) -> None:
    base = "/api/v1/namespaces/default/pods/worker/log"
    assert (await api.get(f"{base}?sinceSeconds=1&sinceTime={EARLY}")).status == 400
    assert (await api.get(f"{base}?container=nope")).status == 400
    assert (await api.get("/api/v1/namespaces/default/pods/none/log")).status == 404


async def test_lines_are_as_old_as_the_file_where_they_do_not_say(api: Any, tmp_path: Path) -> None:
    import os

    path = tmp_path / "worker.log"
    path.write_text("ancient\n")
    hour_ago = time.time() - 3600
    os.utime(path, (hour_ago, hour_ago))
    assert await log(api, "worker", "sinceSeconds=60") == ""
