"""OpenAPI v2 (Swagger): one document for all kinds, as JSON and, for kubectl up to 1.28, as protobuf."""

from __future__ import annotations

from typing import Final

import orjson

from afflux.controlplane.kind_registry import KindRegistry
from afflux.controlplane.openapi import WRITE_OPTIONS, collection_path, custom_schema_name, kind_marker
from afflux.controlplane.openapi_protobuf import encode_document
from afflux.controlplane.served_kind import ServedKind
from afflux.objects.manifest import Json, Manifest
from afflux.schema.openapi import Schemas

PROTOBUF_ASKED: Final = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
PROTOBUF_ANSWERED: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

_PREFIX: Final = "#/definitions/"
_ONLY_IN_V3: Final = frozenset({"nullable", "oneOf", "anyOf", "not", "allOf"})
"""What Swagger can't say in a schema; it is left out, as the API server does."""


class OpenApiV2:
    """The document of a registry, made when asked for and kept until kinds change."""

    def __init__(self, registry: KindRegistry, schemas: Schemas) -> None:
        self._registry = registry
        self._schemas = schemas
        self._json: tuple[int, bytes] = (-1, b"")
        self._protobuf: tuple[int, bytes] = (-1, b"")

    def as_json(self) -> bytes:
        if self._json[0] != self._registry.generation:
            self._json = (self._registry.generation, orjson.dumps(self._document()))
        return self._json[1]

    def as_protobuf(self) -> bytes:
        if self._protobuf[0] != self._registry.generation:
            self._protobuf = (self._registry.generation, encode_document(self._document()))
        return self._protobuf[1]

    def _document(self) -> Manifest:
        definitions: dict[str, Json] = {}
        paths: dict[str, Json] = {}
        markers: dict[str, list[Json]] = {}
        for kind in self._registry.kinds():
            name = self._add_kind(kind, definitions)
            markers.setdefault(name, []).append(kind_marker(kind))
            paths |= _paths(kind, name)
        for name, marker in markers.items():
            definitions[name] = {**definitions[name], "x-kubernetes-group-version-kind": marker}
        info = {"title": "Kubernetes", "version": f"v{self._schemas.minor}.0"}
        return {"swagger": "2.0", "info": info, "paths": paths, "definitions": definitions}

    def _add_kind(self, kind: ServedKind, definitions: dict[str, Json]) -> str:
        if kind.custom is not None:
            name = custom_schema_name(kind)
            definitions[name] = _custom_schema(kind.custom.raw_schema)
            return name
        found = self._schemas.definition_name(kind.gvk)
        if found is None:
            definitions[kind.gvk.kind] = {"type": "object"}
            return kind.gvk.kind
        self._add_definition(found, definitions)
        return found

    def _add_definition(self, name: str, definitions: dict[str, Json]) -> None:
        if name in definitions:
            return
        definitions[name] = {}
        definitions[name] = self._with_references(self._schemas.definitions[name], definitions)

    def _with_references(self, node: Json, definitions: dict[str, Json]) -> Json:
        if isinstance(node, list):
            return [self._with_references(item, definitions) for item in node]
        if not isinstance(node, dict):
            return node
        copied = {key: self._with_references(value, definitions) for key, value in node.items()}
        reference = node.get("$ref")
        if isinstance(reference, str):
            self._add_definition(reference, definitions)
            copied["$ref"] = _PREFIX + reference
        return copied


def _custom_schema(raw: Manifest) -> Manifest:
    schema: Manifest = _without_v3(raw)
    properties = {
        **(schema.get("properties") or {}),
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"$ref": f"{_PREFIX}io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
    }
    return {**schema, "type": "object", "properties": properties}


def _without_v3(node: Json) -> Json:
    if isinstance(node, list):
        return [_without_v3(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {}
    for key, value in node.items():
        if key == "properties" and isinstance(value, dict):
            kept[key] = {name: _without_v3(each) for name, each in value.items()}
        elif key not in _ONLY_IN_V3:
            kept[key] = _without_v3(value)
    return kept


def _paths(kind: ServedKind, name: str) -> Manifest:
    collection = collection_path(kind)
    writing = WRITE_OPTIONS
    return {
        collection: {"get": _operation(kind, name, "list", ()), "post": _operation(kind, name, "post", writing)},
        collection + "/{name}": {
            "get": _operation(kind, name, "get", ()),
            "put": _operation(kind, name, "put", writing),
            "patch": _operation(kind, name, "patch", (*writing, ("force", "boolean"))),
            "delete": _operation(kind, name, "delete", writing[:1]),
        },
    }


def _operation(kind: ServedKind, name: str, action: str, options: tuple[tuple[str, str], ...]) -> Manifest:
    return {
        "operationId": f"{action}{kind.gvk.group}{kind.gvk.version}{kind.gvk.kind}",
        "parameters": [{"name": option, "in": "query", "type": type_} for option, type_ in options],
        "responses": {"200": {"description": "OK", "schema": {"$ref": _PREFIX + name}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": kind_marker(kind),
    }
