"""OpenAPI v3 as clients read it: an index, and a document for each group and version.

Documents hold the schemas of the version's kinds and, for each kind, the paths that clients look at: kubectl finds out
there whether ``fieldValidation`` and ``dryRun`` are understood, and ``kubectl explain`` finds the schema.
"""

from __future__ import annotations

import hashlib
from typing import Final

import orjson

from afflux.controlplane.kind_registry import KindRegistry
from afflux.controlplane.served_kind import ServedKind
from afflux.objects.manifest import Json, Manifest
from afflux.schema.openapi import Schemas

_PREFIX: Final = "#/components/schemas/"
_OBJECT_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
WRITE_OPTIONS: Final = (
    ("dryRun", "string"),
    ("fieldManager", "string"),
    ("fieldValidation", "string"),
)
"""Query parameters of writes, and their types."""

_PATCH_TYPES: Final = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)


class OpenApi:
    """The documents of a registry, made when asked for and kept until kinds change."""

    def __init__(self, registry: KindRegistry, schemas: Schemas) -> None:
        self._registry = registry
        self._schemas = schemas
        self._documents: dict[tuple[str, str], tuple[int, bytes]] = {}

    def index(self) -> Manifest:
        """``/openapi/v3``: where each document is, with a hash that changes with it."""
        paths: Manifest = {}
        for group, version in self._group_versions():
            path = f"apis/{group}/{version}" if group else f"api/{version}"
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={self._hash(group, version)}"}
        return {"paths": paths}

    def document(self, group: str, version: str) -> bytes | None:
        """``/openapi/v3/apis/{group}/{version}``; None for one that isn't served."""
        kinds = self._kinds(group, version)
        if not kinds:
            return None
        stamp = hash(tuple(map(id, kinds)))
        found = self._documents.get((group, version))
        if found is None or found[0] != stamp:
            found = self._documents[(group, version)] = (stamp, orjson.dumps(self._document(kinds)))
        return found[1]

    def _group_versions(self) -> list[tuple[str, str]]:
        return list(dict.fromkeys((kind.gvk.group, kind.gvk.version) for kind in self._registry.kinds()))

    def _kinds(self, group: str, version: str) -> list[ServedKind]:
        return [kind for kind in self._registry.kinds() if kind.gvk[:2] == (group, version)]

    def _hash(self, group: str, version: str) -> str:
        """Of what the document is made from, not of the document: the index must not make them all."""
        digest = hashlib.sha256(f"{self._schemas.minor}/{group}/{version}".encode())
        for kind in self._kinds(group, version):
            if kind.custom is not None:
                digest.update(orjson.dumps([kind.plural, sorted(kind.subresources), kind.custom.raw_schema]))
        return digest.hexdigest()[:32].upper()

    def _document(self, kinds: list[ServedKind]) -> Manifest:
        schemas: dict[str, Json] = {}
        paths: dict[str, Json] = {}
        for kind in kinds:
            name = self._add_schema(kind, schemas)
            paths |= _paths(kind, name)
        title = {"title": "Kubernetes", "version": f"v{self._schemas.minor}.0"}
        return {"openapi": "3.0.0", "info": title, "paths": paths, "components": {"schemas": schemas}}

    def _add_schema(self, kind: ServedKind, schemas: dict[str, Json]) -> str:
        if kind.custom is not None:
            name = custom_schema_name(kind)
            schemas[name] = {
                **self._custom_schema(kind, schemas),
                "x-kubernetes-group-version-kind": [kind_marker(kind)],
            }
            return name
        found = self._schemas.definition_name(kind.gvk)
        if found is None:
            schemas[kind.gvk.kind] = {"type": "object", "x-kubernetes-group-version-kind": [kind_marker(kind)]}
            return kind.gvk.kind
        self._add_definition(found, schemas)
        schemas[found] = {**schemas[found], "x-kubernetes-group-version-kind": [kind_marker(kind)]}
        return found

    def _custom_schema(self, kind: ServedKind, schemas: dict[str, Json]) -> Manifest:
        assert kind.custom is not None
        raw = kind.custom.raw_schema
        self._add_definition(_OBJECT_META, schemas)
        properties = {
            **(raw.get("properties") or {}),
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"allOf": [{"$ref": _PREFIX + _OBJECT_META}]},
        }
        return {**raw, "type": "object", "properties": properties}

    def _add_definition(self, name: str, schemas: dict[str, Json]) -> None:
        """Take a definition and all that it refers to into the document."""
        if name in schemas:
            return
        schemas[name] = {}
        schemas[name] = self._with_references(self._schemas.definitions[name], schemas)

    def _with_references(self, node: Json, schemas: dict[str, Json]) -> Json:
        if isinstance(node, list):
            return [self._with_references(item, schemas) for item in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return {key: self._with_references(value, schemas) for key, value in node.items()}
        self._add_definition(reference, schemas)
        siblings = {key: value for key, value in node.items() if key != "$ref"}
        pointer = {"$ref": _PREFIX + reference}
        return {**siblings, "allOf": [pointer]} if siblings else pointer


def custom_schema_name(kind: ServedKind) -> str:
    """The name of a custom kind's schema: the group reversed, version, kind."""
    reversed_group = ".".join(reversed(kind.gvk.group.split(".")))
    return f"{reversed_group}.{kind.gvk.version}.{kind.gvk.kind}"


def kind_marker(kind: ServedKind) -> dict[str, str]:
    """The value of ``x-kubernetes-group-version-kind``."""
    return {"group": kind.gvk.group, "kind": kind.gvk.kind, "version": kind.gvk.version}


def collection_path(kind: ServedKind) -> str:
    """The path of a kind's objects as OpenAPI names it."""
    root = f"/apis/{kind.gvk.group}/{kind.gvk.version}" if kind.gvk.group else f"/api/{kind.gvk.version}"
    return f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"


def _paths(kind: ServedKind, schema_name: str) -> Manifest:
    collection = collection_path(kind)
    return {
        collection: {
            "get": _operation(kind, schema_name, "list", ()),
            "post": _operation(kind, schema_name, "post", WRITE_OPTIONS),
        },
        collection + "/{name}": {
            "get": _operation(kind, schema_name, "get", ()),
            "put": _operation(kind, schema_name, "put", WRITE_OPTIONS),
            "patch": _patch_operation(kind, schema_name),
            "delete": _operation(kind, schema_name, "delete", WRITE_OPTIONS[:1]),
        },
    }


def _operation(kind: ServedKind, schema_name: str, action: str, options: tuple[tuple[str, str], ...]) -> Manifest:
    schema = {"schema": {"$ref": _PREFIX + schema_name}}
    return {
        "operationId": f"{action}{kind.gvk.group}{kind.gvk.version}{kind.gvk.kind}",
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": type_, "uniqueItems": True}} for name, type_ in options
        ],
        "responses": {"200": {"description": "OK", "content": {"application/json": schema}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": kind_marker(kind),
    }


def _patch_operation(kind: ServedKind, schema_name: str) -> Manifest:
    operation = _operation(kind, schema_name, "patch", (*WRITE_OPTIONS, ("force", "boolean")))
    types = [each for each in _PATCH_TYPES if not (kind.is_custom and "strategic" in each)]
    content = {each: {"schema": {"type": "object"}} for each in types}
    return {**operation, "requestBody": {"content": content, "required": True}}
