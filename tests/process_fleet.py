"""A control plane, a recording proxy before it, a Git server and the controllers, each a process of its own."""

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from walkthrough import APP, HERE

from afflux.app.git_server import GitServer
from afflux.app.root_objects import Root, namespace, root_objects
from afflux.app.source_repository import prepare_source
from recording_proxy import RecordingProxy
from waiting import eventually

BIN = Path(sys.executable).parent
TOKEN = "a-token-for-tests"


def free_port() -> int:
    """A port of the loopback interface that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Fleet:
    """A control plane, a recording proxy before it, a Git server, and the controllers."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.kubeconfig = work / "kubeconfig"
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(work)}
        self.health = free_port()

    async def spawn(self, name: str, *command: str) -> None:
        log = (self.work / f"{name}.log").open("ab")
        self.processes[name] = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, process_group=0
        )
        log.close()

    async def start_cluster(self) -> None:
        self.kubeconfig.unlink(missing_ok=True)
        out = ["--kubeconfig-out", str(self.kubeconfig)]
        await self.spawn("cluster", str(BIN / "afflux"), "cluster", "--data-dir", str(self.work / "cluster"), *out)

        async def there() -> bool:
            assert self.processes["cluster"].returncode is None, (self.work / "cluster.log").read_text()[-2000:]
            return self.kubeconfig.exists()

        await eventually(there, 30)

    async def start_controllers(self, kubeconfig: Path) -> None:
        listeners = [f"--{name}-addr=127.0.0.1:0" for name in ("storage", "metrics")]
        listeners.append(f"--health-addr=127.0.0.1:{self.health}")
        options = ["--kubeconfig", str(kubeconfig), "--data-dir", str(self.work / "run"), *listeners]
        options.append("--enable-leader-election=false")  # a server may be away for longer than a Lease; no other runs
        await self.spawn("run", str(BIN / "afflux"), "run", *options)

    async def kill(self) -> None:
        """kill -9 of all processes and their children."""
        for process in self.processes.values():
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        await asyncio.gather(*(process.wait() for process in self.processes.values()))

    async def kill_one(self, name: str) -> None:
        """kill -9 of one process and its children."""
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        await self.processes[name].wait()

    async def stop(self) -> dict[str, int]:
        for process in self.processes.values():
            if process.returncode is None:
                process.terminate()
        return {name: await asyncio.wait_for(process.wait(), 30) for name, process in self.processes.items()}

    async def run(self, *command: str, cwd: Path | None = None) -> str:
        roles = ("AUTHOR", "COMMITTER")
        person = {f"GIT_{role}_{what}": "t@example.com" for role in roles for what in ("NAME", "EMAIL")}
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=cwd or self.work,
            env={**self.environment, **person, "KUBECONFIG": str(self.kubeconfig)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert process.returncode == 0, f"{command}: {errors.decode()}"
        return output.decode().strip()

    async def kubectl(self, *arguments: str) -> str:
        return await self.run(str(BIN / "kubectl"), *arguments)

    async def get(self, *arguments: str) -> dict[str, Any]:
        output = await self.kubectl("get", *arguments, "-o", "json", "--ignore-not-found")
        return dict(orjson.loads(output)) if output else {}

    async def push(self, message: str, edit: Callable[[str], str]) -> str:
        clone = self.work / "clone"
        (clone / APP).write_text(edit((clone / APP).read_text()))
        await self.run("git", "commit", "-q", "-a", "-m", message, cwd=clone)
        await self.run("git", "push", "-q", "origin", "HEAD", cwd=clone)
        return await self.run("git", "rev-parse", "HEAD", cwd=clone)

    async def applied(self, commit: str, name: str = "apps", timeout: float = 90) -> None:
        async def probe() -> bool:
            status = (await self.get("kustomization", name, "-n", "flux-system")).get("status", {})
            ready = [c["status"] for c in status.get("conditions", []) if c["type"] == "Ready"]
            assert ready == ["True"], status.get("conditions")
            assert status.get("lastAppliedRevision", "").endswith(commit), status.get("lastAppliedRevision")
            return True

        await eventually(probe, timeout)


def at(kubeconfig: Path) -> Callable[[Fleet], Awaitable[None]]:
    """For ``fleet_in``: an API server that is there already."""

    async def use(fleet: Fleet) -> None:
        fleet.kubeconfig = kubeconfig

    return use


@asynccontextmanager
async def fleet_in(
    work: Path, cluster: Callable[[Fleet], Awaitable[None]] = Fleet.start_cluster, *, direct: bool = False
) -> AsyncIterator[tuple[Fleet, RecordingProxy, GitServer]]:
    """A fleet at work. ``cluster`` starts its API server and sees to the kubeconfig; ``direct``: past the proxy."""
    fleet = Fleet(work)
    shutil.copytree(HERE / "repository", work / "source")
    source = await prepare_source(str(work / "source"), None, work / "repository.git")
    assert source.repository is not None
    git = GitServer(source.repository, TOKEN)
    clone_url = await git.start()
    await fleet.run("git", "clone", "-q", clone_url, "clone")
    await cluster(fleet)
    async with RecordingProxy(fleet.kubeconfig, work) as proxy:
        try:
            await fleet.start_controllers(fleet.kubeconfig if direct else proxy.kubeconfig)
            yield fleet, proxy, git
        finally:
            await fleet.kill()
            await git.stop()


async def apply_root(fleet: Fleet, git: GitServer) -> None:
    """The Flux objects, as a person would write them, through `kubectl apply`, once the controllers made the CRDs."""

    async def installed() -> bool:
        return len([one for one in (await fleet.get("crds")).get("items", []) if _is_established(one)]) >= 2

    await eventually(installed, 30)
    root = Root(git.url, "main", "./clusters/demo", "git", TOKEN, interval="1s")
    manifests = {"apiVersion": "v1", "kind": "List", "items": [namespace(), *root_objects(root)]}
    (fleet.work / "root.json").write_bytes(orjson.dumps(manifests))
    # A kind is established a moment before the server's discovery names it.
    await eventually(lambda: fleet.kubectl("apply", "-f", "root.json"), 30)


def _is_established(definition: dict[str, Any]) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
