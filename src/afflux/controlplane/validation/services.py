"""Services, Ingresses and network policies."""

import ipaddress

from afflux.controlplane.field_errors import duplicate, forbidden, invalid_value, required
from afflux.controlplane.validation.checks import Errors, Node, node, nodes, one_of, present, unique_names, well_formed
from afflux.controlplane.validation.formats import dns_label, dns_subdomain, port_name, port_number, port_reference
from afflux.objects.manifest import Json

_PROTOCOLS = ("SCTP", "TCP", "UDP")
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")


def validate_service(new: Node, old: Node | None) -> Errors:
    """Ports, type, affinity; the cluster IP stays what it was."""
    spec = node(new.get("spec"))
    kind, ports = spec.get("type"), nodes(spec.get("ports"))
    headless = spec.get("clusterIP") == "None"
    if not ports and not headless and kind != "ExternalName":
        yield required("spec.ports")
    if headless and kind in ("LoadBalancer", "NodePort"):
        text = f"may not be set to 'None' for {kind} services"
        yield invalid_value("spec.clusterIPs[0]", "None", text)
    if kind == "ExternalName":
        if spec.get("externalName"):
            yield from well_formed("spec.externalName", str(spec["externalName"]).removesuffix("."), dns_subdomain)
        else:
            yield required("spec.externalName")
    for index, port in enumerate(ports):
        yield from _service_port(port, f"spec.ports[{index}]", named=len(ports) > 1)
    yield from unique_names(ports, "spec.ports")
    yield from _distinct(ports)
    yield from one_of("spec.sessionAffinity", spec.get("sessionAffinity"), ("ClientIP", "None"))
    yield from one_of("spec.type", kind, _TYPES)
    for index, address in enumerate(spec.get("externalIPs") or ()):
        if not _is_ip(address):
            yield invalid_value(
                f"spec.externalIPs[{index}]", address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            )
    if old is not None:
        yield from _same_cluster_ip(spec, node(old.get("spec")))


def _service_port(port: Node, path: str, *, named: bool) -> Errors:
    if port.get("name"):
        yield from well_formed(f"{path}.name", port["name"], dns_label)
    elif named:
        yield required(f"{path}.name")
    number = port.get("port") or 0
    for problem in port_number(number):
        yield invalid_value(f"{path}.port", number, problem)
    yield from one_of(f"{path}.protocol", port.get("protocol"), _PROTOCOLS)
    target = port.get("targetPort") or number  # as it is by default
    for problem in port_reference(target):
        yield invalid_value(f"{path}.targetPort", target, problem)


def _distinct(ports: list[Node]) -> Errors:
    seen: set[tuple[Json, Json]] = set()
    for index, port in enumerate(ports):
        key = (port.get("protocol"), port.get("port"))
        if key in seen:
            yield duplicate(f"spec.ports[{index}]", {"port": port.get("port"), "protocol": port.get("protocol")})
        seen.add(key)


def _same_cluster_ip(spec: Node, before: Node) -> Errors:
    if "ExternalName" in (spec.get("type"), before.get("type")):
        return
    new, old = spec.get("clusterIP"), before.get("clusterIP")
    if old and new != old:
        yield invalid_value("spec.clusterIPs[0]", spec.get("clusterIPs") or [new], "may not change once set")
    elif spec.get("clusterIPs") and new != spec["clusterIPs"][0]:
        text = "first value must match `clusterIP`"
        yield invalid_value("spec.clusterIPs", spec["clusterIPs"], text)


def _is_ip(value: Json) -> bool:
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        return False
    return True


def validate_ingress(new: Node, old: Node | None) -> Errors:
    """Rules or a default backend; each path with a type."""
    spec = node(new.get("spec"))
    if not spec.get("rules") and not spec.get("defaultBackend"):
        yield invalid_value("spec", None, "either `defaultBackend` or `rules` must be specified")
    if isinstance(spec.get("defaultBackend"), dict):
        yield from _backend(spec["defaultBackend"], "spec.defaultBackend")
    for index, rule in enumerate(nodes(spec.get("rules"))):
        yield from _ingress_rule(rule, f"spec.rules[{index}]")
    if spec.get("ingressClassName"):
        yield from well_formed("spec.ingressClassName", spec["ingressClassName"], dns_subdomain)


def _ingress_rule(rule: Node, path: str) -> Errors:
    host = str(rule.get("host") or "")
    if _is_ip(host):
        yield invalid_value(f"{path}.host", host, "must be a DNS name, not an IP address")
    elif host:
        yield from well_formed(f"{path}.host", host.removeprefix("*."), dns_subdomain)
    http = rule.get("http")
    if not isinstance(http, dict):
        return
    if not http.get("paths"):
        yield required(f"{path}.http.paths")
    for index, entry in enumerate(nodes(http.get("paths"))):
        where = f"{path}.http.paths[{index}]"
        yield from _ingress_path(entry, where)
        yield from _backend(node(entry.get("backend")), f"{where}.backend")


def _ingress_path(entry: Node, where: str) -> Errors:
    kind, path = entry.get("pathType"), str(entry.get("path") or "")
    if not kind:
        yield required(f"{where}.pathType", "pathType must be specified")
        return
    yield from one_of(f"{where}.pathType", kind, _PATH_TYPES)
    absolute_needed = kind in ("Exact", "Prefix") or path
    if absolute_needed and not path.startswith("/"):
        yield invalid_value(f"{where}.path", path, "must be an absolute path")


def _backend(backend: Node, path: str) -> Errors:
    service, resource = backend.get("service"), backend.get("resource")
    if service and resource:
        yield invalid_value(path, "", "cannot set both resource and service backends")
    elif not service and not resource:
        yield invalid_value(path, "", "resource or service backend is required")
    elif isinstance(service, dict):
        yield from present(service, f"{path}.service", "name")
        port = node(service.get("port"))
        if port.get("name"):
            yield from well_formed(f"{path}.service.port.name", port["name"], port_name)
        elif port.get("number"):
            for problem in port_number(port["number"]):
                yield invalid_value(f"{path}.service.port.number", port["number"], problem)
        else:
            yield required(path, "port name or number is required")


def validate_network_policy(new: Node, old: Node | None) -> Errors:
    """Policy types and CIDR blocks."""
    spec = node(new.get("spec"))
    for index, kind in enumerate(spec.get("policyTypes") or ()):
        yield from one_of(f"spec.policyTypes[{index}]", kind, ("Egress", "Ingress"))
    for side, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(nodes(spec.get(side))):
            for number, peer in enumerate(nodes(rule.get(peers))):
                yield from _peer(peer, f"spec.{side}[{index}].{peers}[{number}]")


def _peer(peer: Node, path: str) -> Errors:
    block = peer.get("ipBlock")
    if not peer:
        yield required(path, "must specify a peer")
    elif isinstance(block, dict):
        if len(peer) > 1:
            yield forbidden(path, "may not specify both ipBlock and another peer")
        if not block.get("cidr"):
            yield required(f"{path}.ipBlock.cidr")
