"""What the controllers' benchmarks share: a server, a Git repository with N paths, `afflux run`, N Kustomizations.

A path holds a Deployment scaled to zero, a ServiceAccount, a Service and an Ingress, which is the shape that the field
measures with. Everything is a process of its own; the bench only pushes, watches and counts.
"""

import asyncio
import os
import signal
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from afflux.api.kinds import KINDS
from afflux.app.git_server import GitServer
from afflux.app.install import install_crds
from afflux.kube.client import KubeClient, Target
from afflux.kube.config import load_config
from afflux.objects.identity import GroupVersionKind
from cluster import start_cluster
from process_tree import Process
from real_cluster import BENCH_TOKEN, RealCluster, assets
from waiting import eventually

BIN = Path(sys.executable).parent
GIT_TOKEN = "bench-token"
FLUX, APPS = "flux-system", "apps"
GIT_REPOSITORY = GroupVersionKind("source.toolkit.fluxcd.io", "v1", "GitRepository")
KUSTOMIZATION = GroupVersionKind("kustomize.toolkit.fluxcd.io", "v1", "Kustomization")
DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")
CREATORS = 16


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


App = Callable[[str, str], list[dict[str, Any]]]
"""The manifests of a path, by its name and the commit's mark."""


def small_app(name: str, mark: str) -> list[dict[str, Any]]:
    """A Deployment scaled to zero and what goes with it; ``mark`` is in the Pod template, as a tag would be."""
    labels = {"app": name}
    metadata = {"name": name, "namespace": APPS, "labels": labels, "annotations": {"bench/mark": mark}}
    container = {
        "name": "app",
        "image": f"registry.example.com/{name}:1.0",
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": "MARK", "value": mark}],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}},
    }
    template = {"metadata": {"labels": labels}, "spec": {"serviceAccountName": name, "containers": [container]}}
    backend = {"service": {"name": name, "port": {"name": "http"}}}
    rule = {"host": f"{name}.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        },
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": {"rules": [rule]}},
    ]


def names_of(count: int) -> list[str]:
    """The names of N paths, which are those of their Kustomizations and objects."""
    return [f"app-{number:04}" for number in range(count)]


@dataclass
class Repository:
    """A work tree of the bench's own and the server that it is pushed to."""

    work: Path
    server: GitServer

    async def git(self, *arguments: str) -> str:
        person = {f"GIT_{role}_{what}": "bench" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.work.parent), **person}
        process = await asyncio.create_subprocess_exec(
            "git", *arguments, cwd=self.work, env=environment, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, arguments
        return output.decode().strip()

    def write(self, name: str, mark: str, app: App = small_app) -> None:
        """A path's manifests, at this mark."""
        path = self.work / "apps" / name / "app.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("---\n".join(yaml.dump(one, Dumper=yaml.CSafeDumper) for one in app(name, mark)))

    async def push(self, message: str) -> str:
        """Commits all and pushes; the revision as Flux writes it."""
        await self.git("add", "--all")
        await self.git("commit", "--quiet", "--message", message)
        await self.git("push", "--quiet", "origin", "HEAD:main")
        return f"main@sha1:{await self.git('rev-parse', 'HEAD')}"


@dataclass
class Server:
    """An API server: how the bench and how Afflux reach it, and its processes."""

    kind: str
    kubeconfig: Path
    afflux_kubeconfig: Path
    process: Process
    audit_log: Path | None = None


@asynccontextmanager
async def server_of(kind: str, work: Path, *, audit: bool = False, nodes: bool = False) -> AsyncIterator[Server]:
    """The embedded control plane, or a real kube-apiserver with etcd and controller manager (``nodes``: with simulated
    ones; ``audit``: every write of Afflux is recorded with its body)."""
    if kind == "embedded":
        with start_cluster(work / "cluster") as cluster:
            yield Server(kind, cluster.kubeconfig, cluster.kubeconfig, Process(cluster.process.pid))
        return
    folder = assets()
    if folder is None:
        raise SystemExit("no etcd, kube-apiserver and kube-controller-manager; make e2e-binaries builds them")
    with RealCluster(work / "real", folder, record=audit) as cluster:
        if nodes:
            cluster.start_simulation()
        process = Process(cluster.processes["kube-apiserver"].pid)
        mine = cluster.kubeconfig_with(BENCH_TOKEN, work / "afflux.kubeconfig")
        yield Server(kind, cluster.kubeconfig, mine, process, cluster.audit_log)


@dataclass
class Fleet:
    """Everything at work. ``afflux`` is the tree of `afflux run`."""

    work: Path
    server: Server
    repository: Repository
    client: KubeClient
    afflux: Process = field(init=False)
    _metrics: int = field(default_factory=free_port, init=False)
    _running: asyncio.subprocess.Process = field(init=False)

    async def start_afflux(self, *options: str) -> None:
        """`afflux run`, ready."""
        listeners = [f"--{name}-addr=127.0.0.1:0" for name in ("storage", "health")]
        command = [str(BIN / "afflux"), "run", "--kubeconfig", str(self.server.afflux_kubeconfig)]
        command += [
            "--data-dir",
            str(self.work / "run"),
            f"--metrics-addr=127.0.0.1:{self._metrics}",
            "--enable-leader-election=false",
            *listeners,
            *options,
        ]
        with (self.work / "run.log").open("ab") as log:
            self._running = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.afflux = Process(self._running.pid)

    async def stop_afflux(self) -> None:
        """Ends it, and whatever it started."""
        if self._running.returncode is None:
            self._running.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._running.wait(), 30)
            except TimeoutError:
                os.killpg(self._running.pid, signal.SIGKILL)
                await self._running.wait()

    async def create(self, names: Sequence[str], **spec: Any) -> None:
        """Namespaces, the GitRepository (once) and Kustomizations that wait for their objects."""
        for namespace in (FLUX, APPS):
            await self.client.apply(_object("v1", "Namespace", namespace), field_manager="bench")
        await self.client.apply(self._secret(), field_manager="bench")
        await self.client.apply(self._source(), field_manager="bench")
        await each(names, CREATORS, lambda name: self.kustomization(name, **spec))

    async def kustomization(self, name: str, **spec: Any) -> None:
        """One Kustomization."""
        whole = {"interval": "10m", "retryInterval": "1m", "timeout": "10m", "prune": True, "wait": True}
        whole |= {"path": f"./apps/{name}", "sourceRef": {"kind": "GitRepository", "name": "bench"}, **spec}
        manifest = _object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", name, FLUX) | {"spec": whole}
        await self.client.apply(manifest, field_manager="bench")

    async def look_at_source(self, token: str) -> None:
        """What a webhook Receiver does after a push."""
        body = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}}
        await self.client.patch(Target(GIT_REPOSITORY, FLUX, "bench"), body)

    def requests(self) -> dict[str, int]:
        """API requests of Afflux so far, by verb."""
        found = {name: count for name, count in self.metrics().items() if name.startswith("afflux_api_requests_total{")}
        return {name.partition('verb="')[2].partition('"')[0]: int(count) for name, count in found.items()}

    def metrics(self) -> dict[str, float]:
        """What `/metrics` says, by name with labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics}/metrics", timeout=10) as answer:
            lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def _secret(self) -> dict[str, Any]:
        data = {"username": "git", "password": GIT_TOKEN}
        return _object("v1", "Secret", "bench", FLUX) | {"type": "Opaque", "stringData": data}

    def _source(self) -> dict[str, Any]:
        spec = {"interval": "10m", "url": self.repository.server.url, "ref": {"branch": "main"}}
        head = _object("source.toolkit.fluxcd.io/v1", "GitRepository", "bench", FLUX)
        return head | {"spec": {**spec, "secretRef": {"name": "bench"}}}


def _object(api_version: str, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


async def each(items: Sequence[str], at_once: int, act: Callable[[str], Any]) -> None:
    """Acts on all items, so many at a time."""
    queue = iter(items)

    async def work() -> None:
        for item in queue:
            await act(item)

    await asyncio.gather(*(work() for _ in range(at_once)))


@asynccontextmanager
async def fleet_on(server: Server, work: Path, *options: str) -> AsyncIterator[Fleet]:
    """A repository with an empty branch, and Afflux at work on the server."""
    async with AsyncExitStack() as stack:
        repository = await _repository(work, stack)
        client = KubeClient.connect(load_config(server.kubeconfig))
        stack.push_async_callback(client.close)
        await install_crds(client, KINDS)
        fleet = Fleet(work, server, repository, client)
        await fleet.start_afflux(*options)
        stack.push_async_callback(fleet.stop_afflux)
        yield fleet


async def _repository(work: Path, stack: AsyncExitStack) -> Repository:
    bare, tree = work / "bench.git", work / "tree"
    tree.mkdir(parents=True)
    server = GitServer(bare, GIT_TOKEN)
    repository = Repository(tree, server)
    await repository.git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    await repository.git("init", "--quiet", "--initial-branch=main", ".")
    clone_url = await server.start()
    stack.push_async_callback(server.stop)
    await repository.git("remote", "add", "origin", clone_url)
    return repository


def condition(manifest: Mapping[str, Any], condition_type: str) -> Mapping[str, Any]:
    """A condition of an object, or an empty one."""
    found = (c for c in (manifest.get("status") or {}).get("conditions") or () if c["type"] == condition_type)
    return next(found, {})


def dump(result: Any) -> str:
    """A result for machines."""
    return orjson.dumps(result, option=orjson.OPT_INDENT_2).decode()


__all__ = ["eventually"]
