"""Fields that a kind doesn't have: Flux drops them without a word; here each is named with its file and line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from afflux.api.crds import crd
from afflux.api.kinds import KINDS
from afflux.kustomize.errors import KustomizeError
from afflux.kustomize.filesystem import FileSystem
from afflux.kustomize.resource import Origin
from afflux.lang import yaml
from afflux.manifests.normalize import field_path_text, unknown_fields
from afflux.objects.identity import GroupVersionKind, gvk_of, ref_of
from afflux.objects.manifest import Json, Manifest
from afflux.schema.openapi import Schema, builtin_schemas, schema_from_crd

_CRD = ("apiextensions.k8s.io", "CustomResourceDefinition")


@dataclass(frozen=True)
class KindSchemas:
    """The schemas of built-in kinds, of Flux's own, and of the kinds whose CRDs are among the rendered objects."""

    custom: dict[GroupVersionKind, Schema] = field(default_factory=dict)

    @classmethod
    def of(cls, manifests: Iterable[Manifest]) -> KindSchemas:
        definitions = (one for one in manifests if (gvk_of(one).group, gvk_of(one).kind) == _CRD)
        return cls({gvk: schema for one in definitions for gvk, schema in _declared(one)})

    def find(self, gvk: GroupVersionKind) -> Schema | None:
        """The schema of a kind, or None where it is unknown."""
        return self.custom.get(gvk) or builtin_schemas().for_kind(gvk) or _own_schema(gvk)


_OWN: dict[GroupVersionKind, Schema] = {}


def _own_schema(gvk: GroupVersionKind) -> Schema | None:
    if not gvk.group.endswith("toolkit.fluxcd.io"):
        return None
    if not _OWN:
        _OWN.update(pair for kind in KINDS for pair in _declared(crd(kind)))
    return _OWN.get(gvk)


def _declared(definition: Manifest) -> Iterator[tuple[GroupVersionKind, Schema]]:
    """The kinds that a CRD declares; parts of it that are malformed declare nothing."""
    spec = _mapping(definition.get("spec"))
    kind, versions = _mapping(spec.get("names")).get("kind"), spec.get("versions")
    for version in map(_mapping, versions if isinstance(versions, list) else []):
        schema = _mapping(version.get("schema")).get("openAPIV3Schema")
        if isinstance(schema, dict) and kind:
            gvk = GroupVersionKind(str(spec.get("group", "")), str(version.get("name", "")), str(kind))
            yield gvk, schema_from_crd(schema)


def _mapping(value: Json) -> Manifest:
    return value if isinstance(value, dict) else {}


def complaints_about(manifest: Manifest, origin: Origin, schemas: KindSchemas, filesystem: FileSystem) -> Iterator[str]:
    """One text a field that the object's kind doesn't have: file and line, field, object, document."""
    schema = schemas.find(gvk_of(manifest))
    if schema is None:
        return
    for path in unknown_fields(manifest, schema):
        problem = f'unknown field "{field_path_text(path)}" in {ref_of(manifest).subject}'
        if not origin.file:
            yield problem
        else:
            line = _line_of(path, origin, filesystem)
            yield f"{origin.file.lstrip('/')}:{line}: {problem} (document {origin.document + 1}, line {line})"


def _line_of(path: Sequence[str | int], origin: Origin, filesystem: FileSystem) -> int:
    """The line of the field in the source file, or of the object where it can't be found (set by a patch)."""
    try:
        found = yaml.locate(filesystem.read(origin.file), origin.document, path)
    except KustomizeError:
        found = None
    return found or origin.line
