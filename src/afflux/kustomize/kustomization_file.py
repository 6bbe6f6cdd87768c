"""kustomization.yaml: its fields as types, read strictly, old spellings turned into new ones."""

import re
from typing import Final

import msgspec

from afflux.kustomize.documents import CONVERTING, load_config
from afflux.kustomize.errors import InvalidKustomization, MalformedDocument, Place
from afflux.kustomize.scalars import copied
from afflux.kustomize.structs import go_problem, recased, without_nulls
from afflux.kustomize.transformer_config import FieldSpecEntry
from afflux.lang.yaml import locate
from afflux.objects.manifest import Json

FILE_NAMES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
KUSTOMIZATION_VERSION: Final = "kustomize.config.k8s.io/v1beta1"
COMPONENT_VERSION: Final = "kustomize.config.k8s.io/v1alpha1"
COMPONENT: Final = "Component"


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """Fields are camelCase in the file; one that isn't known is an error."""


class Selector(_Entry, frozen=True):
    """Which resources a patch or a replacement is for: regular expressions and selectors."""

    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    annotation_selector: str = ""
    label_selector: str = ""


class PatchOptions(_Entry, frozen=True):
    """What a patch may change beside fields."""

    allow_name_change: bool = False
    allow_kind_change: bool = False


class Patch(_Entry, frozen=True):
    """An entry of ``patches`` or ``patchesJson6902``."""

    path: str = ""
    patch: str = ""
    target: Selector | None = None
    options: PatchOptions | None = None


class Image(_Entry, frozen=True):
    """An entry of ``images``."""

    name: str = ""
    new_name: str = ""
    tag_suffix: str = ""
    new_tag: str = ""
    digest: str = ""


class Replica(_Entry, frozen=True):
    """An entry of ``replicas``."""

    name: str = ""
    count: int = 0


class Label(_Entry, frozen=True):
    """An entry of ``labels``."""

    pairs: dict[str, str] = {}
    include_selectors: bool = False
    include_templates: bool = False
    fields: list[FieldSpecEntry] = []


class GeneratorOptions(_Entry, frozen=True):
    """``generatorOptions``, and a generator's own ``options``."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    disable_name_suffix_hash: bool = False
    immutable: bool = False


class Generator(_Entry, frozen=True):
    """An entry of ``configMapGenerator``."""

    namespace: str = ""
    name: str = ""
    behavior: str = ""
    literals: list[str] = []
    files: list[str] = []
    envs: list[str] = []
    env: str = ""
    options: GeneratorOptions | None = None


class SecretGenerator(Generator, frozen=True):
    """An entry of ``secretGenerator``."""

    type: str = ""


class FieldOptions(_Entry, frozen=True):
    """How a replacement takes or puts a part of a value."""

    delimiter: str = ""
    index: int = 0
    encoding: str = ""
    create: bool = False


class SourceSelector(_Entry, frozen=True):
    """Where a replacement's value comes from."""

    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    field_path: str = ""
    options: FieldOptions | None = None


class TargetSelector(_Entry, frozen=True):
    """Where a replacement's value goes."""

    select: Selector | None = None
    reject: list[Selector] = []
    field_paths: list[str] = []
    options: FieldOptions | None = None


class Replacement(_Entry, frozen=True):
    """An entry of ``replacements``; ``path`` names a file that holds one or several."""

    source: SourceSelector | None = None
    targets: list[TargetSelector] | None = None
    source_value: str | None = None
    path: str = ""


class VarObject(_Entry, frozen=True):
    """The object of a variable."""

    api_version: str = ""
    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""


class FieldReference(_Entry, frozen=True):
    """The field of a variable's object."""

    field_path: str = ""


class Var(_Entry, frozen=True):
    """An entry of ``vars``."""

    name: str = ""
    objref: VarObject = VarObject()
    fieldref: FieldReference = FieldReference()


class LegacySortOptions(_Entry, frozen=True):
    """The kinds that come first and last."""

    order_first: list[str] = []
    order_last: list[str] = []


class SortOptions(_Entry, frozen=True):
    """``sortOptions``."""

    order: str = ""
    legacy_sort_options: LegacySortOptions | None = None


class ObjectMeta(_Entry, frozen=True):
    """``metadata``: kept for the reader, without effect."""

    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Kustomization(_Entry, frozen=True):
    """A kustomization or component file. Where a default isn't Go's zero value, its comment says so."""

    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta | None = None
    openapi: dict[str, str] = {}
    name_prefix: str = ""
    name_suffix: str = ""
    namespace: str = ""
    common_labels: dict[str, str] = {}
    labels: list[Label] = []
    common_annotations: dict[str, str] = {}
    patches_strategic_merge: list[str] = []
    patches_json6902: list[Patch] = msgspec.field(default=[], name="patchesJson6902")
    patches: list[Patch] = []
    images: list[Image] = []
    image_tags: list[Image] = []
    replacements: list[Replacement] = []
    replicas: list[Replica] = []
    vars: list[Var] = []
    sort_options: SortOptions | None = None
    resources: list[str] = []
    components: list[str] = []
    crds: list[str] = []
    bases: list[str] = []
    config_map_generator: list[Generator] = []
    secret_generator: list[SecretGenerator] = []
    helm_globals: dict[str, Json] = {}
    helm_charts: list[dict[str, Json]] = []
    helm_chart_inflation_generator: list[dict[str, Json]] = []
    generator_options: GeneratorOptions | None = None
    configurations: list[str] = []
    generators: list[str] = []
    transformers: list[str] = []
    validators: list[str] = []
    build_metadata: list[str] = []

    @property
    def is_component(self) -> bool:
        """Whether the file says ``kind: Component``."""
        return self.kind == COMPONENT

    @property
    def all_resources(self) -> list[str]:
        """``resources``, then what the old ``bases`` named."""
        return [*self.resources, *self.bases]

    @property
    def all_images(self) -> list[Image]:
        """``images``, then those of the old ``imageTags``."""
        return [*self.images, *self.image_tags]


MAX_PROBLEMS: Final = 20
"""Of a file that is all wrong, so many problems are told."""
_FIX: Final = "Run 'kustomize edit fix' to update your Kustomization automatically."
OLD_SPELLINGS: Final = (
    ("bases", "resources", _FIX),
    ("commonLabels", "labels", _FIX),
    ("imageTags", "images", _FIX),
    ("patchesJson6902", "patches", _FIX),
    ("patchesStrategicMerge", "patches", _FIX),
    ("vars", "replacements", f"[EXPERIMENTAL] {_FIX}"),
)
"""Fields that kustomize warns about, and what to use instead."""


def parse_kustomization(text: str, source: str) -> tuple[Kustomization, list[str]]:
    """A kustomization and the warnings that kustomize prints about old spellings.

    Raises ``MalformedDocument`` and ``InvalidKustomization`` with the line and the entry.
    """
    try:
        raw = load_config(text, source)
    except MalformedDocument as error:
        problem = error.message.removeprefix(CONVERTING)
        raise InvalidKustomization(f"invalid Kustomization: {problem} in {source}", error.place) from None
    if raw is not None and not isinstance(raw, dict):
        problem = f"json: cannot unmarshal {_go_name(raw)} into Go value of type types.Kustomization"
        raise _invalid(source, text, [(problem, "")])
    fields = without_nulls(raw or {})
    kustomization = _converted(fields, text, source)
    if not any(value not in ("", False) for key, value in fields.items() if key not in ("apiVersion", "kind")):
        raise InvalidKustomization(f"kustomization.yaml is empty: {source}", Place(kustomization=source))
    _enforce(kustomization, source)
    warnings = [
        f"# Warning: '{old}' is deprecated. Please use '{new}' instead. {advice}"
        for old, new, advice in OLD_SPELLINGS
        if old in fields
    ]
    return kustomization, warnings


def _converted(fields: dict[str, Json], text: str, source: str) -> Kustomization:
    try:
        return msgspec.convert(fields, Kustomization)
    except msgspec.ValidationError:
        return _mended(recased(fields, Kustomization), text, source)


def _mended(fields: dict[str, Json], text: str, source: str) -> Kustomization:
    """The kustomization if its fields were only spelled in another case; else an error that names all problems."""
    problems: list[tuple[str, str]] = []
    remaining = copied(fields)
    while len(problems) < MAX_PROBLEMS:
        try:
            kustomization = msgspec.convert(remaining, Kustomization)
        except msgspec.ValidationError as error:
            problem, path = go_problem(error)
            problems.append((problem, path))
            if not _without(remaining, _steps(path)):
                break
            continue
        if not problems:
            return kustomization
        break
    problems.extend(_contradictions(fields))
    raise _invalid(source, text, problems)


def _steps(path: str) -> list[str | int]:
    return [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]


def _without(value: Json, steps: list[str | int]) -> bool:
    """Takes a field away, so that others can be looked at; tells whether it was there."""
    for step in steps[:-1]:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    if steps and isinstance(value, dict) and steps[-1] in value:
        del value[str(steps[-1])]
        return True
    if steps and isinstance(value, list) and isinstance(steps[-1], int) and steps[-1] < len(value):
        is_text = value[steps[-1]] == ""
        value[steps[-1]] = {} if is_text or isinstance(value[steps[-1]], dict) else ""
        return not is_text
    return False


def _contradictions(fields: dict[str, Json]) -> list[tuple[str, str]]:
    replacements = fields.get("replacements")
    return [
        ("value and resource selectors are mutually exclusive", f"replacements[{index}]")
        for index, each in enumerate(replacements if isinstance(replacements, list) else ())
        if isinstance(each, dict) and "source" in each and "sourceValue" in each
    ]


def _invalid(source: str, text: str, problems: list[tuple[str, str]]) -> InvalidKustomization:
    shown = []
    for problem, path in problems:
        line = locate(text, 0, _steps(path)) or 0
        shown.append(f"{problem} ({source}:{line}{', ' + path if path else ''})")
    first = problems[0][1]
    place = Place(source, first, source, locate(text, 0, _steps(first)) or 0, first)
    return InvalidKustomization(f"invalid Kustomization: {'; '.join(shown)}", place)


def _go_name(value: Json) -> str:
    return "array" if isinstance(value, list) else "string" if isinstance(value, str) else "number"


def _enforce(kustomization: Kustomization, source: str) -> None:
    problems = []
    kind = kustomization.kind or "Kustomization"
    if kind not in ("Kustomization", COMPONENT):
        problems.append(f"kind should be Kustomization or {COMPONENT}")
    required = COMPONENT_VERSION if kind == COMPONENT else KUSTOMIZATION_VERSION
    if kustomization.api_version not in ("", required):
        problems.append(f"apiVersion for {kind} should be {required}")
    if problems:
        directory = source.rpartition("/")[0] or "/"
        listed = "\n".join(problems)
        raise InvalidKustomization(
            f"Failed to read kustomization file under {directory}:\n{listed}", Place(kustomization=source)
        )
