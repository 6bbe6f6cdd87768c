"""The kinds that a CustomResourceDefinition asks to have served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from afflux.controlplane.served_kind import CustomVersion, PrinterColumn, ServedKind, StorageKey
from afflux.controlplane.version_order import version_order
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Json, Manifest
from afflux.schema.openapi import schema_from_crd
from afflux.schema.resources import Subresource

VERBS = frozenset({"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"})


def crd_storage_key(crd: Manifest) -> StorageKey:
    """Where the CRD's objects are kept."""
    return StorageKey(crd["spec"]["group"], crd["spec"]["names"]["plural"])


def kinds_of_crd(crd: Manifest, since: int = 0) -> Iterator[ServedKind]:
    """One kind for each served version of a CRD in its stored (defaulted, validated) form; ``since``: see there."""
    spec = crd["spec"]
    storage_version = next(version["name"] for version in spec["versions"] if version.get("storage"))
    for version in spec["versions"]:
        if version.get("served"):
            yield replace(_served(spec, version, storage_version), since=since)


def _served(spec: Manifest, version: Manifest, storage_version: str) -> ServedKind:
    names, subresources = spec["names"], version.get("subresources") or {}
    raw_schema = _raw_schema(version)
    kind = names["kind"]
    return ServedKind(
        gvk=GroupVersionKind(spec["group"], version["name"], kind),
        plural=names["plural"],
        singular=names.get("singular") or kind.lower(),
        list_kind=names.get("listKind") or f"{kind}List",
        namespaced=spec["scope"] == "Namespaced",
        verbs=VERBS,
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        paths=tuple(_subresources(spec["group"], version["name"], kind, subresources)),
        storage=StorageKey(spec["group"], names["plural"]),
        storage_gvk=GroupVersionKind(spec["group"], storage_version, kind),
        has_generation=True,
        zero={"metadata": {}},
        load_schema=partial(schema_from_crd, raw_schema),
        custom=_custom(spec, version, raw_schema, subresources.get("scale") or {}),
    )


def _raw_schema(version: Manifest) -> Manifest:
    found: Manifest = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    return found


def _subresources(group: str, version: str, kind: str, declared: Manifest) -> Iterator[Subresource]:
    verbs = ("get", "patch", "update")
    if "status" in declared:
        yield Subresource("status", group, version, kind, verbs)
    if "scale" in declared:
        yield Subresource("scale", "autoscaling", "v1", "Scale", verbs)


def _custom(spec: Manifest, version: Manifest, raw_schema: Manifest, scale: Manifest) -> CustomVersion:
    return CustomVersion(
        raw_schema=raw_schema,
        versions={each["name"]: _raw_schema(each) for each in spec["versions"]},
        columns=tuple(_column(column) for column in version.get("additionalPrinterColumns") or ()),
        spec_replicas_path=scale.get("specReplicasPath", ""),
        status_replicas_path=scale.get("statusReplicasPath", ""),
        label_selector_path=scale.get("labelSelectorPath", ""),
        selectable_fields=tuple(field["jsonPath"].lstrip(".") for field in version.get("selectableFields") or ()),
        deprecation_warning=_deprecation(spec, version),
    )


def _column(column: Json) -> PrinterColumn:
    return PrinterColumn(
        name=column["name"],
        type=column["type"],
        json_path=column["jsonPath"],
        description=column.get("description", ""),
        format=column.get("format", ""),
        priority=column.get("priority", 0),
    )


def _deprecation(spec: Manifest, version: Manifest) -> str:
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning"):
        return str(version["deprecationWarning"])
    group, kind = spec["group"], spec["names"]["kind"]
    text = f"{group}/{version['name']} {kind} is deprecated"
    better = (
        each["name"]
        for each in spec["versions"]
        if each.get("served") and not each.get("deprecated") and _is_better(each["name"], version["name"])
    )
    found = next(better, "")
    return f"{text}; use {group}/{found} {kind}" if found else text


def _is_better(version: str, than: str) -> bool:
    return version_order(version) < version_order(than)
