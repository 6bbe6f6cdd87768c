"""From Pod templates to Pods, and the hashes by which revisions of a template are told apart."""

from __future__ import annotations

import zlib

import orjson

from afflux.controlplane.simulation.decisions import controller_reference
from afflux.controlplane.simulation.faults import inherited
from afflux.objects.manifest import Manifest

TEMPLATE_HASH = "pod-template-hash"
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: Manifest) -> str:
    """A short name for a template's content, in the alphabet of Kubernetes' names."""
    number = zlib.crc32(orjson.dumps(template, option=orjson.OPT_SORT_KEYS))
    return "".join(_LETTERS[ord(digit) % len(_LETTERS)] for digit in str(number))


def same_template(one: Manifest, other: Manifest) -> bool:
    """Whether two templates are equal but for the hash that ReplicaSets add to the labels."""
    return _without_hash(one) == _without_hash(other)


def _without_hash(template: Manifest) -> Manifest:
    metadata = template.get("metadata") or {}
    labels = metadata.get("labels") or {}
    if TEMPLATE_HASH not in labels:
        return template
    rest = {name: value for name, value in labels.items() if name != TEMPLATE_HASH}
    return {**template, "metadata": {**metadata, "labels": rest}}


def pod_from(owner: Manifest, template: Manifest, labels: Manifest | None = None, **metadata: str) -> Manifest:
    """A Pod of a workload. ``metadata`` names it: ``name=`` or ``generateName=``."""
    given = template.get("metadata") or {}
    pod_metadata: Manifest = {
        **metadata,
        "namespace": owner["metadata"]["namespace"],
        "labels": {**(given.get("labels") or {}), **(labels or {})},
        "ownerReferences": [controller_reference(owner)],
    }
    annotations = {**inherited(owner), **(given.get("annotations") or {})}
    if annotations:
        pod_metadata["annotations"] = annotations
    if given.get("finalizers"):
        pod_metadata["finalizers"] = given["finalizers"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": pod_metadata, "spec": template["spec"]}
