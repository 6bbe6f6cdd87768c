"""The cluster's own objects: namespaces, nodes, events, leases, API services."""

from __future__ import annotations

from typing import Final

from afflux.controlplane.printers.column import (
    NONE,
    UNKNOWN,
    Printer,
    age,
    age_of,
    columns,
    joined,
    name_of,
    spec_of,
    status_of,
)
from afflux.objects.manifest import Json, Manifest

_ROLE: Final = "node-role.kubernetes.io/"


def _namespace(namespace: Manifest, now: float) -> list[Json]:
    return [name_of(namespace), status_of(namespace).get("phase", ""), age_of(namespace, now)]


def _node(node: Manifest, now: float) -> list[Json]:
    status = status_of(node)
    info = status.get("nodeInfo") or {}
    addresses = {each.get("type"): each.get("address") for each in status.get("addresses") or ()}
    labels = node["metadata"].get("labels") or {}
    roles = sorted(key.removeprefix(_ROLE) for key in labels if key.startswith(_ROLE))
    return [
        name_of(node),
        _node_status(spec_of(node), status),
        joined(roles),
        age_of(node, now),
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP", NONE),
        addresses.get("ExternalIP", NONE),
        info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


def _node_status(spec: Manifest, status: Manifest) -> str:
    ready = next((each for each in status.get("conditions") or () if each.get("type") == "Ready"), None)
    words = ["Unknown" if ready is None else ("Ready" if ready.get("status") == "True" else "NotReady")]
    if spec.get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _event(event: Manifest, now: float) -> list[Json]:
    about = event.get("involvedObject") or event.get("regarding") or {}
    source = event.get("source") or event.get("deprecatedSource") or {}
    series = event.get("series") or {}
    first = event.get("firstTimestamp") or event.get("deprecatedFirstTimestamp") or event.get("eventTime")
    last = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("deprecatedLastTimestamp") or first
    count = series.get("count") or event.get("count") or event.get("deprecatedCount") or 1
    reporter = source.get("component") or event.get("reportingComponent") or event.get("reportingController") or ""
    host = source.get("host") or event.get("reportingInstance")
    subject = (
        f"{str(about.get('kind', '')).lower()}/{about.get('name')}" if about.get("name") else about.get("kind", "")
    )
    return [
        age(last, now),
        event.get("type", ""),
        event.get("reason", ""),
        subject,
        about.get("fieldPath", ""),
        f"{reporter}, {host}" if host and reporter else reporter,
        str(event.get("message") or event.get("note") or "").strip(),
        age(first, now),
        count,
        name_of(event),
    ]


def _lease(lease: Manifest, now: float) -> list[Json]:
    return [name_of(lease), spec_of(lease).get("holderIdentity", ""), age_of(lease, now)]


def _api_service(service: Manifest, now: float) -> list[Json]:
    target = spec_of(service).get("service")
    conditions: dict[str, Manifest] = {each.get("type"): each for each in status_of(service).get("conditions") or ()}
    available = conditions.get("Available") or {}
    shown = available.get("status", "Unknown")
    if shown == "False" and available.get("reason"):
        shown = f"False ({available['reason']})"
    served_by = f"{target.get('namespace')}/{target.get('name')}" if target else "Local"
    return [name_of(service), served_by, shown, age_of(service, now)]


_EVENT_COLUMNS: Final = (
    *columns("Type, Reason, Object, Subobject*, Source*, Message, First Seen*, Count*"),
    columns("Name*")[1]._replace(format="name"),
)
_EVENT: Final = Printer((_EVENT_COLUMNS[0]._replace(name="Last Seen", format=""), *_EVENT_COLUMNS[1:]), _event)

PRINTERS: Final = {
    ("", "Namespace"): Printer(columns("Status, Age"), _namespace),
    ("", "Node"): Printer(
        columns(
            "Status, Roles, Age, Version, Internal-IP*, External-IP*, OS-Image*, Kernel-Version*, Container-Runtime*"
        ),
        _node,
    ),
    ("", "Event"): _EVENT,
    ("events.k8s.io", "Event"): _EVENT,
    ("coordination.k8s.io", "Lease"): Printer(columns("Holder, Age"), _lease),
    ("apiregistration.k8s.io", "APIService"): Printer(columns("Service, Available, Age"), _api_service),
}
