"""What a pure step decides: the writes that bring the cluster nearer to what it should be, and when to look again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from afflux.objects.identity import GroupVersionKind, gvk_of
from afflux.objects.manifest import Json, Manifest


class Moment(NamedTuple):
    """Now: in seconds since the epoch, and as objects carry it."""

    seconds: float
    text: str


def moment() -> Moment:
    """The present one."""
    seconds = time.time()
    return Moment(seconds, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)))


def seconds_of(stamp: Json) -> float:
    """An object's RFC 3339 time in seconds since the epoch; 0 where there is none."""
    if not isinstance(stamp, str) or len(stamp) < 20:
        return 0.0
    return float(time.mktime(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone)


@dataclass(frozen=True, slots=True)
class Create:
    """A new object; one that is there already is as good."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Change:
    """A JSON merge patch of an object."""

    about: Manifest
    patch: Manifest
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Remove:
    """A deletion. ``grace_seconds`` None leaves the object its own grace."""

    about: Manifest
    grace_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Bind:
    """A Pod's way to its node."""

    pod: Manifest
    node: str


Write: TypeAlias = Create | Change | Remove | Bind


@dataclass(slots=True)
class Decision:
    """Writes in order, and after how many seconds to decide again even if nothing happens (None: no need)."""

    writes: list[Write] = field(default_factory=list)
    again_in: float | None = None

    def look_again(self, seconds: float) -> None:
        """Decide again in so many seconds, or sooner if that was said before."""
        self.again_in = seconds if self.again_in is None else min(seconds, self.again_in)

    def status(self, about: Manifest, new: Manifest, annotations: Mapping[str, str] | None = None) -> None:
        """Make this the object's status, and have it these annotations, if it isn't so.

        Annotations written with the status change no generation: that is how a Deployment gets its revision.
        """
        patch: Manifest = {}
        status = merge_difference(about.get("status") or {}, new)
        if status:
            patch["status"] = status
        present = about["metadata"].get("annotations") or {}
        missing = {name: value for name, value in (annotations or {}).items() if present.get(name) != value}
        if missing:
            patch["metadata"] = {"annotations": missing}
        if patch:
            self.writes.append(Change(about, patch, "status"))


def merge_difference(old: Manifest, new: Manifest) -> Manifest:
    """The JSON merge patch that turns one object into another; empty when they are equal."""
    patch: Manifest = {name: None for name in old if name not in new}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            inner = merge_difference(before, value)
            if inner:
                patch[name] = inner
        elif name not in old or value != before:
            patch[name] = value
    return patch


def nonzero(counts: Iterable[tuple[str, int]]) -> Manifest:
    """Counters as Go prints them with ``omitempty``: zeros are left out."""
    return {name: count for name, count in counts if count}


def merged_conditions(old: Iterable[Manifest], new: Iterable[Manifest], now: Moment) -> list[Manifest]:
    """Conditions with new ones in their place; ``lastTransitionTime`` moves with the status only."""
    result = {entry["type"]: entry for entry in old}
    for entry in new:
        before = result.get(entry["type"])
        same = before is not None and before.get("status") == entry["status"]
        stamp = before["lastTransitionTime"] if same and before is not None else now.text
        result[entry["type"]] = {**entry, "lastTransitionTime": stamp}
    return list(result.values())


def controller_reference(owner: Manifest) -> Manifest:
    """The ownerReference with which a controller claims what it makes."""
    gvk, metadata = gvk_of(owner), owner["metadata"]
    return {
        "apiVersion": gvk.api_version,
        "kind": gvk.kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(manifest: Manifest) -> Manifest | None:
    """The reference to the object's controller, if it has one."""
    references = manifest["metadata"].get("ownerReferences") or ()
    return next((reference for reference in references if reference.get("controller")), None)


def is_going(manifest: Manifest) -> bool:
    """Whether the object's deletion has begun."""
    return bool(manifest["metadata"].get("deletionTimestamp"))


def replicas_of(workload: Manifest) -> int:
    """``spec.replicas``, as defaulted."""
    return int((workload.get("spec") or {}).get("replicas", 1))


def counter(workload: Manifest, name: str) -> int:
    """A number in the status; zero where it is left out."""
    return int((workload.get("status") or {}).get(name) or 0)


APPS = "apps"
DEPLOYMENT = GroupVersionKind(APPS, "v1", "Deployment")
REPLICA_SET = GroupVersionKind(APPS, "v1", "ReplicaSet")
STATEFUL_SET = GroupVersionKind(APPS, "v1", "StatefulSet")
DAEMON_SET = GroupVersionKind(APPS, "v1", "DaemonSet")
CONTROLLER_REVISION = GroupVersionKind(APPS, "v1", "ControllerRevision")
POD = GroupVersionKind("", "v1", "Pod")
JOB = GroupVersionKind("batch", "v1", "Job")
CRON_JOB = GroupVersionKind("batch", "v1", "CronJob")
REPLICATION_CONTROLLER = GroupVersionKind("", "v1", "ReplicationController")
SERVICE = GroupVersionKind("", "v1", "Service")
ENDPOINTS = GroupVersionKind("", "v1", "Endpoints")
ENDPOINT_SLICE = GroupVersionKind("discovery.k8s.io", "v1", "EndpointSlice")
CLAIM = GroupVersionKind("", "v1", "PersistentVolumeClaim")
VOLUME = GroupVersionKind("", "v1", "PersistentVolume")
STORAGE_CLASS = GroupVersionKind("storage.k8s.io", "v1", "StorageClass")
INGRESS = GroupVersionKind("networking.k8s.io", "v1", "Ingress")
NODE = GroupVersionKind("", "v1", "Node")
LEASE = GroupVersionKind("coordination.k8s.io", "v1", "Lease")
AUTOSCALER = GroupVersionKind("autoscaling", "v2", "HorizontalPodAutoscaler")
DISRUPTION_BUDGET = GroupVersionKind("policy", "v1", "PodDisruptionBudget")
API_SERVICE = GroupVersionKind("apiregistration.k8s.io", "v1", "APIService")
