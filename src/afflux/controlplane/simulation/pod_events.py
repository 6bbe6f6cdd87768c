"""What a kubelet says about Pods in trouble: the Events that ``kubectl describe`` shows."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from afflux.controlplane.simulation.decisions import Moment
from afflux.objects.manifest import Manifest

_SAYS = {"ImagePullBackOff": "BackOff", "CrashLoopBackOff": "BackOff"}
"""The reason of the Event for a waiting container's reason."""


def trouble(pod: Manifest, status: Manifest, node: str, now: Moment) -> Iterator[Manifest]:
    """One Warning for each container that waits with something to say."""
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason = _SAYS.get(str(waiting.get("reason")))
        if reason:
            yield _event(pod, str(container.get("name")), reason, str(waiting.get("message")), node, now)


def _event(pod: Manifest, container: str, reason: str, message: str, node: str, now: Moment) -> Manifest:
    metadata = pod["metadata"]
    suffix = format(zlib.crc32(f"{metadata['uid']}/{container}/{message}".encode()), "x")
    about = {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "fieldPath": f"spec.containers{{{container}}}",
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{suffix}", "namespace": metadata["namespace"]},
        "involvedObject": about,
        "reason": reason,
        "message": message,
        "type": "Warning",
        "count": 1,
        "firstTimestamp": now.text,
        "lastTimestamp": now.text,
        "source": {"component": "kubelet", "host": node},
        "reportingComponent": "kubelet",
        "reportingInstance": node,
    }
