"""The walk-through on a real kube-apiserver: what holds on the embedded control plane holds there.

Run with `--cluster real`.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from walkthrough import APP

from process_fleet import Fleet, apply_root, at, fleet_in
from real_cluster import RealCluster
from waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.real_only, pytest.mark.timeout(600)]


DEMO = Path(__file__).parents[2] / "examples/01-walkthrough/demo.py"


def test_the_demo_verifies_every_step_on_a_real_api_server(tmp_path: Path) -> None:
    command = [sys.executable, str(DEMO), "--cluster", "real"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every step was verified" in done.stdout
    assert list(tmp_path.iterdir()) == []


def rename(text: str) -> str:
    """The app is nginx-new now, but its selector still says nginx."""
    head, selector, rest = text.partition("  selector:\n    matchLabels:\n      app: nginx\n")
    return head.replace("nginx", "nginx-new") + selector + rest.replace("app: nginx", "app: nginx-new")


def mend(text: str) -> str:
    return text.replace("app: nginx\n  template", "app: nginx-new\n  template")


async def refused(fleet: Fleet, words: str) -> str:
    """The message of the Kustomization apps once it is refused with these words."""

    async def probe() -> str:
        status: dict[str, Any] = (await fleet.get("kustomization", "apps", "-n", "flux-system")).get("status", {})
        ready = [c for c in status.get("conditions", []) if c["type"] == "Ready"]
        assert ready, status
        assert ready[0]["status"] == "False", ready
        assert words in ready[0]["message"], ready
        return str(ready[0]["message"])

    return await eventually(probe, 60)


async def test_the_walk_through_holds_on_a_real_api_server(tmp_path: Path, real: RealCluster) -> None:
    async with fleet_in(tmp_path, at(real.kubeconfig)) as (fleet, proxy, git):
        await apply_root(fleet, git)
        await fleet.applied(await fleet.run("git", "rev-parse", "HEAD", cwd=tmp_path / "clone"))
        assert (await fleet.get("deployment", "nginx"))["status"]["readyReplicas"] == 2

        await fleet.push("Rename the app, but not its selector", rename)
        assert APP in await refused(fleet, "`selector` does not match template `labels`")
        assert (await fleet.get("deployment", "nginx"))["status"]["readyReplicas"] == 2

        await fleet.applied(await fleet.push("Mend the selector", mend))
        assert (await fleet.get("deployment", "nginx-new"))["status"]["readyReplicas"] == 2

        async def pruned() -> bool:
            return not await fleet.get("deployment", "nginx")

        await eventually(pruned, 30)
        await fleet.kubectl("scale", "deployment", "nginx-new", "--replicas=5")

        async def put_back() -> bool:
            return bool((await fleet.get("deployment", "nginx-new"))["spec"]["replicas"] == 2)

        await eventually(put_back, 30)
        assert [path.rpartition("/")[2] for path in proxy.deletions()] == ["nginx"]
