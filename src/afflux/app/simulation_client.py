"""The simulation of workloads as a client of another server: how it reads and writes there, and its process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import orjson
import structlog

from afflux.app.serve import until_stopped
from afflux.app.settings import environment
from afflux.controlplane.access import ChangeEvent, Listing, Propagation
from afflux.controlplane.errors import ApiStatusError
from afflux.controlplane.simulation import EVERYTHING, NODE_ONLY, SimulatedNode, Simulation
from afflux.kube.client import KubeClient, Selection, Target
from afflux.kube.config import load_config
from afflux.kube.errors import ApiError, KubeError, NoMatch, NotFound, parsed
from afflux.kube.transport import Request
from afflux.kube.watch import watch
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Json, Manifest

_HEARTBEAT = 10.0
"""Seconds; a server takes a node for dead after 40."""
_WORKERS = 32
_POD = GroupVersionKind("", "v1", "Pod")
T = TypeVar("T")

_log = structlog.get_logger(__name__)


class SimulationFailed(Exception):
    """The simulation could not start; the message says why."""


@dataclass(frozen=True)
class RemoteAccess:
    """``ClusterAccess`` by way of a ``KubeClient``, as one field manager."""

    client: KubeClient
    field_manager: str

    async def get(self, gvk: GroupVersionKind, namespace: str, name: str) -> Manifest | None:
        try:
            return await _told(self.client.get(Target(gvk, namespace, name)))
        except ApiStatusError as error:
            if error.code == 404:
                return None
            raise

    async def list(self, gvk: GroupVersionKind, namespace: str = "", label_selector: str = "") -> Listing:
        found = await _told(self.client.list(gvk, Selection(namespace, label_selector)))
        return Listing(found.items, found.resource_version)

    async def watch(self, gvk: GroupVersionKind) -> AsyncIterator[ChangeEvent]:
        async with aclosing(watch(self.client, gvk, on_error=lambda error: _interrupted(gvk, error))) as events:
            async for event in events:
                if event.type != "SYNCED" and event.type != "RESET":
                    yield ChangeEvent(event.type, event.object)

    async def create(self, manifest: Manifest) -> Manifest:
        return await _told(self.client.create(manifest, field_manager=self.field_manager))

    async def update(self, manifest: Manifest, subresource: str = "") -> Manifest:
        change = self.client.update(manifest, subresource=subresource, field_manager=self.field_manager)
        return await _told(change)

    async def patch(
        self, gvk: GroupVersionKind, namespace: str, name: str, patch: Manifest, subresource: str = ""
    ) -> Manifest:
        target = Target(gvk, namespace, name)
        change = self.client.patch(target, patch, subresource=subresource, field_manager=self.field_manager)
        return await _told(change)

    async def bind(self, namespace: str, pod: str, node: str) -> None:
        body: Manifest = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod, "namespace": namespace},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        await _told(self._send("POST", Target(_POD, namespace, pod), "binding", body))

    async def delete(
        self,
        gvk: GroupVersionKind,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        propagation: Propagation = "Background",
        grace_seconds: int | None = None,
    ) -> None:
        body: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        body |= {"preconditions": {"uid": uid}} if uid else {}
        body |= {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
        try:
            await _told(self._send("DELETE", Target(gvk, namespace, name), "", body))
        except ApiStatusError as error:
            if error.code != 404:
                raise

    async def _send(self, method: str, target: Target, subresource: str, body: Manifest) -> None:
        resource = await self.client.mapper.resource_for(target.gvk)
        path = resource.path(target.namespace, target.name, subresource)
        parameters = {"fieldManager": self.field_manager} if method == "POST" else {}
        request = Request(method, path, parameters, orjson.dumps(body))
        await self.client.transport.send(request, self.client.impersonation)


async def _told(answer: Awaitable[T]) -> T:
    """What a request answers; its refusal in the words that the simulation knows."""
    try:
        return await answer
    except ApiError as error:
        raise ApiStatusError(error.code or 503, error.reason, error.message) from None
    except KubeError as error:
        raise ApiStatusError(404, "NotFound", str(error)) from None


def _interrupted(gvk: GroupVersionKind, error: KubeError) -> bool:
    if not isinstance(error, NotFound | NoMatch):
        _log.warning("watch broke off, it is taken up again", kind=gvk.kind, error=str(error))
    return True


@dataclass(frozen=True)
class SimulationSettings:
    """``delay`` in seconds; ``controllers``: simulate kube-controller-manager, too, on a server that has none."""

    kubeconfig: Path | None = None
    context: str | None = None
    node: str = "node-1"
    delay: float = 0.05
    controllers: bool = False


async def simulate_until(stop: asyncio.Event, settings: SimulationSettings) -> None:
    """Simulates workloads on the cluster of a kubeconfig until ``stop`` is set. Raises ``SimulationFailed``."""
    try:
        client = KubeClient.connect(load_config(settings.kubeconfig, settings.context, environment()))
        try:
            version: Json = parsed(await client.raw("/version"))
            _log.info("simulating", server=client.transport.config.server, node=settings.node)
            simulation = simulation_of(client, settings, str(version.get("gitVersion") or "v1.36.0"))
            await until_stopped(stop, asyncio.create_task(simulation.run()))
        finally:
            await client.close()
    except (KubeError, OSError, ValueError) as error:
        raise SimulationFailed(str(error)) from error


def simulation_of(client: KubeClient, settings: SimulationSettings, version: str) -> Simulation:
    """The simulation that acts through a client; ``version`` is the server's, which the node's kubelet has too."""
    return Simulation(
        lambda manager: RemoteAccess(client, manager),
        settings.delay,
        parts=EVERYTHING if settings.controllers else NODE_ONLY,
        simulated=SimulatedNode(settings.node, version, _HEARTBEAT),
        workers=_WORKERS,
    )
