"""How the lists of an object are merged: the part of OpenAPI that kustomize's patches look at.

The built-in kinds' table holds the facts of the OpenAPI document that kustomize carries (Kubernetes 1.21.2), cut
down to the fields that lead to a list with a merge strategy. A kustomization's ``openapi.path`` takes its place.
"""

import json
from functools import cache
from importlib import resources
from typing import Final, Protocol

from afflux.objects.manifest import Json

BUILT_IN_VERSION: Final = "v1.21.2"
"""The only version that ``openapi.version`` may name."""
MAX_REFERENCES: Final = 100
"""References to references are followed so far."""


class MergeSchema(Protocol):
    """The schema of one value."""

    @property
    def merge_keys(self) -> tuple[str, ...] | None:
        """The fields that identify an element, where the value is a list to be merged; else None."""
        ...

    def field(self, name: str) -> "MergeSchema | None":
        """The schema of a field of the value."""
        ...

    def elements(self) -> "MergeSchema | None":
        """The schema of the value's elements."""
        ...


class MergeSchemas(Protocol):
    """The schemas of kinds."""

    def for_kind(self, api_version: str, kind: str) -> MergeSchema | None:
        """The schema of a kind's objects."""
        ...


class _Entry:
    """An entry of the table: ``merge`` (keys), and what type the value (``object``), its elements or values have."""

    __slots__ = ("_elements", "_entry", "_fields", "_table", "merge_keys")

    def __init__(self, table: "_Table", entry: dict[str, Json]) -> None:
        self._table = table
        self._entry = entry
        self._fields: dict[str, _Entry | None] = {}
        self._elements: _Entry | None = None
        self.merge_keys: tuple[str, ...] | None = tuple(entry["merge"]) if "merge" in entry else None

    def field(self, name: str) -> "_Entry | None":
        if name not in self._fields:
            self._fields[name] = self._make(name)
        return self._fields[name]

    def elements(self) -> "_Entry | None":
        if self._elements is None and "items" in self._entry:
            self._elements = _Entry(self._table, {"object": self._entry["items"]})
        return self._elements

    def _make(self, name: str) -> "_Entry | None":
        if "object" in self._entry:
            entry = self._table.types[self._entry["object"]].get(name)
            return None if entry is None else _Entry(self._table, entry)
        if "values" in self._entry:
            return _Entry(self._table, {"object": self._entry["values"]})
        return None


class _Table:
    """The built-in kinds."""

    def __init__(self, data: dict[str, Json]) -> None:
        self.types: list[dict[str, dict[str, Json]]] = data["types"]
        self._kinds: dict[str, int] = data["kinds"]
        self._definitions: dict[str, int] = data["definitions"]
        self._made: dict[str, _Entry] = {}

    def for_kind(self, api_version: str, kind: str) -> _Entry | None:
        name = f"{api_version}/{kind}"
        if name not in self._made:
            if name not in self._kinds:
                return None
            self._made[name] = _Entry(self, {"object": self._kinds[name]})
        return self._made[name]

    def definition(self, name: str) -> _Entry | None:
        """The schema of a definition, by its name in the OpenAPI document."""
        index = self._definitions.get(name)
        return None if index is None else _Entry(self, {"object": index})


@cache
def built_in_schemas() -> _Table:
    """The schemas of the built-in kinds, read once."""
    text = resources.files("afflux.kustomize").joinpath("data/merge_keys.json").read_text()
    return _Table(json.loads(text))


class _OpenApiSchema:
    """A schema of an OpenAPI document that a kustomization brings."""

    __slots__ = ("_node", "_root", "merge_keys")

    def __init__(self, root: "OpenApiSchemas", node: dict[str, Json]) -> None:
        self._root = root
        self._node = node
        self.merge_keys = _merge_keys(node)

    def field(self, name: str) -> MergeSchema | None:
        properties, additional = self._node.get("properties"), self._node.get("additionalProperties")
        if isinstance(properties, dict) and name in properties:
            return self._root.resolved(properties[name])
        return self._root.resolved(additional) if isinstance(additional, dict) else None

    def elements(self) -> MergeSchema | None:
        if self._node.get("type") not in ("array", ["array"]):
            return None
        return self._root.resolved(self._node.get("items"))


class OpenApiSchemas:
    """The schemas of an OpenAPI document; kinds are found by ``x-kubernetes-group-version-kind``.

    ``with_built_in``: the built-in kinds are known too, and their definitions win over those of the document.
    """

    def __init__(self, document: Json, with_built_in: bool = False) -> None:
        self._built_in = built_in_schemas() if with_built_in else None
        definitions = document.get("definitions") if isinstance(document, dict) else None
        self._definitions: dict[str, Json] = definitions if isinstance(definitions, dict) else {}
        self._kinds: dict[tuple[str, str], Json] = {}
        for definition in self._definitions.values():
            for api_version, kind in _declared_kinds(definition):
                self._kinds[(api_version, kind)] = definition

    def for_kind(self, api_version: str, kind: str) -> MergeSchema | None:
        """See ``MergeSchemas``."""
        known = self._built_in.for_kind(api_version, kind) if self._built_in else None
        definition = self._kinds.get((api_version, kind))
        return known or (_OpenApiSchema(self, definition) if isinstance(definition, dict) else None)

    def resolved(self, node: Json) -> MergeSchema | None:
        """The schema with its references followed; None for one that leads nowhere."""
        for _ in range(MAX_REFERENCES):
            if not isinstance(node, dict):
                return None
            if "$ref" not in node:
                return _OpenApiSchema(self, node)
            name = str(node["$ref"]).removeprefix("#/definitions/")
            known = self._built_in.definition(name) if self._built_in else None
            if known is not None:
                return known
            node = self._definitions.get(name)
        return None


def cluster_scoped_kinds(document: Json) -> frozenset[tuple[str, str]]:
    """``(apiVersion, kind)`` of the kinds that an OpenAPI document's paths read without a namespace."""
    paths = document.get("paths") if isinstance(document, dict) else None
    scoped: dict[tuple[str, str], bool] = {}
    for path, item in paths.items() if isinstance(paths, dict) else ():
        reading = item.get("get") if isinstance(item, dict) else None
        kind = reading.get("x-kubernetes-group-version-kind") if isinstance(reading, dict) else None
        for key in _declared_kinds({"x-kubernetes-group-version-kind": [kind]}):
            scoped[key] = scoped.get(key, False) or "namespaces/{namespace}" in path
    return frozenset(key for key, is_namespaced in scoped.items() if not is_namespaced)


def _declared_kinds(definition: Json) -> list[tuple[str, str]]:
    declared = definition.get("x-kubernetes-group-version-kind") if isinstance(definition, dict) else None
    found = []
    for each in declared if isinstance(declared, list) else ():
        if isinstance(each, dict) and isinstance(each.get("version"), str) and isinstance(each.get("kind"), str):
            group = each.get("group")
            found.append((f"{group}/{each['version']}" if group else each["version"], each["kind"]))
    return found


def _merge_keys(node: dict[str, Json]) -> tuple[str, ...] | None:
    strategy = node.get("x-kubernetes-patch-strategy")
    if not isinstance(strategy, str) or "merge" not in strategy.split(","):
        return None
    keys = node.get("x-kubernetes-list-map-keys")
    if isinstance(keys, list):
        return tuple(str(key) for key in keys)
    key = node.get("x-kubernetes-patch-merge-key")
    return (key,) if isinstance(key, str) else ()
