"""Binding: a Pod gets its node, once. What a scheduler asks for, and nobody can by an ordinary update."""

from __future__ import annotations

import time

from afflux.controlplane.errors import conflict
from afflux.controlplane.pipeline import Author
from afflux.controlplane.served_kind import ServedKind
from afflux.controlplane.stored import StoredObject
from afflux.controlplane.writer import Writer


def bind(writer: Writer, kind: ServedKind, live: StoredObject, node: str, author: Author) -> None:
    """Store the Pod with its node and the condition that says so; 409 where it has one."""
    spec, status = live.manifest["spec"], live.manifest.get("status") or {}
    if spec.get("nodeName"):
        words = f'pod {live.name} is already assigned to node "{spec["nodeName"]}"'
        raise conflict(kind.named(live.name)._replace(resource="pods/binding"), words)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
    others = [condition for condition in status.get("conditions") or () if condition.get("type") != "PodScheduled"]
    new = {
        **live.manifest,
        "metadata": dict(live.manifest["metadata"]),
        "spec": {**spec, "nodeName": node},
        "status": {**status, "conditions": [*others, scheduled]},
    }
    writer.replaced(kind, live, new, author)
