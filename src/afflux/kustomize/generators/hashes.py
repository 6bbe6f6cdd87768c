"""The hash of a ConfigMap's or Secret's content, which its name ends with."""

import hashlib
import json
from typing import Final

from afflux.kustomize.resource import Resource
from afflux.kustomize.scalars import copied, text_of, unmarked
from afflux.objects.manifest import Json, Manifest

LENGTH: Final = 10
LETTERS: Final = str.maketrans("013ae", "ghkmt")
"""Digits and letters that could make words are replaced."""
HTML: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def name_hash(resource: Resource) -> str:
    """Ten characters that depend on the object's kind, type and data, as kustomize works them out."""
    manifest = resource.manifest
    kind = text_of(manifest.get("kind", ""))
    # kustomize looks for a field called "metadata/name" and never finds one.
    content: Manifest = {"kind": kind, "name": "", "data": _part(manifest, "data")}
    if kind == "Secret":
        content["type"] = text_of(manifest["type"]) if "type" in manifest else ""
        optional = "stringData"
    else:
        optional = "binaryData"
    if isinstance(manifest.get(optional), dict):
        content[optional] = _part(manifest, optional)
    digest = hashlib.sha256(go_json(content).encode()).hexdigest()
    return digest[:LENGTH].translate(LETTERS)


def _part(manifest: Manifest, field: str) -> Json:
    value = manifest.get(field)
    if isinstance(value, dict):
        return unmarked(copied(value))
    return "" if value is None and field not in manifest else text_of(value)


def go_json(value: Json) -> str:
    """JSON as Go's encoder writes it: sorted keys, no spaces, HTML's special characters escaped."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.translate(HTML)
