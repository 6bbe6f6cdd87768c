"""What new Jobs get, and what Jobs and DaemonSets keep."""

from __future__ import annotations

from afflux.controlplane.defaults.workloads import TEMPLATE_GENERATION
from afflux.controlplane.pipeline import WriteContext
from afflux.objects.manifest import Manifest


def update_daemon_set(context: WriteContext, new: Manifest, old: Manifest) -> Manifest:
    """The counter moves when the template does, whatever the body says."""
    before = str((old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION) or "0")
    count = int(before) if before.isdecimal() else 0
    changed = (new.get("spec") or {}).get("template") != (old.get("spec") or {}).get("template")
    return _annotated(new, str(count + 1 if changed else count))


def create_job(context: WriteContext, new: Manifest) -> Manifest:
    """Selector and labels that only this Job's Pods have, from its uid; a manual selector is the user's business."""
    spec = new.get("spec") or {}
    if spec.get("manualSelector"):
        return new
    uid, name = new["metadata"].get("uid", ""), new["metadata"].get("name", "")
    prefixed = {"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name}
    labels = {**prefixed, "controller-uid": uid, "job-name": name}
    selector = spec.get("selector") or {}
    match = {**(selector.get("matchLabels") or {}), "batch.kubernetes.io/controller-uid": uid}
    template = _labelled(spec.get("template") or {}, labels)
    spec = {**spec, "selector": {**selector, "matchLabels": match}, "template": template}
    return {**_labelled(new, labels), "spec": spec}


def update_job(context: WriteContext, new: Manifest, old: Manifest) -> Manifest:
    """A PUT or replace that leaves out the generated selector and labels keeps them."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    generated = _generated(before)
    if before.get("manualSelector") or not generated:
        return new
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    if spec.get("selector") and generated.items() <= labels.items():
        return new
    selector = spec.get("selector") or before.get("selector")
    return {**new, "spec": {**spec, "selector": selector, "template": _labelled(template, generated)}}


def _generated(spec: Manifest) -> dict[str, str]:
    names = ("batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid", "job-name")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    return {name: labels[name] for name in names if name in labels}


def _labelled(node: Manifest, labels: dict[str, str]) -> Manifest:
    metadata = node.get("metadata") or {}
    return {**node, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **labels}}}


def _annotated(daemon_set: Manifest, count: str) -> Manifest:
    metadata = daemon_set["metadata"]
    annotations = metadata.get("annotations") or {}
    if annotations.get(TEMPLATE_GENERATION) == count:
        return daemon_set
    return {**daemon_set, "metadata": {**metadata, "annotations": {**annotations, TEMPLATE_GENERATION: count}}}
