"""Objects seen at another version than the one they are stored in.

Nearly every kind has one version. Events and HorizontalPodAutoscalers have two views on one object; custom resources
convert by None: only ``apiVersion`` changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from afflux.controlplane import autoscaling, structural
from afflux.controlplane.served_kind import ServedKind
from afflux.controlplane.stored import StoredObject
from afflux.objects.manifest import Manifest

Convert = Callable[[Manifest], Manifest]

_EVENT_FIELDS: Final = (
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
)
"""Field in ``v1``, field in ``events.k8s.io/v1``."""


def _event_to_core(event: Manifest) -> Manifest:
    names = {new: old for old, new in _EVENT_FIELDS}
    return {names.get(key, key): value for key, value in event.items()}


def _event_from_core(event: Manifest) -> Manifest:
    names: dict[str, str] = dict(_EVENT_FIELDS)
    return {names.get(key, key): value for key, value in event.items()}


_VIEWS: Final[dict[tuple[str, str], tuple[Convert, Convert]]] = {
    ("events.k8s.io", "Event"): (_event_to_core, _event_from_core),
    ("autoscaling", "HorizontalPodAutoscaler"): (autoscaling.to_v2, autoscaling.from_v2),
}
"""To the stored version, and from it, for views."""


def to_storage(kind: ServedKind, manifest: Manifest) -> Manifest:
    """A manifest of the kind's version in the version that is stored."""
    if kind.gvk == kind.storage_gvk:
        return manifest
    if kind.is_custom:
        return structural.as_stored(kind, {**manifest, "apiVersion": kind.storage_gvk.api_version})
    return _at_storage(kind, manifest)


def _at_storage(kind: ServedKind, manifest: Manifest) -> Manifest:
    view = _VIEWS.get((kind.gvk.group, kind.gvk.kind))
    converted = view[0](manifest) if view else manifest
    return {**converted, "apiVersion": kind.storage_gvk.api_version}


def from_storage(kind: ServedKind, manifest: Manifest) -> Manifest:
    """A stored manifest in the kind's version."""
    if manifest["apiVersion"] == kind.gvk.api_version:
        version = int(manifest["metadata"].get("resourceVersion") or 0)
        return structural.default(kind, manifest) if _may_lack_defaults(kind, version) else manifest
    view = _VIEWS.get((kind.gvk.group, kind.gvk.kind))
    converted = view[1](manifest) if view else manifest
    converted = {**converted, "apiVersion": kind.gvk.api_version}
    if kind.is_custom:
        return structural.default(kind, structural.prune(kind, converted)[0])
    return converted


def seen_through(kind: ServedKind, source: ServedKind, manifest: Manifest) -> Manifest:
    """A manifest of one version as it is at another one, nothing pruned and nothing defaulted."""
    stored = manifest if source.gvk == source.storage_gvk else _at_storage(source, manifest)
    view = _VIEWS.get((kind.gvk.group, kind.gvk.kind))
    seen = view[1](stored) if view and kind.gvk != kind.storage_gvk else stored
    return {**seen, "apiVersion": kind.gvk.api_version}


def is_stored_form(kind: ServedKind, stored: StoredObject) -> bool:
    """Whether the stored bytes are what a client of this version is to see."""
    if stored.manifest["apiVersion"] != kind.gvk.api_version:
        return False
    return not _may_lack_defaults(kind, stored.version) or from_storage(kind, stored.manifest) is stored.manifest


def _may_lack_defaults(kind: ServedKind, version: int) -> bool:
    return version <= kind.since and structural.has_defaults(kind)
