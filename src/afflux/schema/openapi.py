"""Schemas of built-in kinds and of custom ones, as views that are resolved while one walks them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from importlib.resources import files
from typing import Final

import orjson

from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Json

_OBJECT_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_KIND_FIELDS: Final[dict[str, Json]] = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"$ref": _OBJECT_META},
}


class Schema:
    """An immutable view on one schema node: references resolved, children made when first asked for and then kept.

    ``type`` is ``""`` where the node declares none (free-form values, ``x-kubernetes-int-or-string``).
    """

    def __init__(self, node: dict[str, Json], definitions: Definitions) -> None:
        self.node = node
        self._definitions = definitions
        self._children: dict[str, Schema] = {}
        self._raw_properties: dict[str, Json] = node.get("properties") or {}
        if node.get("x-kubernetes-embedded-resource"):
            self._raw_properties = {**self._raw_properties, **_KIND_FIELDS}
        self.type: str = node.get("type", "object" if self._raw_properties else "")
        self.format: str = node.get("format", "")
        self.int_or_string: bool = node.get("x-kubernetes-int-or-string", False)
        self.nullable: bool = node.get("nullable", False)
        self.default: Json = node.get("default")
        self.has_default = "default" in node
        self.enum: tuple[Json, ...] = tuple(node.get("enum", ()))
        self.required: tuple[str, ...] = tuple(node.get("required", ()))
        self.list_type: str = node.get("x-kubernetes-list-type", "atomic") if self.type == "array" else ""
        self.list_map_keys: tuple[str, ...] = tuple(node.get("x-kubernetes-list-map-keys", ()))
        self.map_type: str = node.get("x-kubernetes-map-type", "granular") if self.type == "object" else ""
        self.patch_strategy: tuple[str, ...] = tuple(
            filter(None, node.get("x-kubernetes-patch-strategy", "").split(","))
        )
        self.patch_merge_key: str = node.get("x-kubernetes-patch-merge-key", "")
        self.preserve_unknown = _preserves_unknown(node, self.type)

    def __repr__(self) -> str:
        return f"Schema({self.type or 'any'}, {sorted(self._raw_properties)})"

    @property
    def names(self) -> frozenset[str]:
        """The names of the declared properties."""
        return frozenset(self._raw_properties)

    def child(self, name: str) -> Schema | None:
        """What describes the field ``name``: its property, else ``unnamed``. None for an undeclared field."""
        return self._children.get(name) or self.property(name) or self.unnamed

    @property
    def properties(self) -> Mapping[str, Schema]:
        """Every declared property."""
        return dict(self._pairs())

    @cached_property
    def additional(self) -> Schema | None:
        """The schema of map values (``additionalProperties``), or None."""
        node = self.node.get("additionalProperties")
        return self._view(node) if isinstance(node, dict) else None

    @cached_property
    def unnamed(self) -> Schema | None:
        """What describes fields that aren't properties: ``additional``, or anything where unknown fields are kept."""
        return self.additional or (FREE_FORM if self.preserve_unknown else None)

    @cached_property
    def items(self) -> Schema:
        """The schema of list items; anything where none is declared."""
        node = self.node.get("items")
        return self._view(node) if isinstance(node, dict) else FREE_FORM

    @cached_property
    def has_quantities(self) -> bool:
        """Whether a quantity is declared at or below this node. (Kubernetes' only recursive type has none.)"""
        self.__dict__["has_quantities"] = False  # the answer for a node met again below itself
        below = [*self.properties.values(), self.additional, self.items if self.type == "array" else None]
        return self.format == "quantity" or any(child.has_quantities for child in below if child is not None)

    def _pairs(self) -> Iterator[tuple[str, Schema]]:
        for name in self._raw_properties:
            child = self.property(name)
            assert child is not None
            yield name, child

    def _view(self, node: dict[str, Json]) -> Schema:
        """Siblings of a ``$ref`` (patch strategy, list type, default) count as written on what it names."""
        reference = node.get("$ref")
        if reference is None:
            return Schema(node, self._definitions)
        if len(node) == 1:
            return self._definitions.view(reference)
        siblings = {key: value for key, value in node.items() if key != "$ref"}
        return Schema({**self._definitions.raw[reference], **siblings}, self._definitions)

    # Last, for its name hides the decorator from what follows.
    def property(self, name: str) -> Schema | None:
        """The schema of a declared property, or None."""
        known = self._children.get(name)
        if known is None and (node := self._raw_properties.get(name)) is not None:
            known = self._children[name] = self._view(node)
        return known


class Definitions:
    """Raw nodes by definition name (``$ref`` holds such a name), and their views, made once."""

    def __init__(self, load: Callable[[], Mapping[str, Json]]) -> None:
        self._load = load
        self._views: dict[str, Schema] = {}

    @cached_property
    def raw(self) -> Mapping[str, Json]:
        """The nodes, loaded when first asked for."""
        return self._load()

    def view(self, name: str) -> Schema:
        """The schema of a definition. Raises ``KeyError``."""
        view = self._views.get(name)
        if view is None:
            view = self._views[name] = Schema(self.raw[name], self)
        return view


class Schemas:
    """The built-in schemas of one Kubernetes minor."""

    def __init__(self, minor: str, kinds: Mapping[str, str], definitions: dict[str, Json]) -> None:
        self.minor = minor
        self._kinds = kinds
        self._definitions = Definitions(lambda: definitions)

    @property
    def definitions(self) -> Mapping[str, Json]:
        """Raw nodes by name (such as ``io.k8s.api.apps.v1.Deployment``), without descriptions; not to be changed."""
        return self._definitions.raw

    def definition_name(self, gvk: GroupVersionKind) -> str | None:
        """The name of a kind's definition, or None for a kind that isn't built in."""
        return self._kinds.get(f"{gvk.group}/{gvk.version}/{gvk.kind}")

    def for_kind(self, gvk: GroupVersionKind) -> Schema | None:
        """The schema of a built-in kind, served or not; None for any other kind."""
        name = self.definition_name(gvk)
        return None if name is None else self._definitions.view(name)

    def definition(self, name: str) -> Schema:
        """The schema of a definition. Raises ``KeyError``."""
        return self._definitions.view(name)


@cache
def builtin_schemas(minor: str = "1.36") -> Schemas:
    """The schemas of a Kubernetes minor; read once (a few milliseconds). Raises ``ValueError`` for an unknown one."""
    source = files("afflux.schema").joinpath("data", f"kubernetes-{minor}.json.gz")
    if not source.is_file():
        raise ValueError(f"no schemas of Kubernetes {minor} are known")
    document = orjson.loads(gzip.decompress(source.read_bytes()))
    return Schemas(document["minor"], document["kinds"], document["definitions"])


def schema_from_crd(open_api_v3_schema: dict[str, Json]) -> Schema:
    """The schema of custom objects from a CRD version's ``openAPIV3Schema``.

    As the API server does, the object's ``apiVersion``, ``kind`` and ``metadata`` are those of every object, whatever
    the CRD says of them; so are those of nodes marked ``x-kubernetes-embedded-resource``. An empty schema keeps
    everything.
    """
    node = {**open_api_v3_schema, "x-kubernetes-embedded-resource": True}
    if not open_api_v3_schema:
        node["x-kubernetes-preserve-unknown-fields"] = True
    return Schema(node, _SHARED_BY_CRDS)


def _preserves_unknown(node: dict[str, Json], type_: str) -> bool:
    declared = node.get("x-kubernetes-preserve-unknown-fields")
    if declared is not None:
        return bool(declared)
    return node.get("additionalProperties") is True or (not type_ and not node.get("x-kubernetes-int-or-string"))


_SHARED_BY_CRDS: Final = Definitions(lambda: builtin_schemas().definitions)

FREE_FORM: Final = Schema({"x-kubernetes-preserve-unknown-fields": True}, Definitions(dict))
"""The schema of a value about which nothing is declared: maps merge, lists are atomic, everything is kept."""
