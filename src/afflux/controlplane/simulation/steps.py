"""Which pure step each kind has, and what the step is given of what is known."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from afflux.controlplane.simulation import (
    cron_jobs,
    daemon_sets,
    deployments,
    jobs,
    node,
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
    CRON_JOB,
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
    REPLICATION_CONTROLLER,
    SERVICE,
    STATEFUL_SET,
    STORAGE_CLASS,
    VOLUME,
    Create,
    Decision,
    Remove,
    controller_of,
    is_going,
    moment,
)
from afflux.controlplane.simulation.faults import inherited
from afflux.controlplane.simulation.node import SimulatedNode
from afflux.controlplane.simulation.view import Place, View, place_of
from afflux.objects.identity import GroupVersionKind, parse_api_version
from afflux.objects.manifest import Manifest, annotations_of, labels_of
from afflux.objects.selectors import InvalidSelector, label_selector

_POD_NETWORK: Final = ipaddress.IPv4Network("10.244.0.0/16")

Step = Callable[[Manifest], Decision]


class Part(Enum):
    """Whose work is simulated."""

    CONTROLLERS = "what kube-controller-manager makes of workloads"
    NODE = "scheduler, kubelet, volumes and addresses"
    PROTECTION = "letting go of claims and volumes that nobody uses"


EVERYTHING: Final = frozenset(Part)
NODE_ONLY: Final = frozenset({Part.NODE})
"""Beside a real kube-controller-manager."""
PROTECTION_ONLY: Final = frozenset({Part.PROTECTION})
"""What keeps a plane without simulation from holding deleted claims forever."""

_OWNERS = (DEPLOYMENT, REPLICA_SET, STATEFUL_SET, DAEMON_SET, JOB, REPLICATION_CONTROLLER)
"""Whose annotations say what becomes of their Pods."""
_OWNER_PAUSE: Final = 0.02
_OWNER_SECONDS: Final = 5.0
"""How long a Pod waits for news of its workload, which may be gone."""


@dataclass(slots=True)
class Known:
    """What the steps may look at: the objects, who mounts which claim, and since when each Pod is known (loop time)."""

    view: View
    users: ClaimUsers
    since: dict[str, float]


class Steps:
    """The table from kinds to steps. ``delay`` is what a Pod takes to start, in seconds."""

    def __init__(self, known: Known, delay: float, parts: Collection[Part], simulated: SimulatedNode) -> None:
        self._known = known
        self._view = known.view
        self._delay = delay
        self._parts = parts
        self._node = simulated
        self._addresses: dict[str, str] = {}
        self._promised: dict[str, str] = {}
        self._next_address = 0
        self.table: dict[GroupVersionKind, tuple[Step, ...]] = self._table()

    def _table(self) -> dict[GroupVersionKind, tuple[Step, ...]]:
        rows: list[tuple[Part, GroupVersionKind, Step]] = [
            (Part.CONTROLLERS, DEPLOYMENT, self._deployment),
            (Part.CONTROLLERS, REPLICA_SET, self._replica_set),
            (Part.CONTROLLERS, REPLICATION_CONTROLLER, self._replica_set),
            (Part.CONTROLLERS, STATEFUL_SET, self._stateful_set),
            (Part.CONTROLLERS, DAEMON_SET, self._daemon_set),
            (Part.CONTROLLERS, JOB, self._job),
            (Part.CONTROLLERS, CRON_JOB, self._cron_job),
            (Part.CONTROLLERS, SERVICE, self._service),
            (Part.CONTROLLERS, AUTOSCALER, self._autoscaler),
            (Part.CONTROLLERS, DISRUPTION_BUDGET, self._budget),
            (Part.CONTROLLERS, API_SERVICE, self._api_service),
            (Part.CONTROLLERS, POD, self._orphan),
            (Part.NODE, POD, self._pod),
            (Part.NODE, SERVICE, services.decide_address),
            (Part.NODE, INGRESS, services.decide_ingress),
            (Part.NODE, CLAIM, self._claim),
            (Part.NODE, VOLUME, self._volume),
            (Part.NODE, NODE, lambda each: node.decide_node(each, self._node, moment())),
            (Part.PROTECTION, CLAIM, self._unused_claim),
            (Part.PROTECTION, VOLUME, self._unused_volume),
        ]
        table: dict[GroupVersionKind, tuple[Step, ...]] = {}
        for part, gvk, step in rows:
            if part in self._parts:
                table[gvk] = (*table.get(gvk, ()), step)
        return table

    @property
    def watched(self) -> Iterable[GroupVersionKind]:
        """The kinds that must be known; Pods first, so that no claim seems unused."""
        kinds = dict.fromkeys((POD, *self.table))
        if Part.CONTROLLERS in self._parts:
            kinds |= dict.fromkeys((ENDPOINTS, ENDPOINT_SLICE, CONTROLLER_REVISION))
        if Part.NODE in self._parts:
            kinds |= dict.fromkeys((STORAGE_CLASS, *_OWNERS))
        return kinds

    def learn_address(self, pod: Manifest) -> None:
        """A Pod has an address."""
        if address := (pod.get("status") or {}).get("podIP"):
            self._addresses[address] = pod["metadata"]["uid"]
            self._promised.pop(pod["metadata"]["uid"], None)

    def free_address(self, pod: Manifest) -> None:
        """A Pod is gone."""
        address = (pod.get("status") or {}).get("podIP") or self._promised.pop(pod["metadata"]["uid"], "")
        if self._addresses.get(address) == pod["metadata"]["uid"]:
            del self._addresses[address]

    def hands_down(self, new: Manifest, before: Manifest) -> list[Place]:
        """The Pods that a workload's changed switches concern, where nobody else writes them into the Pods."""
        if Part.CONTROLLERS in self._parts or inherited(new) == inherited(before):
            return []
        owners = [new, *self._view.controlled(new, REPLICA_SET)]
        return [place_of(pod) for owner in owners for pod in self._view.controlled(owner, POD)]

    # Workloads

    def _deployment(self, deployment: Manifest) -> Decision:
        return deployments.decide(deployment, self._view.controlled(deployment, REPLICA_SET), moment())

    def _replica_set(self, replica_set: Manifest) -> Decision:
        return replica_sets.decide(replica_set, self._view.controlled(replica_set, POD), moment())

    def _stateful_set(self, stateful_set: Manifest) -> Decision:
        members = self._view.controlled(stateful_set, POD)
        revisions = self._view.controlled(stateful_set, CONTROLLER_REVISION)
        return stateful_sets.decide(stateful_set, members, revisions, moment())

    def _daemon_set(self, daemon_set: Manifest) -> Decision:
        found = self._view.get(Place(NODE, "", self._node.name))
        labels = labels_of(found) if found is not None else self._node.labels
        members = self._view.controlled(daemon_set, POD)
        revisions = self._view.controlled(daemon_set, CONTROLLER_REVISION)
        return daemon_sets.decide(daemon_set, members, revisions, labels, moment())

    def _job(self, job: Manifest) -> Decision:
        return jobs.decide(job, self._view.controlled(job, POD), moment())

    def _cron_job(self, cron_job: Manifest) -> Decision:
        return cron_jobs.decide(cron_job, self._view.controlled(cron_job, JOB), moment())

    # Pods

    def _pod(self, pod: Manifest) -> Decision:
        if (pod.get("spec") or {}).get("nodeName", self._node.name) != self._node.name:
            return Decision()
        uid = pod["metadata"]["uid"]
        age = asyncio.get_running_loop().time() - self._known.since.get(uid, 0.0)
        if age < _OWNER_SECONDS and self._awaits_owner(pod):
            return Decision(again_in=_OWNER_PAUSE)
        pod = self._with_switches(pod)
        address = (pod.get("status") or {}).get("podIP") or self._new_address(uid)
        missing = self._missing_claim(pod)
        around = pods.Surroundings(age, self._delay, moment(), address, missing, self._node.name)
        decision = pods.decide(pod, around)
        if missing and not is_going(pod) and Part.CONTROLLERS in self._parts:
            decision.writes[:0] = [Create(claim) for claim in volumes.ephemeral_claims(pod)]
        return decision

    def _orphan(self, pod: Manifest) -> Decision:
        """A Pod whose node doesn't exist has nobody to end it."""
        decision = Decision()
        name = (pod.get("spec") or {}).get("nodeName", self._node.name)
        if is_going(pod) and name != self._node.name and self._view.get(Place(NODE, "", name)) is None:
            decision.writes.append(Remove(pod, grace_seconds=0))
        return decision

    def _with_switches(self, pod: Manifest) -> Manifest:
        """A Pod with the annotations of its workload, where nobody has handed them down."""
        if Part.CONTROLLERS in self._parts or (owner := self._controller(pod)) is None:
            return pod
        # A real ReplicaSet has copies of its Deployment's annotations, and keeps them when the Deployment loses them.
        switches = inherited(self._controller(owner) or owner)
        if not switches:
            return pod
        return {**pod, "metadata": {**pod["metadata"], "annotations": {**switches, **annotations_of(pod)}}}

    def _awaits_owner(self, pod: Manifest) -> bool:
        """Whether the workload that says what becomes of a Pod hasn't been told of: watches are not in step."""
        if Part.CONTROLLERS in self._parts:
            return False
        member = pod
        while (owner := controller_of(member)) is not None and _kind_of(owner) in _OWNERS:
            found = self._controller(member)
            if found is None:
                return True
            member = found
        return False

    def _controller(self, manifest: Manifest) -> Manifest | None:
        """The workload that an object belongs to, if it is known."""
        owner = controller_of(manifest)
        if owner is None:
            return None
        return self._view.get(Place(_kind_of(owner), manifest["metadata"]["namespace"], str(owner.get("name"))))

    def _missing_claim(self, pod: Manifest) -> str:
        """The first claim of a Pod that isn't bound."""
        namespace = pod["metadata"]["namespace"]
        for name in volumes.claims_of(pod):
            claim = self._view.get(Place(CLAIM, namespace, name))
            if claim is None or (claim.get("status") or {}).get("phase") != "Bound":
                return name
        return ""

    def _new_address(self, uid: str) -> str:
        """The next address of the Pod network that no Pod has; the same one until the Pod has it."""
        if uid in self._promised:
            return self._promised[uid]
        while True:
            self._next_address = self._next_address % (_POD_NETWORK.num_addresses - 2) + 1
            address = str(_POD_NETWORK[self._next_address])
            if self._addresses.get(address, uid) == uid:
                self._addresses[address] = uid
                self._promised[uid] = address
                return address

    # Services, storage, and kinds that only look on

    def _service(self, service: Manifest) -> Decision:
        metadata = service["metadata"]
        namespace = metadata["namespace"]
        selected = [pod for pod in self._view.in_namespace(POD, namespace) if services.selects(service, labels_of(pod))]
        endpoints = self._view.get(Place(ENDPOINTS, namespace, metadata["name"]))
        return services.decide_endpoints(service, selected, endpoints, self._view.controlled(service, ENDPOINT_SLICE))

    def _claim(self, claim: Manifest) -> Decision:
        spec = claim.get("spec") or {}
        name = spec.get("volumeName") or f"pvc-{claim['metadata']['uid']}"
        volume = self._view.get(Place(VOLUME, "", name))
        storage_class = self._view.get(Place(STORAGE_CLASS, "", spec.get("storageClassName") or ""))
        waits = (storage_class or {}).get("volumeBindingMode") == "WaitForFirstConsumer"
        used = bool(self._known.users.of(place_of(claim)))
        return volumes.decide_claim(claim, volume, waits=waits and not used)

    def _unused_claim(self, claim: Manifest) -> Decision:
        return volumes.let_claim_go(claim, used=bool(self._known.users.of(place_of(claim))))

    def _volume(self, volume: Manifest) -> Decision:
        return volumes.decide_volume(volume, self._holder(volume), moment())

    def _unused_volume(self, volume: Manifest) -> Decision:
        return volumes.let_volume_go(volume, self._holder(volume))

    def _holder(self, volume: Manifest) -> Manifest | None:
        wanted = (volume.get("spec") or {}).get("claimRef") or {}
        return self._view.get(Place(CLAIM, str(wanted.get("namespace")), str(wanted.get("name"))))

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


def _kind_of(reference: Manifest) -> GroupVersionKind:
    """The kind that an ownerReference names."""
    group, version = parse_api_version(str(reference.get("apiVersion") or ""))
    return GroupVersionKind(group, version, str(reference.get("kind")))
