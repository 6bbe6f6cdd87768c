"""``crds``: OpenAPI definitions of custom kinds; their extensions say which fields are names, labels, annotations."""

from collections.abc import Iterable
from typing import Final

from afflux.kustomize.documents import load_config
from afflux.kustomize.errors import InvalidKustomization, Place
from afflux.kustomize.field_specs import FieldSpec
from afflux.kustomize.loader import Loader
from afflux.kustomize.resource_id import Gvk
from afflux.kustomize.transformer_config import EMPTY, NameReferences, TransformerConfig
from afflux.objects.manifest import Json

ANNOTATION: Final = "x-kubernetes-annotation"
LABEL_SELECTOR: Final = "x-kubernetes-label-selector"
IDENTITY: Final = "x-kubernetes-identity"
REFERENCE_VERSION: Final = "x-kubernetes-object-ref-api-version"
REFERENCE_KIND: Final = "x-kubernetes-object-ref-kind"
REFERENCE_NAME: Final = "x-kubernetes-object-ref-name-key"
MAX_DEPTH: Final = 50
"""Definitions that refer to each other are followed no deeper."""


def config_from_crds(paths: Iterable[str], loader: Loader) -> TransformerConfig:
    """The field specifications that the definitions of all files give."""
    config = EMPTY
    for path in paths:
        definitions = load_config(loader.load(path), loader.path_of(path))
        config = config.merged(_config(_checked(definitions, loader.path_of(path))))
    return config


def _checked(definitions: Json, source: str) -> dict[str, Json]:
    wrong = [] if isinstance(definitions, dict) else [definitions]
    if isinstance(definitions, dict):
        wrong = [each for each in definitions.values() if not isinstance(each, dict | None)]
    if wrong:
        kind = "array" if isinstance(wrong[0], list) else "string" if isinstance(wrong[0], str) else "number"
        raise InvalidKustomization(
            f"unable to parse open API definition from '{source}': json: cannot unmarshal {kind} into Go value of type"
            " accumulator.OpenAPIDefinition (crds takes definitions by name, not CustomResourceDefinitions)",
            Place(file=source),
        )
    return definitions or {}


def _config(definitions: dict[str, Json]) -> TransformerConfig:
    config = EMPTY
    for name in sorted(definitions):
        if {"kind", "apiVersion", "metadata"} <= _properties(definitions, name).keys():
            found = _Definitions(definitions, Gvk(kind=name.rpartition(".")[2]))
            found.follow(name, ())
            config = config.merged(found.config())
    return config


def _properties(definitions: dict[str, Json], name: str) -> dict[str, Json]:
    definition = definitions.get(name)
    schema = definition.get("Schema") if isinstance(definition, dict) else None
    if schema is None and isinstance(definition, dict):
        schema = definition.get("schema")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return properties if isinstance(properties, dict) else {}


class _Definitions:
    """Collects the specifications of one kind."""

    def __init__(self, definitions: dict[str, Json], kind: Gvk) -> None:
        self._definitions = definitions
        self._kind = kind
        self._annotations: list[FieldSpec] = []
        self._labels: list[FieldSpec] = []
        self._prefixes: list[FieldSpec] = []
        self._references: dict[Gvk, list[FieldSpec]] = {}

    def follow(self, name: str, path: tuple[str, ...]) -> None:
        """Looks at the properties of a definition and of those that it refers to."""
        if len(path) > MAX_DEPTH:
            return
        for key, node in _properties(self._definitions, name).items():
            if not isinstance(node, dict):
                continue
            here = (*path, key)
            for extension, specs in (
                (ANNOTATION, self._annotations),
                (LABEL_SELECTOR, self._labels),
                (IDENTITY, self._prefixes),
            ):
                if isinstance(node.get(extension), str):
                    specs.append(self._spec(here))
            self._refer(node, here)
            if isinstance(node.get("$ref"), str):
                self.follow(node["$ref"], here)

    def config(self) -> TransformerConfig:
        """The specifications found."""
        references: NameReferences = tuple((gvk, tuple(specs)) for gvk, specs in self._references.items())
        return TransformerConfig(
            name_prefix=tuple(dict.fromkeys(self._prefixes)),
            common_labels=tuple(dict.fromkeys(self._labels)),
            common_annotations=tuple(dict.fromkeys(self._annotations)),
            name_reference=references,
        )

    def _refer(self, node: dict[str, Json], path: tuple[str, ...]) -> None:
        version, kind = node.get(REFERENCE_VERSION), node.get(REFERENCE_KIND)
        if isinstance(version, str) and isinstance(kind, str):
            key = node.get(REFERENCE_NAME)
            spec = self._spec((*path, key if isinstance(key, str) else "name"))
            self._references.setdefault(Gvk(version=version, kind=kind), []).append(spec)

    def _spec(self, path: tuple[str, ...]) -> FieldSpec:
        return FieldSpec(self._kind, "/".join(path))
