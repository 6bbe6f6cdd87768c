"""A control plane with the Flux kinds, and one controller of GitRepositories whose behaviour a test decides."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
import structlog

from afflux.api.crds import crd
from afflux.api.git_repository import GitRepository
from afflux.api.kinds import GIT_REPOSITORY
from afflux.kube.client import KubeClient, PatchType, Selection, Target
from afflux.kube.config import load_config
from afflux.kube.errors import NotFound
from afflux.objects.identity import GroupVersionKind, ObjectRef
from afflux.objects.manifest import Json, Manifest
from afflux.runtime.conditions import condition_of
from afflux.runtime.controller import Controller, Settings
from afflux.runtime.dependencies import Dependency
from afflux.runtime.ends import Cause, Done, Waiting
from afflux.runtime.logging import Sink, configure
from afflux.runtime.manager import Manager
from afflux.runtime.reconciler import Reconciler, Run
from afflux.runtime.rules import SOURCE_WORDING, Backoff, Rules
from afflux.runtime.triggers import Triggers
from cluster_option import Cluster
from fleet import is_served
from waiting import eventually

CRD = GroupVersionKind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
NAMESPACE = GroupVersionKind("", "v1", "Namespace")
EVENT = GroupVersionKind("", "v1", "Event")

RULES: Rules[GitRepository] = Rules(
    controller="source-controller",
    annotation_prefix="source.toolkit.fluxcd.io",
    interval_of=lambda repository: repository.spec.interval_seconds,
    retry=Backoff(initial=0.05, maximum=0.2),
    abnormal=("FetchFailed", "ArtifactOutdated"),
    normal=("ArtifactInStorage",),
    success_reason="Succeeded",
    wording=SOURCE_WORDING,
)

Behaviour = Callable[[Run[GitRepository]], Awaitable[Done | Waiting]]


async def well(run: Run[GitRepository]) -> Done:
    run.fact("ArtifactInStorage", "True", "Succeeded", "stored artifact")
    return Done("stored artifact")


@dataclass
class Reconciling(Reconciler[GitRepository]):
    """Does what the test says for each name, and remembers its runs."""

    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    finalizing: Behaviour = well
    runs: list[tuple[str, frozenset[Cause]]] = field(default_factory=list)
    finalized: list[str] = field(default_factory=list)

    async def reconcile(self, run: Run[GitRepository]) -> Done | Waiting:
        self.runs.append((run.key.name, run.causes))
        return await self.behaviours.get(run.key.name, well)(run)

    async def finalize(self, run: Run[GitRepository]) -> Done | Waiting:
        self.finalized.append(run.key.name)
        return await self.finalizing(run)

    def causes(self, name: str) -> list[frozenset[Cause]]:
        return [causes for ran, causes in self.runs if ran == name]


@dataclass
class World:
    """What a test sees: the server through a client, the controller through its reconciler, logs and endpoints."""

    kube: KubeClient
    namespace: str
    reconciler: Reconciling = field(default_factory=Reconciling)
    triggers: Triggers = field(default_factory=Triggers)
    lines: list[dict[str, Json]] = field(default_factory=list)
    manager: Manager | None = None

    async def install(self) -> None:
        """Install our kind, and wait until it is served."""
        await self.kube.apply(crd(GIT_REPOSITORY), field_manager="test")

        await eventually(lambda: is_served(self.kube, GIT_REPOSITORY.gvk))

    def target(self, name: str) -> Target:
        return Target(GIT_REPOSITORY.gvk, self.namespace, name)

    def key(self, name: str) -> ObjectRef:
        return ObjectRef(GIT_REPOSITORY.group, GIT_REPOSITORY.kind, self.namespace, name)

    async def create(self, name: str, **spec: Json) -> Manifest:
        metadata = {"name": name, "namespace": self.namespace}
        body = {"url": "https://git.example/x", "interval": "1h", **spec}
        return await self.kube.create(
            {"apiVersion": GIT_REPOSITORY.api_version, "kind": "GitRepository", "metadata": metadata, "spec": body}
        )

    async def patch(self, name: str, body: Json, subresource: str = "") -> Manifest:
        return await self.kube.patch(self.target(name), body, patch_type=PatchType.MERGE, subresource=subresource)

    async def get(self, name: str) -> Manifest:
        return await self.kube.get(self.target(name))

    async def condition(self, name: str, type: str = "Ready") -> dict[str, Json]:
        return condition_of((await self.get(name)).get("status") or {}, type) or {}

    async def until_ready(self, name: str, status: str = "True") -> Manifest:
        async def is_so() -> Manifest | None:
            manifest = await self.get(name)
            ready = condition_of(manifest.get("status") or {}, "Ready") or {}
            assert ready.get("status") == status, [line.get("error") for line in self.lines[-3:]]
            return manifest

        found = await eventually(is_so)
        assert found is not None
        return found

    async def until_runs(self, name: str, count: int) -> None:
        async def is_so() -> bool:
            return len(self.reconciler.causes(name)) >= count

        await eventually(is_so)

    async def until_gone(self, name: str) -> None:
        async def is_so() -> bool:
            try:
                await self.get(name)
            except NotFound:
                return True
            return False

        await eventually(is_so)

    async def events(self, name: str) -> list[Manifest]:
        items = (await self.kube.list(EVENT, Selection(self.namespace))).items
        return [item for item in items if item["involvedObject"]["name"] == name]

    def messages(self, name: str) -> list[str]:
        return [line["msg"] for line in self.lines if line.get("name") == name]

    @asynccontextmanager
    async def controller(
        self, dependencies: tuple[Dependency, ...] = (), grace: float = 10.0, concurrency: int = 4
    ) -> AsyncIterator[Manager]:
        controller = Controller(
            GIT_REPOSITORY,
            self.reconciler,
            RULES,
            client=self.kube,
            concurrency=concurrency,
            dependencies=dependencies,
            indexes={"url": lambda repository: [repository.spec.url]},
        )
        self.manager = Manager(
            controllers=[controller],
            triggers=self.triggers,
            settings=Settings(selection=Selection(self.namespace), grace=lambda: grace),
            metrics_address="127.0.0.1:0",
            health_address="127.0.0.1:0",
        )
        task = asyncio.create_task(self.manager.run())
        try:
            await self.manager.started.wait()
            yield self.manager
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def lines() -> Any:
    lines: list[dict[str, Json]] = []
    configure("info", (Sink(lambda line: lines.append(orjson.loads(line))),))
    yield lines
    structlog.reset_defaults()


@asynccontextmanager
async def connected(cluster: Cluster, lines: list[dict[str, Json]]) -> AsyncIterator[World]:
    kube = KubeClient.connect(load_config(cluster.kubeconfig))
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    try:
        yield World(kube, namespace, lines=lines)
    finally:
        await kube.close()


@pytest.fixture
async def world(cluster: Cluster, lines: list[dict[str, Json]]) -> AsyncIterator[World]:
    """A namespace of a server that serves our kind."""
    async with connected(cluster, lines) as world:
        await world.install()
        yield world


@pytest.fixture
async def bare_world(fresh_cluster: Cluster, lines: list[dict[str, Json]]) -> AsyncIterator[World]:
    """A server of its own that doesn't serve our kind yet."""
    async with connected(fresh_cluster, lines) as world:
        yield world


@pytest.fixture
def world_of(lines: list[dict[str, Json]]) -> Callable[[KubeClient, str], World]:
    """What a test sees of a server that it starts itself."""
    return lambda kube, namespace: World(kube, namespace, lines=lines)
