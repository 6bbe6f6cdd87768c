"""Kinds whose cells are fields as they are written: one path a column."""

from __future__ import annotations

from typing import Final

from afflux.controlplane.printers.column import NONE, Cells, Printer, age_of, columns, name_of
from afflux.objects.manifest import Json, Manifest

_AGE: Final = "age"


def _showing(*paths: str) -> Cells:
    """Cells of the fields at dotted paths; ``age`` is the object's age; lists are joined, ``#path`` counts them."""

    def cells(manifest: Manifest, now: float) -> list[Json]:
        return [
            name_of(manifest),
            *(age_of(manifest, now) if path == _AGE else _cell(manifest, path) for path in paths),
        ]

    return cells


def _cell(manifest: Manifest, path: str) -> Json:
    value: Json = manifest
    for part in path.lstrip("#").split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if path.startswith("#"):
        return len(value or ())
    if isinstance(value, list):
        return ",".join(map(str, value)) or NONE
    return NONE if value is None else value


def _parent(address: Manifest, now: float) -> list[Json]:
    parent = (address.get("spec") or {}).get("parentRef") or {}
    place = [parent.get("resource"), parent.get("namespace"), parent.get("name")]
    return [name_of(address), "/".join(filter(None, place))]


def _signing_request(request: Manifest, now: float) -> list[Json]:
    spec, status = request.get("spec") or {}, request.get("status") or {}
    conditions = [each.get("type", "") for each in status.get("conditions") or ()] or ["Pending"]
    if status.get("certificate"):
        conditions.append("Issued")
    lasting = spec.get("expirationSeconds")
    return [
        name_of(request),
        age_of(request, now),
        spec.get("signerName", ""),
        spec.get("username", ""),
        NONE if lasting is None else f"{lasting}s",
        ",".join(conditions),
    ]


_ATTACHER: Final = columns("Attacher, PV, Node, Attached:bool, Age")[1:]

PRINTERS: Final = {
    ("", "ComponentStatus"): Printer(columns("Status, Message, Error"), _showing("status", "message", "error")),
    ("certificates.k8s.io", "CertificateSigningRequest"): Printer(
        columns("Age, SignerName, Requestor, RequestedDuration, Condition"), _signing_request
    ),
    ("networking.k8s.io", "IPAddress"): Printer(columns("ParentRef"), _parent),
    ("networking.k8s.io", "ServiceCIDR"): Printer(columns("CIDRs, Age"), _showing("spec.cidrs", _AGE)),
    ("storage.k8s.io", "CSIDriver"): Printer(
        columns(
            "AttachRequired:bool, PodInfoOnMount:bool, StorageCapacity:bool, TokenRequests, RequiresRepublish:bool, "
            "Modes, Age"
        ),
        _showing(
            "spec.attachRequired",
            "spec.podInfoOnMount",
            "spec.storageCapacity",
            "spec.tokenRequests",
            "spec.requiresRepublish",
            "spec.volumeLifecycleModes",
            _AGE,
        ),
    ),
    ("storage.k8s.io", "CSINode"): Printer(columns("Drivers:int, Age"), _showing("#spec.drivers", _AGE)),
    ("storage.k8s.io", "VolumeAttachment"): Printer(
        (columns("PV")[0], _ATTACHER[0]._replace(format="name"), *_ATTACHER[1:]),
        _showing("spec.attacher", "spec.source.persistentVolumeName", "spec.nodeName", "status.attached", _AGE),
    ),
    ("storage.k8s.io", "VolumeAttributesClass"): Printer(columns("DriverName, Age"), _showing("driverName", _AGE)),
    ("node.k8s.io", "RuntimeClass"): Printer(columns("Handler, Age"), _showing("handler", _AGE)),
    ("resource.k8s.io", "DeviceClass"): Printer(columns("Age"), _showing(_AGE)),
    ("resource.k8s.io", "ResourceClaim"): Printer(columns("State, Age"), _showing("status.state", _AGE)),
    ("resource.k8s.io", "ResourceClaimTemplate"): Printer(columns("Age"), _showing(_AGE)),
    ("resource.k8s.io", "ResourceSlice"): Printer(
        columns("Node, Driver, Pool, Age"), _showing("spec.nodeName", "spec.driver", "spec.pool.name", _AGE)
    ),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): Printer(
        columns("PriorityLevel, MatchingPrecedence, DistinguisherMethod, Age, MissingPL"),
        _showing(
            "spec.priorityLevelConfiguration.name",
            "spec.matchingPrecedence",
            "spec.distinguisherMethod.type",
            _AGE,
            "status.missing",
        ),
    ),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): Printer(
        columns("Type, NominalConcurrencyShares, Queues, HandSize, QueueLengthLimit, Age"),
        _showing(
            "spec.type",
            "spec.limited.nominalConcurrencyShares",
            "spec.limited.limitResponse.queuing.queues",
            "spec.limited.limitResponse.queuing.handSize",
            "spec.limited.limitResponse.queuing.queueLengthLimit",
            _AGE,
        ),
    ),
}
