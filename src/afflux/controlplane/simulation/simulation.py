"""The simulation as a living thing: it watches, looks at what changed, and writes what was decided."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Final

import structlog

from afflux.controlplane.access import AccessFactory, ClusterAccess
from afflux.controlplane.errors import ApiStatusError
from afflux.controlplane.simulation import (
    daemon_sets,
    deployments,
    jobs,
    pods,
    policies,
    replica_sets,
    services,
    stateful_sets,
    volumes,
)
from afflux.controlplane.simulation.claim_users import ClaimUsers
from afflux.controlplane.simulation.decisions import (
    API_SERVICE,
    AUTOSCALER,
    CLAIM,
    CONTROLLER_REVISION,
    DAEMON_SET,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    ENDPOINT_SLICE,
    ENDPOINTS,
    INGRESS,
    JOB,
    NODE,
    POD,
    REPLICA_SET,
    SERVICE,
    STATEFUL_SET,
    STORAGE_CLASS,
    VOLUME,
    Change,
    Create,
    Decision,
    Remove,
    Write,
    is_going,
    moment,
)
from afflux.controlplane.simulation.reactions import affected
from afflux.controlplane.simulation.templates import NODE_NAME
from afflux.controlplane.simulation.view import Place, View, place_of
from afflux.controlplane.work_queue import WorkQueue
from afflux.objects.identity import GroupVersionKind, gvk_of, parse_api_version
from afflux.objects.manifest import Manifest, labels_of
from afflux.objects.selectors import InvalidSelector, label_selector

DELAY: Final = 0.05
"""Seconds that a Pod takes to start, unless somebody says otherwise."""
_POD_NETWORK: Final = ipaddress.IPv4Network("10.244.0.0/16")
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

    ``delay`` is in seconds; 0 makes Pods ready at once. It works through ``ClusterAccess`` alone: inside the plane, or
    as a client of another server.
    """

    def __init__(self, access_factory: AccessFactory, delay: float = DELAY, version: str = "v1.36.0") -> None:
        self._controllers = access_factory("kube-controller-manager")
        self._kubelet = access_factory("kubelet")
        self._delay = delay
        self._version = version
        self._view = View()
        self._users = ClaimUsers()
        self._queue: WorkQueue[Place] = WorkQueue("simulation")
        self._known_since: dict[str, float] = {}
        self._addresses: dict[str, str] = {}
        self._next_address = 0
        self._steps: dict[GroupVersionKind, Callable[[Manifest], Decision]] = {
            DEPLOYMENT: self._deployment,
            REPLICA_SET: self._replica_set,
            STATEFUL_SET: self._stateful_set,
            DAEMON_SET: self._daemon_set,
            JOB: self._job,
            POD: self._pod,
            SERVICE: self._service,
            INGRESS: services.decide_ingress,
            CLAIM: self._claim,
            VOLUME: self._volume,
            NODE: lambda node: policies.decide_node(node, self._version, moment()),
            AUTOSCALER: self._autoscaler,
            DISRUPTION_BUDGET: self._budget,
            API_SERVICE: self._api_service,
        }

    async def run(self) -> None:
        """Work until cancelled."""
        watched = (*self._steps, ENDPOINTS, ENDPOINT_SLICE, CONTROLLER_REVISION, STORAGE_CLASS)
        async with asyncio.TaskGroup() as group:
            for gvk in watched:
                group.create_task(self._follow(gvk))
            group.create_task(self._furnish())
            group.create_task(self._queue.run(self._work, _WORKERS))

    async def _furnish(self) -> None:
        """The node that Pods run on, and its Lease once there is a namespace for it."""
        for make in (Create(policies.the_node()), policies.node_lease(moment())):
            while True:
                try:
                    await self._write(self._kubelet, make)
                except ApiStatusError:
                    await asyncio.sleep(_WATCH_PAUSE)
                else:
                    break

    async def _follow(self, gvk: GroupVersionKind) -> None:
        while True:
            try:
                async for event in self._controllers.watch(gvk):
                    if event.type == "DELETED":
                        self._forget(event.object)
                    else:
                        self._learn(event.object)
                return
            except ApiStatusError as error:
                if error.code in (404, 405):
                    return
                _log.warning(
                    "watch failed, it is opened again", controller="simulation", kind=gvk.kind, error=str(error)
                )
                await asyncio.sleep(_WATCH_PAUSE)

    def _learn(self, manifest: Manifest) -> None:
        place = place_of(manifest)
        before = self._view.get(place)
        if is_going(manifest):
            self._view.spare(manifest)
        if not self._view.put(manifest):
            return
        if place.gvk == POD:
            self._known_since.setdefault(manifest["metadata"]["uid"], asyncio.get_running_loop().time())
            if address := (manifest.get("status") or {}).get("podIP"):
                self._addresses[address] = manifest["metadata"]["uid"]
        self._ring(manifest, before)

    def _forget(self, manifest: Manifest) -> None:
        self._view.remove(manifest)
        self._ring(manifest, manifest)
        place = place_of(manifest)
        if place.gvk == POD:
            self._known_since.pop(manifest["metadata"]["uid"], None)
            self._addresses.pop((manifest.get("status") or {}).get("podIP") or "", None)
            for service in self._view.in_namespace(SERVICE, place.namespace):
                if services.selects(service, labels_of(manifest)):
                    self._queue.add_after(place_of(service), self._service_pause(place_of(service)))
            for claim in self._users.forget(place):
                self._queue.add(claim)

    def _ring(self, manifest: Manifest, before: Manifest | None) -> None:
        for place in affected(self._view, self._users, manifest, before):
            if place.gvk == SERVICE:
                self._queue.add_after(place, self._service_pause(place))
            elif place.gvk in self._steps:
                self._queue.add_after(place, _PAUSES.get(place.gvk, _PAUSE))

    def _service_pause(self, service: Place) -> float:
        """The more endpoints there are to write, the more changes are gathered first."""
        endpoints = self._view.get(Place(ENDPOINTS, service.namespace, service.name)) or {}
        count = sum(len(addresses) for subset in endpoints.get("subsets") or () for addresses in subset.values())
        return _SERVICE_PAUSE + count * _ENDPOINT_PAUSE

    async def _work(self, place: Place) -> None:
        manifest = self._view.get(place)
        if manifest is None:
            return
        decision = self._steps[place.gvk](manifest)
        access = self._kubelet if place.gvk in _KUBELET else self._controllers
        for write in decision.writes:
            await self._write(access, write)
        if decision.again_in is not None:
            self._queue.add_after(place, decision.again_in)

    async def _write(self, access: ClusterAccess, write: Write) -> None:
        match write:
            case Create(manifest):
                await self._create(access, manifest)
            case Change(about, patch, subresource):
                place = place_of(about)
                self._learn(await access.patch(place.gvk, place.namespace, place.name, patch, subresource))
            case Remove(about, grace_seconds):
                await self._remove(access, about, grace_seconds)

    async def _remove(self, access: ClusterAccess, about: Manifest, grace_seconds: int | None) -> None:
        place, uid = place_of(about), about["metadata"]["uid"]
        self._view.condemn(about)
        try:
            await access.delete(place.gvk, place.namespace, place.name, uid=uid, grace_seconds=grace_seconds)
        except ApiStatusError:
            self._view.spare(about)
            raise

    async def _create(self, access: ClusterAccess, manifest: Manifest) -> None:
        metadata = manifest["metadata"]
        name = metadata.get("name")
        if name and self._view.get(Place(gvk_of(manifest), metadata.get("namespace", ""), name)) is not None:
            return
        try:
            self._learn(await access.create(manifest))
        except ApiStatusError as error:
            if error.reason != "AlreadyExists" or "being deleted" in error.message:
                raise

    # What each kind's step is given.

    def _deployment(self, deployment: Manifest) -> Decision:
        return deployments.decide(deployment, self._view.controlled(deployment, REPLICA_SET), moment())

    def _replica_set(self, replica_set: Manifest) -> Decision:
        return replica_sets.decide(replica_set, self._view.controlled(replica_set, POD), moment())

    def _stateful_set(self, stateful_set: Manifest) -> Decision:
        members = self._view.controlled(stateful_set, POD)
        revisions = self._view.controlled(stateful_set, CONTROLLER_REVISION)
        return stateful_sets.decide(stateful_set, members, revisions, moment())

    def _daemon_set(self, daemon_set: Manifest) -> Decision:
        node = self._view.get(Place(NODE, "", NODE_NAME))
        labels = labels_of(node) if node is not None else policies.NODE_LABELS
        members = self._view.controlled(daemon_set, POD)
        revisions = self._view.controlled(daemon_set, CONTROLLER_REVISION)
        return daemon_sets.decide(daemon_set, members, revisions, labels, moment())

    def _job(self, job: Manifest) -> Decision:
        return jobs.decide(job, self._view.controlled(job, POD), moment())

    def _pod(self, pod: Manifest) -> Decision:
        uid = pod["metadata"]["uid"]
        age = asyncio.get_running_loop().time() - self._known_since.get(uid, 0.0)
        address = (pod.get("status") or {}).get("podIP") or self._free_address(uid)
        around = pods.Surroundings(age, self._delay, moment(), address, self._missing_claim(pod))
        decision = pods.decide(pod, around)
        if around.missing_claim and not is_going(pod):
            decision.writes[:0] = [Create(claim) for claim in volumes.ephemeral_claims(pod)]
        return decision

    def _missing_claim(self, pod: Manifest) -> str:
        """The first claim of a Pod that isn't bound."""
        namespace = pod["metadata"]["namespace"]
        for name in volumes.claims_of(pod):
            claim = self._view.get(Place(CLAIM, namespace, name))
            if claim is None or (claim.get("status") or {}).get("phase") != "Bound":
                return name
        return ""

    def _free_address(self, uid: str) -> str:
        """The next address of the Pod network that no Pod has."""
        while True:
            self._next_address = self._next_address % (_POD_NETWORK.num_addresses - 2) + 1
            address = str(_POD_NETWORK[self._next_address])
            if self._addresses.get(address, uid) == uid:
                self._addresses[address] = uid
                return address

    def _service(self, service: Manifest) -> Decision:
        metadata = service["metadata"]
        namespace = metadata["namespace"]
        selected = [pod for pod in self._view.in_namespace(POD, namespace) if services.selects(service, labels_of(pod))]
        endpoints = self._view.get(Place(ENDPOINTS, namespace, metadata["name"]))
        return services.decide(service, selected, endpoints, self._view.controlled(service, ENDPOINT_SLICE))

    def _claim(self, claim: Manifest) -> Decision:
        spec = claim.get("spec") or {}
        name = spec.get("volumeName") or f"pvc-{claim['metadata']['uid']}"
        volume = self._view.get(Place(VOLUME, "", name))
        storage_class = self._view.get(Place(STORAGE_CLASS, "", spec.get("storageClassName") or ""))
        waits = (storage_class or {}).get("volumeBindingMode") == "WaitForFirstConsumer"
        used = bool(self._users.of(place_of(claim)))
        return volumes.decide_claim(claim, volume, used=used, waits_for_pod=waits)

    def _volume(self, volume: Manifest) -> Decision:
        wanted = (volume.get("spec") or {}).get("claimRef") or {}
        claim = self._view.get(Place(CLAIM, str(wanted.get("namespace")), str(wanted.get("name"))))
        return volumes.decide_volume(volume, claim, moment())

    def _autoscaler(self, autoscaler: Manifest) -> Decision:
        wanted = (autoscaler.get("spec") or {}).get("scaleTargetRef") or {}
        group, version = parse_api_version(str(wanted.get("apiVersion") or ""))
        kind = GroupVersionKind(group, version, str(wanted.get("kind")))
        target = self._view.get(Place(kind, autoscaler["metadata"]["namespace"], str(wanted.get("name"))))
        return policies.decide_autoscaler(autoscaler, target, moment())

    def _budget(self, budget: Manifest) -> Decision:
        try:
            selector = label_selector((budget.get("spec") or {}).get("selector") or {})
        except InvalidSelector:
            return Decision()
        namespace = budget["metadata"]["namespace"]
        chosen = [pod for pod in self._view.in_namespace(POD, namespace) if selector.matches(labels_of(pod))]
        return policies.decide_budget(budget, chosen, moment())

    def _api_service(self, service: Manifest) -> Decision:
        wanted = (service.get("spec") or {}).get("service") or {}
        backend = self._view.get(Place(SERVICE, str(wanted.get("namespace")), str(wanted.get("name"))))
        return policies.decide_api_service(service, backend, moment())
