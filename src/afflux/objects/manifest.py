"""A manifest is a plain dict, exactly as parsed."""

from typing import Any, TypeAlias

Json: TypeAlias = Any
"""Parsed JSON: dict, list, str, int, float, bool or None. The one alias of ``Any`` in the project."""

Manifest: TypeAlias = dict[str, Json]
"""A Kubernetes object as parsed: ``apiVersion``, ``kind``, ``metadata`` and the rest."""


def metadata_of(manifest: Manifest) -> dict[str, Json]:
    """The object's metadata, or an empty dict where it has none (or something else in its place)."""
    metadata = manifest.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def labels_of(manifest: Manifest) -> dict[str, str]:
    """The object's labels; an empty dict where it has none."""
    labels = metadata_of(manifest).get("labels")
    return labels if isinstance(labels, dict) else {}


def annotations_of(manifest: Manifest) -> dict[str, str]:
    """The object's annotations; an empty dict where it has none."""
    annotations = metadata_of(manifest).get("annotations")
    return annotations if isinstance(annotations, dict) else {}
