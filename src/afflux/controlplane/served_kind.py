"""One kind as it is served: names, scope, schema, where it is stored, what a CRD says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from afflux.controlplane.errors import Named
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Manifest
from afflux.schema.openapi import Schema
from afflux.schema.resources import Subresource


class StorageKey(NamedTuple):
    """Where objects of a kind are kept; all served versions of a kind share one."""

    group: str
    plural: str


class PrinterColumn(NamedTuple):
    """A column of ``kubectl get``, as a CRD declares it."""

    name: str
    type: str
    json_path: str
    description: str = ""
    format: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class CustomVersion:
    """What a CRD says about one of its versions, beyond names."""

    raw_schema: Manifest
    """``schema.openAPIV3Schema`` exactly as written, with its ``x-kubernetes-*`` extensions and CEL rules."""
    versions: Mapping[str, Manifest]
    """The same of every version that the CRD declares, served or not, by the version's name."""
    columns: tuple[PrinterColumn, ...] = ()
    spec_replicas_path: str = ""
    """``subresources.scale.specReplicasPath``; empty without a scale subresource."""
    status_replicas_path: str = ""
    label_selector_path: str = ""
    selectable_fields: tuple[str, ...] = ()
    deprecation_warning: str = ""


@dataclass(frozen=True, eq=False)
class ServedKind:
    """One kind at one served version. Identity is by object: the registry makes each once."""

    gvk: GroupVersionKind
    plural: str
    singular: str
    list_kind: str
    namespaced: bool
    verbs: frozenset[str]
    short_names: tuple[str, ...]
    categories: tuple[str, ...]
    paths: tuple[Subresource, ...]
    """The subresources, as discovery lists them."""
    storage: StorageKey
    storage_gvk: GroupVersionKind
    """The version that stored objects have; equals ``gvk`` for nearly every kind."""
    has_generation: bool
    zero: Manifest
    """What Go prints for an empty object of the kind: the old side of a create, for ownership."""
    load_schema: Callable[[], Schema | None] = field(repr=False)
    custom: CustomVersion | None = None
    since: int = 0
    """Objects stored at this version of the store or before may lack the schema's defaults: they get them when read."""

    @cached_property
    def subresources(self) -> frozenset[str]:
        """Names such as ``status``, ``scale``, ``log``."""
        return frozenset(path.name for path in self.paths)

    @cached_property
    def schema(self) -> Schema | None:
        """The resolved schema; None where the kind has none. Loaded on first use."""
        return self.load_schema()

    @property
    def is_custom(self) -> bool:
        return self.custom is not None

    @property
    def has_status(self) -> bool:
        """True when ``status`` is written through its own subresource only."""
        return "status" in self.subresources

    def named(self, name: str = "") -> Named:
        """How errors of storage name an object: by plural."""
        return Named(self.storage.group, self.plural, name)

    def kind_named(self, name: str = "") -> Named:
        """How validation errors name an object: by Kind."""
        return Named(self.storage.group, self.gvk.kind, name)
