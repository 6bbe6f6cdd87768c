"""A Kustomization controller at work in a cluster, and a source whose content a test sets at will.

Everything is real but the Git server: artifacts are published into a store, and the GitRepository's status is written
as its controller would.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import msgspec
import orjson
import structlog

from afflux.api.crds import crd
from afflux.api.kinds import GIT_REPOSITORY, KINDS, KUSTOMIZATION
from afflux.apply.health_tracker import HealthTracker
from afflux.artifacts.archive import Directory, Entry, File
from afflux.artifacts.store import ArtifactKey, ArtifactStore, NewArtifact
from afflux.artifacts.unpacked import UnpackedArtifacts
from afflux.controllers.kustomization import (
    DEPENDENCIES,
    INDEXES,
    RULES,
    KustomizationReconciler,
    KustomizationSettings,
)
from afflux.controllers.kustomization_own_components import OwnComponents
from afflux.controllers.kustomization_rendering import Renderer
from afflux.kube.client import KubeClient, PatchType, Selection, Target
from afflux.kube.errors import AlreadyExists, NoMatch, NotFound
from afflux.objects.identity import GroupVersionKind, ObjectRef
from afflux.objects.manifest import Json, Manifest
from afflux.runtime.conditions import condition_of
from afflux.runtime.controller import Controller, Settings
from afflux.runtime.ends import Cause
from afflux.runtime.logging import Sink, configure
from afflux.runtime.manager import Manager
from afflux.runtime.triggers import Triggers
from waiting import eventually

CONFIG_MAP = GroupVersionKind("", "v1", "ConfigMap")
EVENT = GroupVersionKind("", "v1", "Event")
DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")


@dataclass
class Fleet:
    """One namespace with one source, ``fleet``, and the controller that serves it."""

    client: KubeClient
    store: ArtifactStore
    namespace: str
    triggers: Triggers
    lines: list[dict[str, Json]] = field(default_factory=list)
    ahead: timedelta = timedelta()
    """How far the controller's clock is ahead of the world's."""
    _commits: int = field(default=0, init=False)

    async def commit(self, files: Mapping[str, str]) -> str:
        """Makes these files the source's content; the new revision."""
        self._commits += 1
        digest = hashlib.sha1(f"{self.namespace} {self._commits}".encode()).hexdigest()
        key = ArtifactKey("GitRepository", self.namespace, "fleet")
        new = NewArtifact(f"main@sha1:{digest}", f"{digest}.tar.gz", _entries(files))
        artifact = await asyncio.to_thread(self.store.publish, key, new)
        status = {"status": {"artifact": msgspec.to_builtins(artifact)}}
        await self.client.patch(self._source, status, subresource="status", field_manager="source-controller")
        return artifact.revision

    @property
    def _source(self) -> Target:
        return Target(GIT_REPOSITORY.gvk, self.namespace, "fleet")

    async def create_source(self) -> None:
        """The GitRepository; nothing fetches it."""
        metadata = {"name": "fleet", "namespace": self.namespace}
        spec = {"url": "https://example.com/fleet", "interval": "10m"}
        kind = {"apiVersion": GIT_REPOSITORY.api_version, "kind": GIT_REPOSITORY.kind}
        await self.client.create({**kind, "metadata": metadata, "spec": spec})

    async def kustomization(self, name: str, **spec: Json) -> None:
        """Creates or replaces a Kustomization of the source; everything it applies goes into the fleet's namespace."""
        whole = {
            "interval": "10m",
            "retryInterval": "1m",
            "prune": True,
            "sourceRef": {"kind": "GitRepository", "name": "fleet"},
            "targetNamespace": self.namespace,
            **spec,
        }
        kind = {"apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind}
        manifest = {**kind, "metadata": {"name": name, "namespace": self.namespace}, "spec": whole}
        await self.client.apply(manifest, field_manager="test")

    def now(self) -> datetime:
        """The time by the controller's clock."""
        return datetime.now(UTC) + self.ahead

    def wake(self, name: str, cause: Cause) -> None:
        """Runs a Kustomization now, as if for that cause."""
        self.triggers.wake(
            KUSTOMIZATION.kind, ObjectRef(KUSTOMIZATION.group, "Kustomization", self.namespace, name), cause
        )

    async def request(self, name: str, token: str) -> None:
        """Asks for a run, as ``flux reconcile`` does."""
        body = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}}
        await self.client.patch(self.target(name), body, patch_type=PatchType.MERGE)

    def target(self, name: str) -> Target:
        """A Kustomization."""
        return Target(KUSTOMIZATION.gvk, self.namespace, name)

    async def status(self, name: str) -> Manifest:
        """A Kustomization's status."""
        found: Manifest = (await self.client.get(self.target(name))).get("status") or {}
        return found

    async def inventory(self, name: str) -> list[str]:
        """The ids of what a Kustomization has applied, sorted, without the namespace."""
        entries = ((await self.status(name)).get("inventory") or {}).get("entries") or []
        return sorted(entry["id"].removeprefix(self.namespace) for entry in entries)

    async def ready(self, name: str, *, revision: str) -> Manifest:
        """Waits until a revision is applied and all is well; the status."""

        async def probe() -> Manifest | None:
            status = await self.status(name)
            ready = condition_of(status, "Ready") or {}
            done = ready.get("status") == "True" and status.get("lastAppliedRevision") == revision
            assert done, ready
            return status

        return await eventually(probe)

    async def failing(self, name: str, *, reason: str, revision: str | None = None) -> dict[str, Json]:
        """Waits until Ready is false for a reason (and a revision was attempted); the condition."""

        async def probe() -> dict[str, Json] | None:
            status = await self.status(name)
            ready = condition_of(status, "Ready") or {}
            attempted = revision is None or status.get("lastAttemptedRevision") == revision
            assert ready.get("status") == "False" and ready.get("reason") == reason and attempted, ready
            return ready

        return await eventually(probe)

    def said(self, name: str, text: str) -> list[dict[str, Json]]:
        """The log lines about a Kustomization whose message begins so."""
        mine = [line for line in self.lines if line.get("name") == name and line.get("namespace") == self.namespace]
        return [line for line in mine if str(line["msg"]).startswith(text)]

    async def find(self, gvk: GroupVersionKind, name: str) -> Manifest | None:
        """An object in the fleet's namespace, or None."""
        try:
            return await self.client.get(Target(gvk, self.namespace, name))
        except NotFound:
            return None


@asynccontextmanager
async def fleet(client: KubeClient, namespace: str, directory: Path, **options: Json) -> AsyncIterator[Fleet]:
    """A fleet in a namespace of its own, with the controller running.

    ``strict_fields`` refuses unknown fields; ``confirmations`` hold back what its source hasn't confirmed.
    """
    await _install(client, namespace)
    store = ArtifactStore(directory / "artifacts", "http://artifacts.test")
    triggers = Triggers()
    tracker = HealthTracker("kustomize.toolkit.fluxcd.io/name")
    trees = UnpackedArtifacts(directory / "unpacked", store)
    renderer = Renderer(client, trees, strict_fields=options.get("strict_fields", False))
    settings = KustomizationSettings(
        own_components=options.get("own_components", OwnComponents.REFUSE),
        no_cross_namespace_refs=options.get("no_cross_namespace_refs", False),
    )
    reconciler = KustomizationReconciler(client, renderer, tracker, triggers, settings, options.get("confirmations"))
    controller = Controller(KUSTOMIZATION, reconciler, RULES, client=client, dependencies=DEPENDENCIES, indexes=INDEXES)
    manager = Manager(
        controllers=[controller],
        triggers=triggers,
        settings=Settings(selection=Selection(namespace), clock=lambda: one.now()),
    )
    one = Fleet(client, store, namespace, triggers)
    configure("info", (Sink(lambda line: one.lines.append(orjson.loads(line))),))
    running = asyncio.create_task(manager.run())
    try:
        await manager.until_ready()
        await one.create_source()
        yield one
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        structlog.reset_defaults()


@contextmanager
def requests_of(client: KubeClient) -> Iterator[list[str]]:
    """What is asked of the server during the block, as ``<verb> <path>``."""
    asked: list[str] = []
    client.transport.observer = lambda request, _: asked.append(f"{request.verb} {request.path}")
    try:
        yield asked
    finally:
        client.transport.observer = None


async def _install(client: KubeClient, namespace: str) -> None:
    for kind in KINDS:
        await client.apply(crd(kind), field_manager="test")
    for kind in KINDS:
        await eventually(lambda gvk=kind.gvk: is_served(client, gvk))
    try:
        await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    except AlreadyExists:
        pass


async def is_served(client: KubeClient, gvk: GroupVersionKind) -> bool:
    """Whether the server lists a kind, as it is asked anew each time until it does."""
    try:
        await client.list(gvk)
    except NoMatch:
        client.mapper.forget(gvk)
        return False
    return True


def _entries(files: Mapping[str, str]) -> list[Entry]:
    directories = {str(parent) for path in files for parent in PurePosixPath(path).parents} - {"."}
    found: list[Entry] = [Directory(path) for path in directories]
    found += [File(path, False, lambda text=text: text.encode()) for path, text in files.items()]
    return sorted(found, key=lambda entry: entry.path)
