"""Defaults of Services, endpoints and network policies. Addresses are allocated, not defaulted: see ``admission``."""

from afflux.controlplane.defaults.rules import Fields, Node, each_of

_OUTSIDE = ("NodePort", "LoadBalancer")


def _target_port(port: Node) -> Node:
    return port if port.get("targetPort") else {**port, "targetPort": port.get("port")}


_CLIENT_IP = Fields(
    {"sessionAffinityConfig": {}},
    inside={
        "sessionAffinityConfig": Fields({"clientIP": {}}, inside={"clientIP": Fields({"timeoutSeconds": 10800})}),
    },
)


def _session_affinity(spec: Node) -> Node:
    if spec.get("sessionAffinity") != "ClientIP":
        return (
            {k: v for k, v in spec.items() if k != "sessionAffinityConfig"} if "sessionAffinityConfig" in spec else spec
        )
    return _CLIENT_IP(spec)


def _traffic_policies(spec: Node) -> Node:
    kind = spec.get("type")
    defaults: Node = {}
    if kind in ("ClusterIP", *_OUTSIDE):
        defaults["internalTrafficPolicy"] = "Cluster"
    if kind in _OUTSIDE or (kind == "ClusterIP" and spec.get("externalIPs")):
        defaults["externalTrafficPolicy"] = "Cluster"
    if kind == "LoadBalancer":
        defaults["allocateLoadBalancerNodePorts"] = True
    return Fields(defaults)(spec)


SERVICE = Fields(
    {"spec": {}},
    inside={
        "spec": Fields(
            {"type": "ClusterIP", "sessionAffinity": "None"},
            each={"ports": Fields({"protocol": "TCP"}, then=(_target_port,))},
            then=(_session_affinity, _traffic_policies),
        )
    },
)

ENDPOINTS = Fields(each={"subsets": Fields(each={"ports": Fields({"protocol": "TCP"})})})
ENDPOINT_SLICE = Fields(
    each={"endpoints": Fields({"conditions": {}}), "ports": Fields({"name": "", "protocol": "TCP"})}
)


def _policy_types(spec: Node) -> Node:
    if spec.get("policyTypes"):
        return spec
    return {**spec, "policyTypes": ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]}


def _policy_ports(spec: Node) -> Node:
    with_protocol = Fields(each={"ports": Fields({"protocol": "TCP"})})
    sides = {side: spec[side] for side in ("ingress", "egress") if isinstance(spec.get(side), list)}
    changed = {side: new for side, rules in sides.items() if (new := each_of(rules, with_protocol)) is not rules}
    return {**spec, **changed} if changed else spec


NETWORK_POLICY = Fields(inside={"spec": Fields(then=(_policy_ports, _policy_types))})
INGRESS_CLASS = Fields(inside={"spec": Fields(inside={"parameters": Fields({"scope": "Cluster"})})})
