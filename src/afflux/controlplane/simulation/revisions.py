"""ControllerRevisions: the history of StatefulSets' and DaemonSets' templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from afflux.controlplane.simulation.decisions import Create, Decision, Remove, controller_reference
from afflux.controlplane.simulation.templates import template_hash
from afflux.objects.manifest import Manifest

HASH = "controller-revision-hash"


class Revision(NamedTuple):
    """The revision of a workload's present template: its name, and the hash in Pods' labels."""

    name: str
    hash: str


def current_revision(workload: Manifest) -> Revision:
    """The revision that new Pods are made from."""
    digest = template_hash(workload["spec"]["template"])
    return Revision(f"{workload['metadata']['name']}-{digest}", digest)


def keep_history(decision: Decision, workload: Manifest, revisions: Sequence[Manifest], in_use: set[str]) -> None:
    """Note the present template as the newest revision; drop the oldest that nobody uses."""
    revision = current_revision(workload)
    newest = max((int(each.get("revision") or 0) for each in revisions), default=0)
    present = next((each for each in revisions if each["metadata"]["name"] == revision.name), None)
    if present is None:
        decision.writes.append(Create(_snapshot(workload, revision, newest + 1)))
    limit = int(workload["spec"].get("revisionHistoryLimit", 10))
    unused = [each for each in revisions if each["metadata"]["name"] not in in_use and each is not present]
    oldest = sorted(unused, key=lambda each: int(each.get("revision") or 0))
    decision.writes.extend(Remove(each) for each in oldest[: max(len(unused) - limit, 0)])


def _snapshot(workload: Manifest, revision: Revision, number: int) -> Manifest:
    metadata = workload["metadata"]
    template = workload["spec"]["template"]
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH: revision.hash}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": revision.name,
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": dict(metadata.get("annotations") or {}),
            "ownerReferences": [controller_reference(workload)],
        },
        "data": {"spec": {"template": {**template, "$patch": "replace"}}},
        "revision": number,
    }
