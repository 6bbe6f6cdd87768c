"""Transformers, generators and validators that a kustomization names as configurations: the built-in kinds.

Everything else would be a program (a container, a binary, a Go plugin): it is refused.
"""

import posixpath
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

import msgspec

from afflux.kustomize.documents import load_config
from afflux.kustomize.errors import InvalidKustomization, KustomizeError, Refused
from afflux.kustomize.field_specs import FieldSpecs
from afflux.kustomize.generators.config_maps import config_map, secret
from afflux.kustomize.generators.hashes import name_hash
from afflux.kustomize.generators.service_accounts import IamPolicy, service_account
from afflux.kustomize.kustomization_file import (
    Generator,
    Image,
    ObjectMeta,
    Patch,
    PatchOptions,
    Replacement,
    Replica,
    SecretGenerator,
    Selector,
)
from afflux.kustomize.loader import Loader
from afflux.kustomize.merge_schema import MergeSchemas
from afflux.kustomize.resource import Resource
from afflux.kustomize.resource_map import ResourceMap
from afflux.kustomize.scalars import copied, unmarked
from afflux.kustomize.stages import Transformer, load_merge, load_replacements
from afflux.kustomize.structs import converted
from afflux.kustomize.transformer_config import FieldSpecEntry, spec_tuple
from afflux.kustomize.transformers.images import ImageTransformer
from afflux.kustomize.transformers.labels import EntriesTransformer
from afflux.kustomize.transformers.names import AffixTransformer
from afflux.kustomize.transformers.namespace import DEFAULT_ONLY, NamespaceTransformer
from afflux.kustomize.transformers.patches import (
    JsonPatchTransformer,
    PatchTransformer,
    StrategicMergeTransformer,
    patches_from,
)
from afflux.kustomize.transformers.replacements import ReplacementTransformer
from afflux.kustomize.transformers.replicas import ReplicaTransformer
from afflux.kustomize.transformers.value_add import ValueAddTransformer, ValueTarget
from afflux.objects.manifest import Json

T = TypeVar("T")

FUNCTION_ANNOTATIONS: Final = ("config.kubernetes.io/function", "config.k8s.io/function")


class Config(NamedTuple):
    """A plugin's configuration and what it is made with."""

    resource: Resource
    loader: Loader
    schemas: MergeSchemas

    @property
    def source(self) -> str:
        """Where it was written, for messages."""
        origin = self.resource.origin
        return f"{origin.file}:{origin.line}" if origin.file else "an inline configuration"

    def value(self) -> Json:
        """The configuration as plain data."""
        return unmarked(copied(self.resource.manifest))


class _Entry(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A configuration: the fields it has beside ``apiVersion``, ``kind`` and ``metadata``."""

    metadata: ObjectMeta = ObjectMeta()
    field_specs: list[FieldSpecEntry] | None = None

    def specs(self) -> FieldSpecs:
        """The field specifications; a configuration has no others than those it lists."""
        return FieldSpecs(spec_tuple(self.field_specs or ()))


class _Entries(_Entry, frozen=True):
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class _Image(_Entry, frozen=True):
    image_tag: Image = Image()


class _Namespace(_Entry, frozen=True):
    unset_only: bool = False
    set_role_binding_subjects: str = DEFAULT_ONLY


class _Affix(_Entry, frozen=True):
    prefix: str = ""
    suffix: str = ""


class _Replica(_Entry, frozen=True):
    replica: Replica = Replica()


class _Patch(_Entry, frozen=True):
    path: str = ""
    patch: str = ""
    json_op: str = ""
    target: Selector | None = None
    options: PatchOptions | None = None


class _Merges(_Entry, frozen=True):
    paths: list[str] = []
    patches: str = ""


class _Replacements(_Entry, frozen=True):
    replacements: list[Replacement] = []


class _ValueAdd(_Entry, frozen=True):
    value: str = ""
    targets: list[ValueTarget] = []
    target_file_path: str = ""


class _Several:
    """Transformers one after the other."""

    def __init__(self, *transformers: Transformer) -> None:
        self._transformers = transformers

    def transform(self, resources: ResourceMap) -> None:
        for transformer in self._transformers:
            transformer.transform(resources)


class HashTransformer:
    """Puts the content's hash behind the names of generated resources."""

    def transform(self, resources: ResourceMap) -> None:
        """Renames what asks for it."""
        is_renamed = False
        for resource in resources:
            if resource.needs_hash:
                digest = name_hash(resource)
                resource.remember_id()
                resource.rename(f"{resource.name}-{digest}")
                is_renamed = True
        if is_renamed:
            resources.invalidate()


def _labels(config: Config) -> Transformer:
    entry = converted(config.value(), _Entries, config.source)
    return EntriesTransformer(entry.labels, entry.specs())


def _annotations(config: Config) -> Transformer:
    entry = converted(config.value(), _Entries, config.source)
    return EntriesTransformer(entry.annotations, entry.specs())


def _image(config: Config) -> Transformer:
    entry = converted(config.value(), _Image, config.source)
    return ImageTransformer([entry.image_tag], entry.specs())


def _namespace(config: Config) -> Transformer:
    entry = converted(config.value(), _Namespace, config.source)
    subjects = entry.set_role_binding_subjects or DEFAULT_ONLY
    return NamespaceTransformer(entry.metadata.namespace, entry.specs(), subjects, entry.unset_only)


def _affix(config: Config, prefixes: bool, suffixes: bool) -> Transformer:
    entry = converted(config.value(), _Affix, config.source)
    if entry.field_specs is None:
        raise InvalidKustomization("fieldSpecs is not expected to be nil")
    specs = entry.specs()
    made = [AffixTransformer(entry.prefix, "", specs)] if prefixes else []
    return _Several(*made, *([AffixTransformer("", entry.suffix, specs)] if suffixes else []))


def _replica(config: Config) -> Transformer:
    entry = converted(config.value(), _Replica, config.source)
    return ReplicaTransformer(entry.replica, spec_tuple(entry.field_specs or ()))


def _patch(config: Config) -> Transformer:
    entry = converted(config.value(), _Patch, config.source)
    patch = Patch(path=entry.path, patch=entry.patch, target=entry.target, options=entry.options)
    return PatchTransformer(patch, config.loader, config.schemas, config.source)


def _json_patch(config: Config) -> Transformer:
    entry = converted(config.value(), _Patch, config.source)
    return JsonPatchTransformer(Patch(path=entry.path, patch=entry.json_op, target=entry.target), config.loader)


def _merges(config: Config) -> Transformer:
    entry = converted(config.value(), _Merges, config.source)
    if not entry.paths and not entry.patches:
        raise InvalidKustomization("empty file path and empty patch content")
    patches = [patch for path in entry.paths for patch in load_merge(path, config.loader)]
    if entry.patches:
        patches.extend(patches_from(entry.patches, ""))
    if not patches:
        raise InvalidKustomization(f"patch appears to be empty; files={entry.paths}, Patch={entry.patches}")
    return StrategicMergeTransformer(patches, config.schemas)


def _replacements(config: Config) -> Transformer:
    entry = converted(config.value(), _Replacements, config.source)
    return ReplacementTransformer(load_replacements(entry.replacements, config.loader))


def _value_add(config: Config) -> Transformer:
    entry = converted(config.value(), _ValueAdd, config.source)
    targets = list(entry.targets)
    if entry.target_file_path:
        source = config.loader.path_of(entry.target_file_path)
        value = load_config(config.loader.load(entry.target_file_path), source)
        targets.extend(converted(value, _ValueAdd, source).targets)
    value = entry.value.strip() or posixpath.basename(config.loader.root)
    return ValueAddTransformer(value, targets)


TRANSFORMERS: Final[dict[str, Callable[[Config], Transformer]]] = {
    "AnnotationsTransformer": _annotations,
    "HashTransformer": lambda config: HashTransformer(),
    "ImageTagTransformer": _image,
    "LabelTransformer": _labels,
    "NamespaceTransformer": _namespace,
    "PatchJson6902Transformer": _json_patch,
    "PatchStrategicMergeTransformer": _merges,
    "PatchTransformer": _patch,
    "PrefixSuffixTransformer": lambda config: _affix(config, True, True),
    "PrefixTransformer": lambda config: _affix(config, True, False),
    "ReplacementTransformer": _replacements,
    "ReplicaCountTransformer": _replica,
    "SuffixTransformer": lambda config: _affix(config, False, True),
    "ValueAddTransformer": _value_add,
}
"""The built-in transformers that a configuration may ask for."""


def _from_arguments(make: Callable[..., Resource], struct: type[Generator]) -> Callable[[Config], list[Resource]]:
    def generate(config: Config) -> list[Resource]:
        value = config.value()
        metadata = value.pop("metadata", {})
        generator = converted({"name": metadata.get("name"), **_named(metadata), **value}, struct, config.source)
        return [make(generator, config.loader, config.resource.origin)]

    return generate


def _named(metadata: dict[str, Json]) -> dict[str, Json]:
    return {"namespace": metadata["namespace"]} if metadata.get("namespace") else {}


def _iam_policy(config: Config) -> list[Resource]:
    return [service_account(converted(config.value(), IamPolicy, config.source), config.resource.origin)]


GENERATORS: Final[dict[str, Callable[[Config], list[Resource]]]] = {
    "ConfigMapGenerator": _from_arguments(config_map, Generator),
    "IAMPolicyGenerator": _iam_policy,
    "SecretGenerator": _from_arguments(secret, SecretGenerator),
}
"""The built-in generators that a configuration may ask for."""


def transformer_of(config: Config) -> Transformer:
    """The transformer that a configuration describes. Raises ``Refused`` for what isn't built in."""
    kind = _builtin_kind(config, TRANSFORMERS, GENERATORS, "transformer")
    return _configured(config, TRANSFORMERS[kind])


def generated_by(config: Config) -> list[Resource]:
    """What the generator that a configuration describes makes. Raises ``Refused`` for what isn't built in."""
    kind = _builtin_kind(config, GENERATORS, TRANSFORMERS, "generator")
    return _configured(config, GENERATORS[kind])


def _configured(config: Config, make: Callable[[Config], T]) -> T:
    try:
        return make(config)
    except KustomizeError as error:
        raise error.within(f"plugin {config.resource.id} fails configuration") from None


def _builtin_kind(config: Config, wanted: dict[str, Json], others: dict[str, Json], role: str) -> str:
    gvk = config.resource.gvk
    if gvk.group or gvk.version != "builtin":
        raise Refused(
            f"external plugins disabled; unable to load external plugin '{gvk.kind}' ({config.source}):"
            f" {_why_refused(config.resource)}, and a build never runs programs"
        )
    if gvk.kind == "HelmChartInflationGenerator":
        raise Refused(
            f"HelmChartInflationGenerator ({config.source}) would run Helm (must specify --enable-helm),"
            " which a build never does"
        )
    if gvk.kind in others:
        raise InvalidKustomization(f"plugin {config.resource.id} not a {role}")
    if gvk.kind not in wanted:
        raise InvalidKustomization(f"unable to load builtin {gvk} ({config.source})")
    return gvk.kind


def _why_refused(resource: Resource) -> str:
    annotations = resource.texts("annotations")
    if any(name in annotations for name in FUNCTION_ANNOTATIONS):
        return "it is a function (a container or an executable)"
    return "it would be an executable or a Go plugin"
