"""The simulation as a living thing: it watches, looks at what changed, and writes what was decided."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

import structlog

from afflux.controlplane.access import AccessFactory, ClusterAccess
from afflux.controlplane.errors import ApiStatusError
from afflux.controlplane.simulation import node, services
from afflux.controlplane.simulation.claim_users import ClaimUsers
from afflux.controlplane.simulation.decisions import (
    DISRUPTION_BUDGET,
    ENDPOINTS,
    NODE,
    POD,
    SERVICE,
    Bind,
    Change,
    Create,
    Remove,
    Write,
    is_going,
    moment,
)
from afflux.controlplane.simulation.node import SimulatedNode
from afflux.controlplane.simulation.reactions import affected
from afflux.controlplane.simulation.steps import EVERYTHING, Known, Part, Steps
from afflux.controlplane.simulation.view import Place, View, place_of
from afflux.controlplane.work_queue import WorkQueue
from afflux.objects.identity import GroupVersionKind, gvk_of
from afflux.objects.manifest import Manifest, labels_of

DELAY: Final = 0.05
"""Seconds that a Pod takes to start, unless somebody says otherwise."""
_PAUSE: Final = 0.002
_PAUSES: Final = {POD: 0.0, DISRUPTION_BUDGET: 0.01}
"""Seconds in which changes around an object are gathered before it is looked at: many Pods, one write."""
_SERVICE_PAUSE: Final = 0.01
_ENDPOINT_PAUSE: Final = 0.0005
_WORKERS: Final = 4
_WATCH_PAUSE: Final = 1.0
_KUBELET: Final = frozenset({POD, NODE})

_log = structlog.get_logger(__name__)


class Simulation:
    """Workloads without running anything. Everything is decided from what is stored, so a restart goes on.

    ``delay`` is in seconds; 0 makes Pods ready at once. ``parts`` is what there is nobody else for. It works through
    ``ClusterAccess`` alone: inside the plane, or as a client of another server, with as many ``workers`` as writes may
    be under way at once.
    """

    def __init__(
        self,
        access_factory: AccessFactory,
        delay: float = DELAY,
        *,
        parts: Collection[Part] = EVERYTHING,
        simulated: SimulatedNode | None = None,
        workers: int = _WORKERS,
    ) -> None:
        self._controllers = access_factory("kube-controller-manager")
        self._kubelet = access_factory("kubelet")
        self._scheduler = access_factory("kube-scheduler")
        self._has_node = Part.NODE in parts
        self._node = simulated or SimulatedNode()
        self._view = View()
        self._users = ClaimUsers()
        self._known_since: dict[str, float] = {}
        self._steps = Steps(Known(self._view, self._users, self._known_since), delay, parts, self._node)
        self._queue: WorkQueue[Place] = WorkQueue("simulation")
        self._workers = workers

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for gvk in self._steps.watched:
                group.create_task(self._follow(gvk))
            if self._has_node:
                group.create_task(self._live())
            group.create_task(self._queue.run(self._work, self._workers))

    async def _live(self) -> None:
        """The node that Pods run on, its Lease once there is a namespace for it, and its heartbeat."""
        for make in (Create(self._node.manifest()), node.new_lease(self._node, moment())):
            await self._insist(make)
        while self._node.heartbeat is not None:
            await self._insist(node.renewed_lease(self._node, moment()))
            await asyncio.sleep(self._node.heartbeat)

    async def _insist(self, write: Create | Change) -> None:
        while True:
            try:
                if isinstance(write, Create):
                    await self._create(self._kubelet, write.manifest)
                else:
                    await self._change(self._kubelet, write)
            except ApiStatusError as error:
                _log.debug("the node could not be told", controller="simulation", error=str(error))
                await asyncio.sleep(_WATCH_PAUSE)
            else:
                return

    async def _follow(self, gvk: GroupVersionKind) -> None:
        while True:
            try:
                async for event in self._controllers.watch(gvk):
                    if event.type == "DELETED":
                        self._forget(event.object)
                    else:
                        self._learn(event.object, watched=True)
                return
            except ApiStatusError as error:
                if error.code in (404, 405):
                    return
                _log.warning(
                    "watch failed, it is opened again", controller="simulation", kind=gvk.kind, error=str(error)
                )
                await asyncio.sleep(_WATCH_PAUSE)

    def _learn(self, manifest: Manifest, *, watched: bool = False) -> None:
        place = place_of(manifest)
        before = self._view.get(place)
        if is_going(manifest):
            self._view.spare(manifest)
        if not self._view.put(manifest, watched=watched):
            return
        if place.gvk == POD:
            self._known_since.setdefault(manifest["metadata"]["uid"], asyncio.get_running_loop().time())
            self._steps.learn_address(manifest)
        self._ring(manifest, before)

    def _forget(self, gone: Manifest) -> None:
        manifest = self._view.last(gone)
        self._view.remove(manifest)
        self._ring(manifest, manifest)
        place = place_of(manifest)
        if place.gvk == POD:
            self._known_since.pop(manifest["metadata"]["uid"], None)
            self._steps.free_address(manifest)
            for service in self._view.in_namespace(SERVICE, place.namespace):
                if services.selects(service, labels_of(manifest)):
                    self._queue.add_after(place_of(service), self._service_pause(place_of(service)))
            for claim in self._users.forget(place):
                self._queue.add(claim)

    def _ring(self, manifest: Manifest, before: Manifest | None) -> None:
        for place in affected(self._view, self._users, manifest, before):
            if place.gvk == SERVICE:
                self._queue.add_after(place, self._service_pause(place))
            elif place.gvk in self._steps.table:
                self._queue.add_after(place, _PAUSES.get(place.gvk, _PAUSE))
        if before is not None:
            for place in self._steps.hands_down(manifest, before):
                self._queue.add(place)

    def _service_pause(self, service: Place) -> float:
        """The more endpoints there are to write, the more changes are gathered first."""
        endpoints = self._view.get(Place(ENDPOINTS, service.namespace, service.name)) or {}
        count = sum(len(addresses) for subset in endpoints.get("subsets") or () for addresses in subset.values())
        return _SERVICE_PAUSE + count * _ENDPOINT_PAUSE

    async def _work(self, place: Place) -> None:
        access = self._kubelet if place.gvk in _KUBELET else self._controllers
        for step in self._steps.table.get(place.gvk, ()):
            manifest = self._view.get(place)
            if manifest is None:
                return
            decision = step(manifest)
            for write in decision.writes:
                await self._write(access, write)
            if decision.again_in is not None:
                self._queue.add_after(place, decision.again_in)

    async def _write(self, access: ClusterAccess, write: Write) -> None:
        match write:
            case Create(manifest):
                await self._create(access, manifest)
            case Change():
                self._learn(await self._change(access, write))
            case Bind(pod, name):
                place = place_of(pod)
                await self._scheduler.bind(place.namespace, place.name, name)
            case Remove(about, grace_seconds):
                await self._remove(access, about, grace_seconds)

    async def _change(self, access: ClusterAccess, change: Change) -> Manifest:
        place = place_of(change.about)
        return await access.patch(place.gvk, place.namespace, place.name, change.patch, change.subresource)

    async def _remove(self, access: ClusterAccess, about: Manifest, grace_seconds: int | None) -> None:
        place, uid = place_of(about), about["metadata"]["uid"]
        self._view.condemn(about)
        try:
            await access.delete(place.gvk, place.namespace, place.name, uid=uid, grace_seconds=grace_seconds)
        except ApiStatusError:
            self._view.spare(about)
            raise

    async def _create(self, access: ClusterAccess, manifest: Manifest) -> None:
        metadata, gvk = manifest["metadata"], gvk_of(manifest)
        name = metadata.get("name")
        if name and self._view.get(Place(gvk, metadata.get("namespace", ""), name)) is not None:
            return
        if gvk == POD and self._has_node:
            # Bound from the start: one write less for each Pod of a workload.
            manifest = {**manifest, "spec": {**manifest["spec"], "nodeName": self._node.name}}
        try:
            self._learn(await access.create(manifest))
        except ApiStatusError as error:
            if error.reason != "AlreadyExists" or "being deleted" in error.message:
                raise
