"""Who owns replicas: the entries of an object as those of its Scale, and back.

A write to ``/scale`` is a write to a Scale object whose managers are those that own the object's replicas. The rules,
odd ones included, are those of Kubernetes 1.36.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from afflux.controlplane.managed_fields import Managers, Owned, format_managed_fields, parse_managed_fields
from afflux.controlplane.served_kind import ServedKind, StorageKey
from afflux.manifests.field_set import Path
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Manifest
from afflux.schema.openapi import Schema, builtin_schemas

_SCALE: Final = GroupVersionKind("autoscaling", "v1", "Scale")
_REPLICAS: Final[Path] = ("f:spec", "f:replicas")

ReplicasPaths = Mapping[str, Path]
"""Where each served ``apiVersion`` of a kind keeps its replicas; empty for a version that has no scale."""


@cache
def scale_kind() -> ServedKind:
    """The kind of what ``/scale`` shows: it has a schema and owners, but no path of its own."""
    return ServedKind(
        gvk=_SCALE,
        plural="scales",
        singular="scale",
        list_kind="",
        namespaced=True,
        verbs=frozenset(),
        short_names=(),
        categories=(),
        paths=(),
        storage=StorageKey(_SCALE.group, "scales"),
        storage_gvk=_SCALE,
        has_generation=False,
        zero={"metadata": {}, "spec": {}, "status": {"replicas": 0}},
        load_schema=_schema,
    )


def _schema() -> Schema | None:
    return builtin_schemas().for_kind(_SCALE)


def entries_of_scale(parent: Managers, paths: ReplicasPaths) -> list[Manifest]:
    """The ``managedFields`` of an object's Scale: those who own the replicas, as of the Scale's version."""
    scale = {
        key: Owned(frozenset([_REPLICAS]), _SCALE.api_version, owned.time)
        for key, owned in parent.items()
        if (path := paths.get(owned.api_version)) and path in owned.fields
    }
    return format_managed_fields(scale)


def entries_of_parent(
    parent: Managers, scale: list[Manifest], paths: ReplicasPaths, api_version: str
) -> list[Manifest]:
    """The object's ``managedFields`` after its Scale was written, whose entries are ``scale`` now.

    Updates are told apart by version, too, and the Scale's is another than the object's. So who updated the replicas
    gets them in an entry of their own, which has no time, even when the write changed nothing.
    """
    scaled = parse_managed_fields(scale)
    managers: Managers = {}
    for key, owned in parent.items():
        path = paths.get(owned.api_version)
        if path is None:
            continue
        if path in owned.fields and scaled.pop(key, None) is None:
            owned = Owned(owned.fields - {path}, owned.api_version, owned.time)
        managers[key] = owned
    for key, owned in scaled.items():
        if _REPLICAS in owned.fields:
            time = parent[key].time if key in parent else ""
            managers[key] = Owned(frozenset([paths[api_version]]), api_version, time)
    return format_managed_fields(managers)
