"""Services: endpoints from ready Pods, addresses for load balancers and ingresses."""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Sequence

from afflux.controlplane.simulation.decisions import Change, Create, Decision, Remove, controller_reference, is_going
from afflux.controlplane.simulation.faults import NO_ADDRESS
from afflux.controlplane.simulation.pods import is_ready
from afflux.objects.manifest import Json, Manifest, annotations_of

_BALANCERS = ipaddress.IPv4Network("192.0.2.0/24")
_SERVICE_LABEL = "kubernetes.io/service-name"
_SLICE_LABELS = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}


def selects(service: Manifest, labels: Manifest) -> bool:
    """Whether a Service has a selector that takes a Pod with these labels."""
    selector = (service.get("spec") or {}).get("selector") or {}
    return bool(selector) and selector.items() <= labels.items()


def decide_endpoints(
    service: Manifest, pods: Sequence[Manifest], endpoints: Manifest | None, slices: Sequence[Manifest]
) -> Decision:
    """The Service's Endpoints and EndpointSlice. ``pods`` are those it selects."""
    decision = Decision()
    spec = service.get("spec") or {}
    if not is_going(service) and spec.get("selector") and spec.get("type") != "ExternalName":
        backends = [pod for pod in pods if (pod.get("status") or {}).get("podIP") and not is_going(pod)]
        _endpoints(decision, service, backends, endpoints)
        _slice(decision, service, backends, slices)
    return decision


def decide_address(service: Manifest) -> Decision:
    """The address of a load balancer."""
    decision = Decision()
    if not is_going(service):
        decision.status(service, {**(service.get("status") or {}), "loadBalancer": _balancer(service)})
    return decision


def _balancer(service: Manifest) -> Manifest:
    if (service.get("spec") or {}).get("type") != "LoadBalancer" or annotations_of(service).get(NO_ADDRESS) == "true":
        return {}
    present: Manifest = (service.get("status") or {}).get("loadBalancer") or {}
    return present if present.get("ingress") else {"ingress": [{"ip": _address(service), "ipMode": "VIP"}]}


def decide_ingress(ingress: Manifest) -> Decision:
    """An Ingress is given the address of a controller that always works."""
    decision = Decision()
    if is_going(ingress) or annotations_of(ingress).get(NO_ADDRESS) == "true":
        return decision
    present = ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress")
    if not present:
        decision.status(ingress, {"loadBalancer": {"ingress": [{"ip": str(_BALANCERS[1])}]}})
    return decision


def _address(service: Manifest) -> str:
    metadata = service["metadata"]
    seed = zlib.crc32(f"{metadata.get('namespace')}/{metadata['name']}".encode())
    return str(_BALANCERS[2 + seed % (_BALANCERS.num_addresses - 3)])


def _target(port: Manifest, pod: Manifest) -> int | None:
    """The number behind a Service's port on a Pod; None where the Pod doesn't have the named port."""
    target = port.get("targetPort", port.get("port"))
    if isinstance(target, int):
        return target
    for container in (pod.get("spec") or {}).get("containers") or ():
        for declared in container.get("ports") or ():
            if declared.get("name") == target and declared.get("protocol") == port.get("protocol"):
                return int(declared["containerPort"])
    return None


def _resolved_ports(service: Manifest, pod: Manifest | None) -> list[Manifest]:
    ports = []
    for port in (service.get("spec") or {}).get("ports") or ():
        number = _target(port, pod) if pod is not None else None
        if number is not None:
            ports.append({**_named(port), "port": number, "protocol": port.get("protocol", "TCP")})
    return ports


def _named(port: Manifest) -> Manifest:
    return {"name": port["name"]} if port.get("name") else {}


def _node(pod: Manifest) -> Manifest:
    name = (pod.get("spec") or {}).get("nodeName")
    return {"nodeName": name} if name else {}


def _reference(pod: Manifest) -> Manifest:
    metadata = pod["metadata"]
    return {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}


def _by_address(pods: Sequence[Manifest]) -> list[Manifest]:
    return sorted(pods, key=lambda pod: ipaddress.ip_address(pod["status"]["podIP"]))


def _endpoints(decision: Decision, service: Manifest, pods: Sequence[Manifest], present: Manifest | None) -> None:
    addresses: dict[bool, list[Json]] = {True: [], False: []}
    for pod in _by_address(pods):
        address = {"ip": pod["status"]["podIP"], **_node(pod), "targetRef": _reference(pod)}
        addresses[is_ready(pod)].append(address)
    lists = {"addresses": addresses[True], "notReadyAddresses": addresses[False]}
    subset = {name: entries for name, entries in lists.items() if entries}
    ports = _resolved_ports(service, pods[0] if pods else None)
    subsets = [{**subset, **({"ports": ports} if ports else {})}] if subset else []
    metadata = service["metadata"]
    if present is None:
        made: Manifest = {"name": metadata["name"], "namespace": metadata["namespace"]}
        labels = {**(metadata.get("labels") or {}), "endpoints.kubernetes.io/managed-by": "endpoint-controller"}
        made["labels"] = labels
        body = {"subsets": subsets} if subsets else {}
        decision.writes.append(Create({"apiVersion": "v1", "kind": "Endpoints", "metadata": made, **body}))
    elif (present.get("subsets") or []) != subsets:
        decision.writes.append(Change(present, {"subsets": subsets or None}))


def _slice(decision: Decision, service: Manifest, pods: Sequence[Manifest], present: Sequence[Manifest]) -> None:
    endpoints = [_endpoint(pod) for pod in _by_address(pods)]
    ports = [{"name": "", **port} for port in _resolved_ports(service, pods[0] if pods else None)]
    metadata = service["metadata"]
    if not present:
        body: Manifest = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "generateName": f"{metadata['name']}-",
                "namespace": metadata["namespace"],
                "labels": {**(metadata.get("labels") or {}), **_SLICE_LABELS, _SERVICE_LABEL: metadata["name"]},
                "ownerReferences": [controller_reference(service)],
            },
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": ports,
        }
        decision.writes.append(Create(body))
        return
    first = present[0]
    if (first.get("endpoints") or []) != endpoints or (first.get("ports") or []) != ports:
        decision.writes.append(Change(first, {"endpoints": endpoints, "ports": ports}))
    decision.writes.extend(Remove(extra) for extra in present[1:])


def _endpoint(pod: Manifest) -> Manifest:
    ready = is_ready(pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": ready, "terminating": False},
        **_node(pod),
        "targetRef": _reference(pod),
    }
