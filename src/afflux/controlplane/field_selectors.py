"""Field selectors: which fields a kind can be selected by, and which objects match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from afflux.controlplane.errors import bad_request
from afflux.controlplane.served_kind import ServedKind
from afflux.objects.manifest import Json, Manifest

_ALWAYS: Final = ("metadata.name", "metadata.namespace")
_POD: Final = (
    *("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork"),
    *("status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName"),
)
_INVOLVED: Final = tuple(
    f"involvedObject.{name}"
    for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
)
_EVENT: Final = (*_INVOLVED, "reason", "reportingComponent", "source", "type")
_SELECTABLE: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("", "Pod"): _POD,
    ("", "Node"): ("spec.unschedulable",),
    ("", "Service"): ("spec.clusterIP", "spec.type"),
    ("certificates.k8s.io", "CertificateSigningRequest"): ("spec.signerName",),
    ("", "Secret"): ("type",),
    ("", "Namespace"): ("status.phase",),
    ("", "Event"): _EVENT,
    ("events.k8s.io", "Event"): _EVENT,
    ("batch", "Job"): ("status.successful",),
    ("", "ReplicationController"): ("status.replicas",),
}
_STORED_AS: Final = {"status.successful": "status.succeeded", "source": "source.component"}
"""Selectors whose field has another name in the object."""

_ZEROS: Final = {"status.replicas": "0", "status.successful": "0"}
"""What an absent number is selected as; absent flags are ``false``, absent text is empty."""

_FLAGS: Final = frozenset({"spec.unschedulable", "spec.hostNetwork"})


class FieldTerm(NamedTuple):
    field: str
    value: str
    negated: bool


class FieldSelector(NamedTuple):
    """Terms that must all hold. ``name`` is set where exactly one name can match."""

    terms: tuple[FieldTerm, ...]
    name: str = ""

    def matches(self, stored: Manifest) -> bool:
        """Whether a manifest in its stored version is selected."""
        return all((_value(stored, term.field) == term.value) is not term.negated for term in self.terms)


def parse_field_selector(text: str, kind: ServedKind) -> FieldSelector | None:
    """The selector in a ``fieldSelector`` option; None when it is empty. 400 for a field that isn't selectable."""
    if not text:
        return None
    terms = tuple(_term(part) for part in _split(text) if part)
    allowed = selectable_fields(kind)
    for term in terms:
        if term.field not in allowed:
            raise bad_request(_unknown(kind, term.field, allowed))
    name = next((term.value for term in terms if term.field == "metadata.name" and not term.negated), "")
    return FieldSelector(terms, name)


def _unknown(kind: ServedKind, field: str, allowed: Sequence[str]) -> str:
    gvk = kind.gvk
    if gvk.kind == "Job" and gvk.group == "batch":
        return f'field label "{field}" not supported for Job'
    if kind.custom is not None or (gvk.group, gvk.kind) in _SELECTABLE:
        return f"field label not supported: {field}"
    known = ", ".join(f'"{name}"' for name in allowed)
    return f'"{field}" is not a known field selector: only {known}'


def selectable_fields(kind: ServedKind) -> Sequence[str]:
    """The fields that objects of a kind can be selected by."""
    if kind.custom is not None:
        return (*_ALWAYS, *kind.custom.selectable_fields)
    return (*_ALWAYS, *_SELECTABLE.get((kind.gvk.group, kind.gvk.kind), ()))


def _split(text: str) -> list[str]:
    """At commas that are not escaped."""
    parts, current, escaped = [], "", False
    for character in text:
        if escaped or character not in "\\,":
            current += character
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            parts.append(current)
            current = ""
    return [*parts, current]


def _term(text: str) -> FieldTerm:
    for operator in ("!=", "==", "="):
        field, found, value = text.partition(operator)
        if found:
            return FieldTerm(field, value, operator == "!=")
    raise bad_request(f"invalid selector: '{text}'; can't understand '{text}'")


def _value(manifest: Manifest, field: str) -> str:
    value: Json = manifest
    for part in _STORED_AS.get(field, field).split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return _ZEROS.get(field, "false" if field in _FLAGS else "")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
