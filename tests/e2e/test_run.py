"""`afflux cluster` and `afflux run` as processes of their own, driven by kubectl; a proxy between them records all."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from cluster_option import Cluster
from process_fleet import BIN, apply_root, at, fleet_in
from waiting import let_pass
from walkthrough_commits import edits

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


async def declared(get: Callable[..., Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """What the repository declares, as it stands in the cluster."""
    found: dict[str, Any] = {}
    for item in (await get("deployments,configmaps,serviceaccounts,namespaces", "-A"))["items"]:
        labels = item["metadata"].get("labels", {})
        if "kustomize.toolkit.fluxcd.io/name" in labels:
            key = (item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"])
            found["/".join(key)] = {"spec": item.get("spec"), "data": item.get("data"), "labels": labels}
    return found


async def test_flux_objects_applied_by_kubectl_give_what_up_gives(
    tmp_path: Path, fresh_cluster: Cluster, walk: Any
) -> None:
    async with fleet_in(tmp_path, at(fresh_cluster.kubeconfig)) as (fleet, _, git):
        await apply_root(fleet, git)
        commit = await fleet.run("git", "rev-parse", "HEAD", cwd=tmp_path / "clone")
        await fleet.applied(commit)
        by_kubectl = await declared(fleet.get)
        said = await fleet.run(str(BIN / "afflux"), "logs", "--data-dir", str(tmp_path / "run"))
        assert "info GitRepository/flux-system.flux-system - stored artifact for commit" in said
        assert "info Kustomization/apps.flux-system - server-side apply completed" in said
        assert await fleet.stop() == {"run": 0}
    walk.start()
    walk.clone_repository()
    walk.applied(walk.git("rev-parse", "HEAD"))

    async def get(*arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = walk.get(*arguments)
        return found

    assert by_kubectl == await declared(get)
    assert any(key.startswith("Deployment/default/nginx") for key in by_kubectl)
    assert walk.stop() == 0


@pytest.mark.embedded_only("restarts the embedded plane on its own state")
async def test_no_kill_ever_deletes_what_the_final_commit_contains(tmp_path: Path) -> None:
    seed = time.time_ns()
    print(f"seed {seed}")
    moments = random.Random(seed)
    async with fleet_in(tmp_path) as (fleet, proxy, git):
        await apply_root(fleet, git)
        await fleet.applied(await fleet.run("git", "rev-parse", "HEAD", cwd=tmp_path / "clone"))
        kills = 0
        for message, edit in edits():
            commit = await fleet.push(message, edit)
            for _ in range(2 if kills < 10 else 0):
                await asyncio.to_thread(let_pass, moments.uniform(0, 1.5))
                await fleet.kill()
                kills += 1
                await fleet.start_cluster()
                await fleet.start_controllers(proxy.kubeconfig)
            await fleet.applied(commit)
        final = {key.lower() for key in await declared(fleet.get)}
        deleted = [path.rstrip("/").split("/") for path in proxy.deletions()]
        assert [path for path in deleted if path[-2] != "deployments" or path[-1] != "nginx"] == []
        assert "deployment/default/nginx-new" in final
        assert kills == 10
