"""The field specifications that a kustomization works with: kustomize's own, and what users add to them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Final

import msgspec

from afflux.kustomize import default_specs
from afflux.kustomize.errors import InvalidKustomization, KustomizeError
from afflux.kustomize.field_specs import FieldSpec, FieldSpecs, merge_specs
from afflux.kustomize.kind_order import KIND_WEIGHTS
from afflux.kustomize.resource_id import Gvk
from afflux.kustomize.structs import without_nulls
from afflux.objects.manifest import Json

NameReferences = tuple[tuple[Gvk, tuple[FieldSpec, ...]], ...]
"""Kinds that are referred to, each with the fields that refer to it."""


NOT_LISTS: Final = ("name_reference", "is_settled")


@dataclass(frozen=True)
class TransformerConfig:
    """The specifications of every transformer. Values are shared and never changed; ``merged`` makes new ones.

    ``is_settled``: it has been merged into the empty one, so that doing it again changes nothing.
    """

    name_prefix: tuple[FieldSpec, ...] = ()
    name_suffix: tuple[FieldSpec, ...] = ()
    namespace: tuple[FieldSpec, ...] = ()
    common_labels: tuple[FieldSpec, ...] = ()
    labels: tuple[FieldSpec, ...] = ()
    template_labels: tuple[FieldSpec, ...] = ()
    common_annotations: tuple[FieldSpec, ...] = ()
    name_reference: NameReferences = ()
    var_reference: tuple[FieldSpec, ...] = ()
    images: tuple[FieldSpec, ...] = ()
    replicas: tuple[FieldSpec, ...] = ()
    is_settled: bool = field(default=False, compare=False)

    def merged(self, other: "TransformerConfig") -> "TransformerConfig":
        """Both configurations' specifications. Raises ``InvalidKustomization`` where they contradict each other."""
        if other is self or other is EMPTY:
            return self
        if self is EMPTY and other.is_settled:
            return other
        lists: dict[str, Json] = {
            each.name: by_kind(merge_specs(getattr(self, each.name), getattr(other, each.name)))
            for each in fields(self)
            if each.name not in NOT_LISTS
        }
        references = merge_references(self.name_reference, other.name_reference)
        merged = replace(TransformerConfig(**lists), name_reference=references, is_settled=self is EMPTY)
        return self if merged == self else merged

    @cached_property
    def compiled(self) -> "CompiledConfig":
        """The specifications compiled, made once."""
        return CompiledConfig(self)


class CompiledConfig:
    """A configuration's specifications grouped by kind as they are needed."""

    def __init__(self, config: TransformerConfig) -> None:
        self.name_prefix = FieldSpecs(config.name_prefix)
        self.name_suffix = FieldSpecs(config.name_suffix)
        self.namespace = FieldSpecs(config.namespace)
        self.common_labels = FieldSpecs(config.common_labels)
        self.common_annotations = FieldSpecs(config.common_annotations)
        self.var_reference = FieldSpecs(config.var_reference)
        self.images = FieldSpecs(config.images)


def by_kind(specs: Sequence[FieldSpec]) -> tuple[FieldSpec, ...]:
    """The specifications in the order of their kinds, the general ones after those of the kinds that come first.

    It matters: a general specification that is merged after a special one of the same path counts as being there.
    """
    return tuple(sorted(specs, key=lambda spec: kind_order(spec.gvk)))


def kind_order(gvk: Gvk) -> tuple[int, str]:
    """Where a kind stands among others, as in the legacy order of resources."""
    return KIND_WEIGHTS.get(gvk.kind, 0), f"{gvk.group or '~G'}_{gvk.version or '~V'}_{gvk.kind or '~K'}"


def merge_references(known: NameReferences, incoming: NameReferences) -> NameReferences:
    """Name references with others', the fields of the same kind put together."""
    merged = dict(known)
    for gvk, referrers in incoming:
        merged[gvk] = merge_specs(merged.get(gvk, ()), referrers)
    return tuple(sorted(merged.items(), key=lambda each: kind_order(each[0])))


EMPTY: Final = TransformerConfig()
DEFAULT: Final = EMPTY.merged(
    TransformerConfig(
        name_prefix=default_specs.NAMES,
        name_suffix=default_specs.NAMES,
        namespace=default_specs.NAMESPACES,
        common_labels=default_specs.COMMON_LABELS,
        template_labels=default_specs.TEMPLATE_LABELS,
        common_annotations=default_specs.COMMON_ANNOTATIONS,
        name_reference=default_specs.NAME_REFERENCES,
        var_reference=default_specs.VARIABLES,
        images=default_specs.IMAGES,
        replicas=default_specs.REPLICAS,
    )
)
"""What every kustomization starts with."""


class FieldSpecEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field specification as configurations write it."""

    group: str = ""
    version: str = ""
    kind: str = ""
    path: str = ""
    create: bool = False

    def spec(self) -> FieldSpec:
        """The specification."""
        return FieldSpec(Gvk(self.group, self.version, self.kind), self.path, self.create)


class ReferenceEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A kind and the fields that refer to it, as configurations write them."""

    group: str = ""
    version: str = ""
    kind: str = ""
    field_specs: list[FieldSpecEntry] = []


class ConfigurationFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A file of ``configurations``."""

    name_prefix: list[FieldSpecEntry] = []
    name_suffix: list[FieldSpecEntry] = []
    namespace: list[FieldSpecEntry] = []
    common_labels: list[FieldSpecEntry] = []
    labels: list[FieldSpecEntry] = []
    template_labels: list[FieldSpecEntry] = []
    common_annotations: list[FieldSpecEntry] = []
    name_reference: list[ReferenceEntry] = []
    var_reference: list[FieldSpecEntry] = []
    images: list[FieldSpecEntry] = []
    replicas: list[FieldSpecEntry] = []


def spec_tuple(entries: Iterable[FieldSpecEntry]) -> tuple[FieldSpec, ...]:
    """The specifications of a list of entries."""
    return tuple(entry.spec() for entry in entries)


def config_from_file(value: Json, source: str) -> TransformerConfig:
    """A configuration file's specifications. Raises ``InvalidKustomization`` naming the file."""
    try:
        parsed = msgspec.convert(without_nulls(value) or {}, ConfigurationFile)
    except msgspec.ValidationError as error:
        raise InvalidKustomization(f"error unmarshaling JSON: while decoding JSON: json: {error} in {source}") from None
    lists: dict[str, Json] = {
        each.name: by_kind(spec_tuple(getattr(parsed, each.name)))
        for each in fields(TransformerConfig)
        if each.name not in NOT_LISTS
    }
    references: NameReferences = ()
    for entry in parsed.name_reference:
        gvk = Gvk(entry.group, entry.version, entry.kind)
        references = (*references, (gvk, spec_tuple(entry.field_specs)))
    return replace(TransformerConfig(**lists), name_reference=merge_references((), references))


def merged_files(configs: Sequence[TransformerConfig]) -> TransformerConfig:
    """The default configuration with files' put to it."""
    try:
        added = EMPTY
        for config in configs:
            added = added.merged(config)
        return DEFAULT.merged(added)
    except KustomizeError as error:
        raise error.within("merging configurations") from None
