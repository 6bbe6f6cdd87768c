"""Makes ``src/afflux/schema/data/kubernetes-<minor>.json.gz`` from the definitions in ``kubernetes-validate``.

    python tools/build_schemas.py [minor ...]

What the library adds for JSON-Schema validators is undone (``null`` among the types, ``enum`` on apiVersion and kind),
descriptions are left out, and three things that are known from Kubernetes' own documents are put back: the formats of
Quantity and IntOrString, the free-form types, and the defaults of keys by which lists are merged.
"""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate

DATA = Path(__file__).parents[1] / "src" / "afflux" / "schema" / "data"

KEPT = (
    "format",
    "required",
    "enum",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-strategy",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
)

SCALARS: dict[str, dict[str, Any]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "string", "format": "quantity"},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {
        "type": "string",
        "format": "int-or-string",
        "x-kubernetes-int-or-string": True,
    },
}

FREE_FORM = (
    "io.k8s.apimachinery.pkg.runtime.RawExtension",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray",
)

ZERO = {"string": "", "integer": 0}

KEY_DEFAULTS = {
    ("io.k8s.api.core.v1.ContainerPort", "protocol"): "TCP",
    ("io.k8s.api.core.v1.ServicePort", "protocol"): "TCP",
    ("io.k8s.api.core.v1.LocalObjectReference", "name"): "",
}


def main(minors: list[str]) -> None:
    for minor in minors or ["1.36"]:
        definitions = compact(read_definitions(minor))
        document = {"minor": minor, "kinds": kinds_of(definitions), "definitions": definitions}
        text = json.dumps(document, separators=(",", ":"), sort_keys=True)
        target = DATA / f"kubernetes-{minor}.json.gz"
        # No time stamp and no name: the same input gives the same bytes.
        target.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
        print(f"{target.name}: {len(definitions)} definitions, {len(text)} bytes, {target.stat().st_size} compressed")


def read_definitions(minor: str) -> dict[str, Any]:
    schemas = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    document = json.loads((schemas / f"v{minor}.0-local" / "_definitions.json").read_text())
    return document["$defs"]


def compact(definitions: dict[str, Any]) -> dict[str, Any]:
    compacted = {}
    for name, definition in definitions.items():
        node = compact_node(definition)
        if name in SCALARS:
            node = dict(SCALARS[name])
        elif name in FREE_FORM:
            node["x-kubernetes-preserve-unknown-fields"] = True
        if kinds := definition.get("x-kubernetes-group-version-kind"):
            node["x-kubernetes-group-version-kind"] = kinds
            for field in ("apiVersion", "kind"):
                node.get("properties", {}).get(field, {}).pop("enum", None)
        compacted[name] = node
    for (name, field), default in KEY_DEFAULTS.items():
        compacted[name]["properties"][field]["default"] = default
    for definition in list(compacted.values()):
        for node in definition.get("properties", {}).values():
            default_keys(node, compacted)
    return compacted


def default_keys(node: dict[str, Any], compacted: dict[str, Any]) -> None:
    """Keys that a list's items must have are Go's empty value where they are left out: validation refuses them."""
    while "$ref" in node and "items" not in node:
        node = compacted[node["$ref"]]
    keys = node.get("x-kubernetes-list-map-keys", ())
    item = node.get("items", {})
    item = compacted[item["$ref"]] if keys and "$ref" in item else item
    for key in keys:
        field = item["properties"][key]
        if key in item.get("required", ()) and "default" not in field:
            field["default"] = ZERO[field["type"]]


def compact_node(node: dict[str, Any]) -> dict[str, Any]:
    kept = {key: node[key] for key in KEPT if key in node}
    if "enum" in kept:
        kept["enum"] = [value for value in kept["enum"] if value is not None]
    if "$ref" in node:
        kept["$ref"] = node["$ref"].rsplit("/", 1)[-1]
    if "type" in node:
        types = [node["type"]] if isinstance(node["type"], str) else [name for name in node["type"] if name != "null"]
        (kept["type"],) = types
    if "properties" in node:
        kept["properties"] = {name: compact_node(child) for name, child in node["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in node:
            kept[key] = compact_node(node[key]) if isinstance(node[key], dict) else node[key]
    return kept


def kinds_of(definitions: dict[str, Any]) -> dict[str, str]:
    """``group/version/Kind`` to the definition's name, for every definition that is one kind."""
    kinds = {}
    for name, definition in definitions.items():
        declared = definition.get("x-kubernetes-group-version-kind", [])
        if len(declared) == 1:
            kind = declared[0]
            kinds[f"{kind['group']}/{kind['version']}/{kind['kind']}"] = name
    return kinds


if __name__ == "__main__":
    main(sys.argv[1:])
