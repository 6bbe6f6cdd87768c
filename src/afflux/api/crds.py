"""The CustomResourceDefinitions, generated from the structs: never kept by hand."""

from collections.abc import Iterator

import msgspec
from msgspec import inspect

from afflux.api.kinds import FluxKind, PrinterColumn
from afflux.objects.manifest import Json, Manifest

NO_SUBSTITUTION = {"kustomize.toolkit.fluxcd.io/substitute": "disabled"}
ANYTHING = {"x-kubernetes-preserve-unknown-fields": True}
STRING_LIMITS = {"pattern": "pattern", "min_length": "minLength", "max_length": "maxLength"}


def crd(flux_kind: FluxKind) -> Manifest:
    """The kind's CRD (``apiextensions.k8s.io/v1``): the stored version first, then the older ones, with one schema."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{flux_kind.plural}.{flux_kind.group}",
            "annotations": dict(NO_SUBSTITUTION),
        },
        "spec": {
            "group": flux_kind.group,
            "names": {
                "kind": flux_kind.kind,
                "listKind": f"{flux_kind.kind}List",
                "plural": flux_kind.plural,
                "singular": flux_kind.singular,
                "shortNames": list(flux_kind.short_names),
                "categories": list(flux_kind.categories),
            },
            "scope": "Namespaced",
            "conversion": {"strategy": "None"},
            "versions": [_version(flux_kind, version) for version in flux_kind.served_versions],
        },
    }


def _version(flux_kind: FluxKind, version: str) -> Manifest:
    entry: Manifest = {
        "name": version,
        "served": True,
        "storage": version == flux_kind.version,
        "schema": {"openAPIV3Schema": _object_schema(flux_kind.struct)},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(column) for column in flux_kind.columns],
    }
    if version != flux_kind.version:
        entry["deprecated"] = True
        entry["deprecationWarning"] = f"{version} {flux_kind.kind} is deprecated, upgrade to {flux_kind.version}"
    return entry


def _column(column: PrinterColumn) -> dict[str, str]:
    return {"name": column.name, "type": column.type, "jsonPath": column.json_path}


def _object_schema(struct: type[msgspec.Struct]) -> Manifest:
    """The root of a kind's schema, where metadata belongs to the API server and nothing is required."""
    root = inspect.type_info(struct)
    assert isinstance(root, inspect.StructType)
    own = {field.encode_name: schema_of(field.type) for field in root.fields if field.encode_name in ("spec", "status")}
    properties = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}, **own}
    return {"type": "object", "description": _summary(struct), "properties": properties}


def schema_of(described: inspect.Type) -> Manifest:
    """The structural schema of a type as msgspec describes it; ``Meta.extra_json_schema`` is added as it stands."""
    match described:
        case inspect.Metadata(type=inner, extra_json_schema=extra):
            return {**schema_of(inner), **(extra or {})}
        case inspect.UnionType(types=types):
            (only,) = (one for one in types if not isinstance(one, inspect.NoneType))
            return schema_of(only)
        case inspect.StructType():
            return _struct_schema(described)
        case inspect.VarTupleType(item_type=item):
            return {"type": "array", "items": schema_of(item)}
        case inspect.DictType(value_type=inspect.AnyType()):
            return {"type": "object", **ANYTHING}
        case inspect.DictType(value_type=value):
            return {"type": "object", "additionalProperties": schema_of(value)}
        case inspect.AnyType():
            return dict(ANYTHING)
    return dict(_scalar_schema(described))


def _struct_schema(described: inspect.StructType) -> Manifest:
    fields = sorted(described.fields, key=lambda field: field.encode_name)
    schema: Manifest = {
        "type": "object",
        "description": _summary(described.cls),
        "properties": {field.encode_name: schema_of(field.type) for field in fields},
    }
    required = [field.encode_name for field in fields if field.required]
    if required:
        schema["required"] = required
    return schema


def _scalar_schema(described: inspect.Type) -> Iterator[tuple[str, Json]]:
    match described:
        case inspect.BoolType():
            yield "type", "boolean"
        case inspect.IntType(ge=minimum):
            yield "type", "integer"
            if minimum is not None:
                yield "minimum", minimum
        case inspect.LiteralType(values=values):
            yield "type", "string"
            yield "enum", list(values)
        case inspect.StrType():
            yield "type", "string"
            limits = ((name, getattr(described, limit)) for limit, name in STRING_LIMITS.items())
            yield from ((name, value) for name, value in limits if value is not None)
        case _:
            raise TypeError(f"no schema for {described!r}")


def _summary(struct: type[object]) -> str:
    return " ".join((struct.__doc__ or "").split())
