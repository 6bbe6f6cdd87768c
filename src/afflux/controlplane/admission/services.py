"""A Service's addresses: cluster IPs and node ports are given out once, kept over updates, and free when it is gone."""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Iterable, Iterator

from afflux.controlplane.errors import ApiStatusError, FieldError, invalid
from afflux.controlplane.field_errors import invalid_value
from afflux.controlplane.pipeline import WriteContext
from afflux.controlplane.served_kind import StorageKey
from afflux.objects.manifest import Json, Manifest

_SERVICES = StorageKey("", "services")
_NETWORK = ipaddress.IPv4Network("10.96.0.0/16")
_NODE_PORTS = range(30000, 32768)
_OUTSIDE = ("NodePort", "LoadBalancer")
_CLUSTER_FIELDS = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")


def create(context: WriteContext, new: Manifest) -> Manifest:
    """The Service with its addresses. Raises 422 where a wanted one is taken or out of range."""
    return {**new, "spec": _allocated(context, new, new.get("spec") or {})}


def update(context: WriteContext, new: Manifest, old: Manifest) -> Manifest:
    """What was allocated stays where the new body leaves it out; a change of type gives or takes."""
    spec: Manifest = new.get("spec") or {}
    before: Manifest = old.get("spec") or {}
    if spec == before:
        return new
    if spec.get("type") == "ExternalName":
        dropped = (*_CLUSTER_FIELDS, "internalTrafficPolicy", "externalTrafficPolicy", "healthCheckNodePort")
        return {**new, "spec": {name: value for name, value in spec.items() if name not in dropped}}
    return {**new, "spec": _allocated(context, new, _kept(spec, before))}


def _kept(spec: Manifest, before: Manifest) -> Manifest:
    """The new spec with what the old one had been given, where it doesn't say."""
    kept = {name: before[name] for name in _CLUSTER_FIELDS if before.get(name) and not spec.get(name)}
    if spec.get("type") not in _OUTSIDE:
        return {**_without_node_ports(spec, before), **kept}
    given = {(port.get("protocol"), port.get("port")): port.get("nodePort") for port in before.get("ports") or ()}
    ports = [
        port
        if port.get("nodePort") or not (node_port := given.get((port.get("protocol"), port.get("port"))))
        else {**port, "nodePort": node_port}
        for port in spec.get("ports") or ()
    ]
    if before.get("healthCheckNodePort") and spec.get("externalTrafficPolicy") == "Local":
        kept["healthCheckNodePort"] = before["healthCheckNodePort"]
    return {**spec, **kept, "ports": ports}


def _without_node_ports(spec: Manifest, before: Manifest) -> Manifest:
    """A Service that turned inwards gives back what it did not ask for anew."""
    if before.get("type") not in _OUTSIDE:
        return spec
    given = {port.get("nodePort") for port in before.get("ports") or ()}
    ports = [
        {name: value for name, value in port.items() if not (name == "nodePort" and value in given)}
        for port in spec.get("ports") or ()
    ]
    same_policy = spec.get("externalTrafficPolicy") == before.get("externalTrafficPolicy")
    outside = {"allocateLoadBalancerNodePorts", "healthCheckNodePort"}
    if same_policy and not spec.get("externalIPs"):
        outside.add("externalTrafficPolicy")
    return {**{name: value for name, value in spec.items() if name not in outside}, "ports": ports}


def _allocated(context: WriteContext, service: Manifest, spec: Manifest) -> Manifest:
    if spec.get("type") == "ExternalName":
        return spec
    spec = _with_families(spec)
    if spec.get("clusterIP") != "None":
        spec = _with_cluster_ip(context, service, spec)
    spec = {**spec, "clusterIPs": spec.get("clusterIPs") or [spec["clusterIP"]]}
    wants_ports = spec.get("type") == "NodePort" or (
        spec.get("type") == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is not False
    )
    return _with_node_ports(context, service, spec) if wants_ports else spec


def _with_families(spec: Manifest) -> Manifest:
    everywhere = spec.get("clusterIP") == "None" and not spec.get("selector")
    families = ["IPv4", "IPv6"] if everywhere else ["IPv4"]
    policy = spec.get("ipFamilyPolicy") or ("RequireDualStack" if everywhere else "SingleStack")
    return {**spec, "ipFamilies": spec.get("ipFamilies") or families, "ipFamilyPolicy": policy}


def _with_cluster_ip(context: WriteContext, service: Manifest, spec: Manifest) -> Manifest:
    wanted = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or ()), "")
    others = list(_other_specs(context, service))
    taken = {address for other in others for address in (other.get("clusterIP"), *(other.get("clusterIPs") or ()))}
    if wanted:
        problem = _ip_problem(wanted, taken)
        if problem:
            error = invalid_value("spec.clusterIPs", [wanted], f"failed to allocate IP {wanted}: {problem}")
            raise _refused(context, service, [error])
        return {**spec, "clusterIP": wanted}
    return {**spec, "clusterIP": _free_ip(_seed(service), taken)}


def _ip_problem(wanted: str, taken: set[Json]) -> str:
    try:
        inside = ipaddress.ip_address(wanted) in _NETWORK
    except ValueError:
        return "not a valid IP"
    if not inside:
        return "the provided network does not match the current range"
    return "provided IP is already allocated" if wanted in taken else ""


def _free_ip(seed: int, taken: set[Json]) -> str:
    """The first free address from a place that depends on the name: the same names give the same addresses."""
    # The first 256 addresses stay free for those who ask for one (the API's own Service, a DNS).
    size = _NETWORK.num_addresses - 258
    for step in range(size):
        address = str(_NETWORK.network_address + 256 + (seed + step) % size)
        if address not in taken:
            return address
    raise ApiStatusError(500, "InternalError", "Internal error occurred: failed to allocate a serviceIP: range is full")


def _with_node_ports(context: WriteContext, service: Manifest, spec: Manifest) -> Manifest:
    taken = {port.get("nodePort") for other in _other_specs(context, service) for port in other.get("ports") or ()} - {
        None
    }
    ports: list[Json] = []
    errors: list[FieldError] = []
    for index, port in enumerate(spec.get("ports") or ()):
        wanted = port.get("nodePort")
        if wanted:
            errors += _port_problems(f"spec.ports[{index}].nodePort", wanted, taken)
        else:
            port = {**port, "nodePort": _free_port(_seed(service) + index, taken)}
        taken = taken | {port["nodePort"]}
        ports.append(port)
    if errors:
        raise _refused(context, service, errors)
    return {**spec, "ports": ports}


def _port_problems(field: str, wanted: int, taken: set[Json]) -> Iterator[FieldError]:
    if wanted not in _NODE_PORTS:
        detail = "provided port is not in the valid range. The range of valid ports is 30000-32767"
        yield invalid_value(field, wanted, detail)
    elif wanted in taken:
        yield invalid_value(field, wanted, "provided port is already allocated")


def _free_port(seed: int, taken: set[Json]) -> int:
    size = len(_NODE_PORTS)
    for step in range(size):
        port = _NODE_PORTS[(seed + step) % size]
        if port not in taken:
            return port
    raise ApiStatusError(500, "InternalError", "Internal error occurred: failed to allocate a nodePort: range is full")


def _other_specs(context: WriteContext, service: Manifest) -> Iterable[Manifest]:
    metadata = service["metadata"]
    own = (metadata.get("namespace", ""), metadata.get("name", ""))
    for stored in context.store.list(_SERVICES):
        if (stored.namespace, stored.name) != own:
            yield stored.manifest.get("spec") or {}


def _seed(service: Manifest) -> int:
    metadata = service["metadata"]
    return zlib.crc32(f"{metadata.get('namespace')}/{metadata.get('name')}".encode())


def _refused(context: WriteContext, service: Manifest, errors: list[FieldError]) -> ApiStatusError:
    return invalid(context.kind.kind_named(service["metadata"].get("name", "")), errors)
