"""What a kustomization's fields ask for, in the order in which kustomize does it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final, NamedTuple, Protocol, TypeVar

import msgspec

from afflux.kustomize.documents import load_config
from afflux.kustomize.errors import InvalidKustomization, KustomizeError, Place, Refused
from afflux.kustomize.field_specs import FieldSpec, FieldSpecs, merge_specs
from afflux.kustomize.generators.config_maps import config_map, merged_options, secret
from afflux.kustomize.kustomization_file import Generator, Kustomization, Label, Replacement
from afflux.kustomize.loader import Loader
from afflux.kustomize.merge_schema import MergeSchemas
from afflux.kustomize.resource import Origin, Resource
from afflux.kustomize.resource_id import Gvk
from afflux.kustomize.resource_map import ResourceMap
from afflux.kustomize.structs import converted
from afflux.kustomize.transformer_config import TransformerConfig, spec_tuple
from afflux.kustomize.transformers.images import ImageTransformer
from afflux.kustomize.transformers.labels import EntriesTransformer
from afflux.kustomize.transformers.names import AffixTransformer
from afflux.kustomize.transformers.namespace import NamespaceTransformer
from afflux.kustomize.transformers.patches import (
    JsonPatchTransformer,
    PatchTransformer,
    StrategicMergeTransformer,
    patches_from,
)
from afflux.kustomize.transformers.replacements import ReplacementTransformer
from afflux.kustomize.transformers.replicas import ReplicaTransformer

G = TypeVar("G", bound=Generator)


class Transformer(Protocol):
    """Changes the resources of a map in place."""

    def transform(self, resources: ResourceMap) -> None:
        """Does it. Raises ``KustomizeError``."""
        ...


class Stage(NamedTuple):
    """A transformer, the name that kustomize gives it, the entry it comes from, and how many it stands for."""

    kind: str
    transformer: Transformer
    entry: str = ""
    times: int = 1


class Surroundings(NamedTuple):
    """What transformers are made with."""

    kustomization: Kustomization
    config: TransformerConfig
    loader: Loader
    schemas: MergeSchemas
    source: str


def stages(around: Surroundings) -> list[Stage]:
    """All the transformers that the fields of a kustomization ask for, made (so that what they name is read)."""
    return [stage for make in ORDER for stage in make(around)]


def _strategic_merges(around: Surroundings) -> Iterator[Stage]:
    entries = around.kustomization.patches_strategic_merge
    if not entries:
        return
    patches: list[Resource] = []
    for index, entry in enumerate(entries):
        with naming(around, f"patchesStrategicMerge[{index}]"):
            patches.extend(load_merge(entry, around.loader))
    if not patches:
        raise InvalidKustomization(f"patch appears to be empty; files={entries}, Patch=", Place(around.source))
    yield Stage("PatchStrategicMergeTransformer", StrategicMergeTransformer(patches, around.schemas))


def load_merge(entry: str, loader: Loader) -> list[Resource]:
    """The patches of an entry of ``patchesStrategicMerge``: the text itself, or the file that it names."""
    try:
        return patches_from(entry, "")
    except KustomizeError:
        return patches_from(loader.load(entry), loader.path_of(entry))


def _patches(around: Surroundings) -> Iterator[Stage]:
    for index, entry in enumerate(around.kustomization.patches):
        where = f"patches[{index}]"
        with naming(around, where):
            made = PatchTransformer(entry, around.loader, around.schemas, f"{around.source}: {where}")
        yield Stage("PatchTransformer", made, where)


def _namespace(around: Surroundings) -> Iterator[Stage]:
    if around.kustomization.namespace:
        made = NamespaceTransformer(around.kustomization.namespace, around.config.compiled.namespace)
        yield Stage("NamespaceTransformer", made, "namespace")


def _prefix(around: Surroundings) -> Iterator[Stage]:
    prefix = around.kustomization.name_prefix
    if prefix:
        yield Stage("PrefixTransformer", AffixTransformer(prefix, "", around.config.compiled.name_prefix), "namePrefix")


def _suffix(around: Surroundings) -> Iterator[Stage]:
    suffix = around.kustomization.name_suffix
    if suffix:
        yield Stage("SuffixTransformer", AffixTransformer("", suffix, around.config.compiled.name_suffix), "nameSuffix")


def _labels(around: Surroundings) -> Iterator[Stage]:
    kustomization = around.kustomization
    if not kustomization.labels and not kustomization.common_labels:
        return
    for index, label in enumerate(kustomization.labels):
        with naming(around, f"labels[{index}]"):
            specs = _label_specs(label, around.config)
        yield Stage("LabelTransformer", EntriesTransformer(label.pairs, FieldSpecs(specs)), f"labels[{index}]")
    common = EntriesTransformer(kustomization.common_labels, around.config.compiled.common_labels)
    yield Stage("LabelTransformer", common, "commonLabels")


def _label_specs(label: Label, config: TransformerConfig) -> tuple[FieldSpec, ...]:
    specs = merge_specs(spec_tuple(label.fields), config.labels)
    if label.include_selectors:
        return merge_specs(specs, config.common_labels)
    if label.include_templates:
        specs = merge_specs(specs, config.template_labels)
    return merge_specs(specs, (FieldSpec(Gvk(), "metadata/labels", True),))


def _annotations(around: Surroundings) -> Iterator[Stage]:
    annotations = around.kustomization.common_annotations
    if annotations:
        made = EntriesTransformer(annotations, around.config.compiled.common_annotations)
        yield Stage("AnnotationsTransformer", made, "commonAnnotations")


def _json_patches(around: Surroundings) -> Iterator[Stage]:
    for index, entry in enumerate(around.kustomization.patches_json6902):
        where = f"patchesJson6902[{index}]"
        with naming(around, where):
            made = JsonPatchTransformer(entry, around.loader)
        yield Stage("PatchJson6902Transformer", made, where)


def _replicas(around: Surroundings) -> Iterator[Stage]:
    for index, entry in enumerate(around.kustomization.replicas):
        yield Stage("ReplicaCountTransformer", ReplicaTransformer(entry, around.config.replicas), f"replicas[{index}]")


def _images(around: Surroundings) -> Iterator[Stage]:
    images = around.kustomization.all_images
    if images:
        yield Stage(
            "ImageTagTransformer", ImageTransformer(images, around.config.compiled.images), "images", len(images)
        )


def _replacements(around: Surroundings) -> Iterator[Stage]:
    entries = around.kustomization.replacements
    if entries:
        with naming(around, "replacements"):
            loaded = load_replacements(entries, around.loader)
        yield Stage("ReplacementTransformer", ReplacementTransformer(loaded))


def load_replacements(entries: Sequence[Replacement], loader: Loader) -> list[Replacement]:
    """The replacements of all entries, those of files in the place of their names."""
    loaded: list[Replacement] = []
    for entry in entries:
        if not entry.path:
            loaded.append(entry)
            continue
        if entry.source is not None or entry.targets:
            raise InvalidKustomization("cannot specify both path and inline replacement")
        source = loader.path_of(entry.path)
        value = load_config(loader.load(entry.path), source)
        if not isinstance(value, list | dict):
            raise InvalidKustomization(f"unsupported replacement type encountered within replacement path: {source}")
        loaded.extend(converted(each, Replacement, source) for each in (value if isinstance(value, list) else [value]))
    return loaded


ORDER: Final[tuple[Callable[[Surroundings], Iterator[Stage]], ...]] = (
    _strategic_merges,
    _patches,
    _namespace,
    _prefix,
    _suffix,
    _labels,
    _annotations,
    _json_patches,
    _replicas,
    _images,
    _replacements,
)
"""The transformers in the order in which they run."""


class Generation(NamedTuple):
    """A generator's resources and the name that kustomize gives the generator."""

    kind: str
    resource: Resource
    entry: str


def generations(kustomization: Kustomization, loader: Loader, source: str) -> Iterator[Generation]:
    """The resources of ``configMapGenerator`` and ``secretGenerator``. Charts are refused."""
    origin = Origin(source)
    for index, config in enumerate(kustomization.config_map_generator):
        with _placed(source, entry := f"configMapGenerator[{index}]"):
            made = config_map(_with_options(config, kustomization), loader, origin)
        yield Generation("ConfigMapGenerator", made, entry)
    for index, secrets in enumerate(kustomization.secret_generator):
        with _placed(source, entry := f"secretGenerator[{index}]"):
            made = secret(_with_options(secrets, kustomization), loader, origin)
        yield Generation("SecretGenerator", made, entry)
    if kustomization.helm_charts or kustomization.helm_chart_inflation_generator:
        raise Refused(
            f"helmCharts of {source} would run Helm (must specify --enable-helm), which a build never does;"
            " use a HelmRelease, or commit the chart's output",
            Place(source, "helmCharts"),
        )


def _with_options(generator: G, kustomization: Kustomization) -> G:
    return msgspec.structs.replace(
        generator, options=merged_options(generator.options, kustomization.generator_options)
    )


def placed_at(error: KustomizeError, source: str, entry: str) -> KustomizeError:
    """The error with the kustomization file and the entry put to it, in the message too."""
    if error.place.kustomization:
        return error
    placed = error.at(Place(source, entry))
    return placed.saying(f"{placed.message.rstrip()} (in {source}: {entry})")


@contextmanager
def _placed(source: str, entry: str) -> Iterator[None]:
    try:
        yield
    except KustomizeError as error:
        raise placed_at(error, source, entry) from None


def naming(around: Surroundings, entry: str) -> AbstractContextManager[None]:
    """Errors raised within are put down to an entry of the kustomization."""
    return _placed(around.source, entry)
