"""From a built resource to the manifest that is applied: whole, without what its kind doesn't know, and labelled."""

from collections.abc import Mapping

from afflux.manifests.normalize import normalize
from afflux.objects.manifest import Json, Manifest, annotations_of, labels_of, metadata_of
from afflux.render.errors import EncryptedSecret, RenderFailed
from afflux.render.spec import RenderSpec

_DECRYPT = "kustomize.toolkit.fluxcd.io/decrypt"


def objects_in(value: Json, where: str) -> list[Manifest]:
    """The objects of a built document: lists are flattened, kustomize's own kinds dropped.

    Raises `RenderFailed` for an object without apiVersion, kind or name.
    """
    if not isinstance(value, dict):
        raise RenderFailed(f"failed to decode Kubernetes apiVersion, kind and name{where}: not an object")
    if isinstance(value.get("items"), list) and str(value.get("kind", "")).endswith("List"):
        return [found for item in value["items"] for found in objects_in(item, where)]
    for path in (("apiVersion",), ("kind",), ("metadata", "name")):
        holder = value if len(path) == 1 else metadata_of(value)
        found = holder.get(path[-1])
        if not isinstance(found, str) or not found:
            problem = f"{'.'.join(path)} is not a string: quote it" if found else f"no {'.'.join(path)}"
            raise RenderFailed(f"failed to decode Kubernetes apiVersion, kind and name{where}: {problem}")
    if value["kind"].lower() == "kustomization" and value["apiVersion"].startswith("kustomize.config.k8s.io/"):
        return []
    return [value]


def finished(manifest: Manifest, spec: RenderSpec) -> Manifest:
    """The manifest as it is applied: owner labels, normalised, then ``commonMetadata`` (Flux's order)."""
    common = spec.section("commonMetadata")
    labelled = with_metadata(manifest, spec.owner_labels, {})
    _refuse_encrypted(labelled)
    return with_metadata(normalize(labelled), common.get("labels") or {}, common.get("annotations") or {})


def with_metadata(manifest: Manifest, labels: Mapping[str, str], annotations: Mapping[str, str]) -> Manifest:
    """The manifest with these labels and annotations set; shares everything else."""
    if not labels and not annotations:
        return manifest
    metadata = dict(metadata_of(manifest))
    if labels:
        metadata["labels"] = {**labels_of(manifest), **labels}
    if annotations:
        metadata["annotations"] = {**annotations_of(manifest), **annotations}
    return {**manifest, "metadata": metadata}


def _refuse_encrypted(manifest: Manifest) -> None:
    if manifest.get("kind") != "Secret" or manifest.get("apiVersion") != "v1" or not manifest.get("sops"):
        return
    if annotations_of(manifest).get(_DECRYPT) == "disabled":
        return
    metadata = metadata_of(manifest)
    subject = "/".join(filter(None, ("Secret", metadata.get("namespace"), metadata.get("name"))))
    raise EncryptedSecret(
        f"{subject} is SOPS encrypted, configuring decryption is required for this secret to be reconciled"
    )
