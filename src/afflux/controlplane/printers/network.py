"""Services and what leads to them."""

from __future__ import annotations

from typing import Final

from afflux.controlplane.printers.column import (
    NONE,
    Printer,
    age_of,
    columns,
    joined,
    labels_text,
    name_of,
    selector_text,
    spec_of,
    status_of,
)
from afflux.objects.manifest import Json, Manifest

_SHOWN: Final = 3
"""How many hosts or addresses a cell names before it says how many more there are."""


def _shortened(values: list[str], otherwise: str) -> str:
    if len(values) > _SHOWN:
        return f"{','.join(values[:_SHOWN])} + {len(values) - _SHOWN} more..."
    return joined(values, otherwise)


def _addresses(status: Manifest) -> str:
    ingress = (status.get("loadBalancer") or {}).get("ingress") or ()
    return ",".join(each.get("ip") or each.get("hostname") or "" for each in ingress)


def _service(service: Manifest, now: float) -> list[Json]:
    spec = spec_of(service)
    return [
        name_of(service),
        spec.get("type", ""),
        spec.get("clusterIP") or NONE,
        _external_ip(spec, status_of(service)),
        joined(map(_port, spec.get("ports") or ())),
        age_of(service, now),
        labels_text(spec.get("selector")),
    ]


def _port(port: Manifest) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node_port}/{port.get('protocol', 'TCP')}"


def _external_ip(spec: Manifest, status: Manifest) -> str:
    external = ",".join(spec.get("externalIPs") or ())
    match spec.get("type"):
        case "ExternalName":
            return spec.get("externalName") or NONE
        case "LoadBalancer":
            return ",".join(filter(None, (_addresses(status), external))) or "<pending>"
        case _:
            return external or NONE


def _endpoints(endpoints: Manifest, now: float) -> list[Json]:
    found = []
    for subset in endpoints.get("subsets") or ():
        ports = [f":{port['port']}" for port in subset.get("ports") or ()] or [""]
        for port in ports:
            found += [f"{address.get('ip')}{port}" for address in subset.get("addresses") or ()]
    return [name_of(endpoints), _shortened(found, NONE), age_of(endpoints, now)]


def _endpoint_slice(slice_: Manifest, now: float) -> list[Json]:
    ports = [str(port.get("port") or "*") for port in slice_.get("ports") or ()]
    addresses = [each for endpoint in slice_.get("endpoints") or () for each in endpoint.get("addresses") or ()]
    return [
        name_of(slice_),
        slice_.get("addressType", ""),
        _shortened(ports, "<unset>"),
        _shortened(addresses, "<unset>"),
        age_of(slice_, now),
    ]


def _ingress(ingress: Manifest, now: float) -> list[Json]:
    spec = spec_of(ingress)
    hosts = [rule["host"] for rule in spec.get("rules") or () if rule.get("host")]
    shown = f"{','.join(hosts[:_SHOWN])} + {len(hosts) - _SHOWN} more..." if len(hosts) > _SHOWN else ",".join(hosts)
    return [
        name_of(ingress),
        spec.get("ingressClassName") or NONE,
        shown or "*",
        _addresses(status_of(ingress)),
        "80, 443" if spec.get("tls") else "80",
        age_of(ingress, now),
    ]


def _ingress_class(class_: Manifest, now: float) -> list[Json]:
    spec = spec_of(class_)
    parameters = spec.get("parameters")
    text = NONE
    if parameters:
        group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") else ""
        text = f"{parameters.get('kind')}{group}/{parameters.get('name')}"
    return [name_of(class_), spec.get("controller", ""), text, age_of(class_, now)]


def _network_policy(policy: Manifest, now: float) -> list[Json]:
    return [name_of(policy), selector_text(spec_of(policy).get("podSelector")), age_of(policy, now)]


PRINTERS: Final = {
    ("", "Service"): Printer(columns("Type, Cluster-IP, External-IP, Port(s), Age, Selector*"), _service),
    ("", "Endpoints"): Printer(columns("Endpoints, Age"), _endpoints),
    ("discovery.k8s.io", "EndpointSlice"): Printer(columns("AddressType, Ports, Endpoints, Age"), _endpoint_slice),
    ("networking.k8s.io", "Ingress"): Printer(columns("Class, Hosts, Address, Ports, Age"), _ingress),
    ("networking.k8s.io", "IngressClass"): Printer(columns("Controller, Parameters, Age"), _ingress_class),
    ("networking.k8s.io", "NetworkPolicy"): Printer(columns("Pod-Selector, Age"), _network_policy),
}
