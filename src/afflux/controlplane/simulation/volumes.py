"""Claims: a volume is made for each, and given back when the claim goes."""

from __future__ import annotations

from afflux.controlplane.simulation.decisions import Change, Create, Decision, Moment, Remove, is_going
from afflux.objects.manifest import Json, Manifest

_CLAIM_PROTECTION = "kubernetes.io/pvc-protection"
_VOLUME_PROTECTION = "kubernetes.io/pv-protection"
_MADE_HERE = "pv.kubernetes.io/provisioned-by"
_PROVISIONER = "sim.gitops/volumes"
NEVER = "never"
"""The storage class whose claims stay Pending."""


def let_claim_go(claim: Manifest, *, used: bool) -> Decision:
    """A deleted claim goes when no Pod uses it."""
    decision = Decision()
    if is_going(claim) and not used:
        _release(decision, claim, _CLAIM_PROTECTION)
    return decision


def let_volume_go(volume: Manifest, claim: Manifest | None) -> Decision:
    """A deleted volume goes when no claim holds it."""
    decision = Decision()
    if is_going(volume) and not _holds(claim, volume):
        _release(decision, volume, _VOLUME_PROTECTION)
    return decision


def _holds(claim: Manifest | None, volume: Manifest) -> bool:
    wanted = ((volume.get("spec") or {}).get("claimRef") or {}).get("uid")
    return claim is not None and claim["metadata"]["uid"] == wanted


def decide_claim(claim: Manifest, volume: Manifest | None, *, waits: bool) -> Decision:
    """Bind a claim. ``waits``: its class binds for its first consumer, and there is none."""
    decision = Decision()
    spec, metadata = claim.get("spec") or {}, claim["metadata"]
    if is_going(claim):
        return decision
    if spec.get("storageClassName") == NEVER or (waits and not spec.get("volumeName")):
        return decision
    name = spec.get("volumeName") or f"pvc-{metadata['uid']}"
    if volume is None:
        if not spec.get("volumeName"):
            decision.writes.append(Create(_volume(claim, name)))
        else:
            return decision
    if spec.get("volumeName") != name:
        notes = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
        decision.writes.append(Change(claim, {"metadata": {"annotations": notes}, "spec": {"volumeName": name}}))
    bound = {
        "phase": "Bound",
        "accessModes": spec.get("accessModes") or [],
        "capacity": {"storage": _requested(spec)},
    }
    decision.status(claim, {**(claim.get("status") or {}), **bound})
    return decision


def _requested(spec: Manifest) -> Json:
    return ((spec.get("resources") or {}).get("requests") or {}).get("storage", "1Gi")


def _volume(claim: Manifest, name: str) -> Manifest:
    spec, metadata = claim.get("spec") or {}, claim["metadata"]
    owner = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "uid": metadata["uid"],
    }
    body: Manifest = {
        "accessModes": spec.get("accessModes") or [],
        "capacity": {"storage": _requested(spec)},
        "claimRef": owner,
        "hostPath": {"path": f"/var/lib/volumes/{name}", "type": "DirectoryOrCreate"},
        "persistentVolumeReclaimPolicy": "Delete",
    }
    for field in ("storageClassName", "volumeMode"):
        if spec.get(field):
            body[field] = spec[field]
    annotations = {_MADE_HERE: _PROVISIONER}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": annotations},
        "spec": body,
    }


def decide_volume(volume: Manifest, claim: Manifest | None, now: Moment) -> Decision:
    """A volume is Bound to its claim, Available without one, and goes with it if it was made for it."""
    decision = Decision()
    spec = volume.get("spec") or {}
    wanted = (spec.get("claimRef") or {}).get("uid")
    held = _holds(claim, volume)
    if is_going(volume):
        return decision
    made_here = (volume["metadata"].get("annotations") or {}).get(_MADE_HERE) == _PROVISIONER
    if wanted and not held and made_here and spec.get("persistentVolumeReclaimPolicy") == "Delete":
        decision.writes.append(Remove(volume))
        return decision
    phase = "Bound" if held else "Released" if wanted else "Available"
    status = volume.get("status") or {}
    if status.get("phase") != phase:
        decision.status(volume, {**status, "phase": phase, "lastPhaseTransitionTime": now.text})
    return decision


def _release(decision: Decision, manifest: Manifest, finalizer: str) -> None:
    finalizers = manifest["metadata"].get("finalizers") or []
    if finalizer in finalizers:
        rest = [each for each in finalizers if each != finalizer]
        decision.writes.append(Change(manifest, {"metadata": {"finalizers": rest or None}}))


def claims_of(pod: Manifest) -> list[str]:
    """The names of the claims that a Pod mounts."""
    names = []
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        if claim := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
            names.append(str(claim))
        elif volume.get("ephemeral"):
            names.append(f"{pod['metadata']['name']}-{volume['name']}")
    return names


def ephemeral_claims(pod: Manifest) -> list[Manifest]:
    """The claims that a Pod brings along."""
    claims = []
    metadata = pod["metadata"]
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        template = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
        if not template:
            continue
        owner = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        own = {
            **(template.get("metadata") or {}),
            "name": f"{metadata['name']}-{volume['name']}",
            "namespace": metadata["namespace"],
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        }
        kind = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
        claims.append({**kind, "metadata": own, "spec": template["spec"]})
    return claims
