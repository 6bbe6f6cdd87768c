"""The table of Flux kinds, and decoding an object of one of them."""

from dataclasses import dataclass
from typing import TypeVar

import msgspec

from afflux.api.git_repository import GitRepository
from afflux.api.kustomization import Kustomization
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Manifest

MISSING = "Object missing required field `"

Decoded = TypeVar("Decoded", bound=msgspec.Struct)


class InvalidObject(ValueError):
    """An object that its kind's schema refuses; ``field`` is the path, such as ``spec.interval``."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        self.message = message
        super().__init__(f"{field}: {message}" if field else message)

    def __reduce__(self) -> tuple[type["InvalidObject"], tuple[str, str]]:
        return InvalidObject, (self.field, self.message)


@dataclass(frozen=True, slots=True)
class PrinterColumn:
    """A column of ``kubectl get``."""

    name: str
    type: str
    json_path: str


AGE = PrinterColumn("Age", "date", ".metadata.creationTimestamp")
READY = PrinterColumn("Ready", "string", '.status.conditions[?(@.type=="Ready")].status')
STATUS = PrinterColumn("Status", "string", '.status.conditions[?(@.type=="Ready")].message')


@dataclass(frozen=True, slots=True)
class FluxKind:
    """One kind: its names, the versions that are served (``version`` is the one stored), its type, its controller."""

    group: str
    version: str
    kind: str
    plural: str
    short_names: tuple[str, ...]
    categories: tuple[str, ...]
    struct: type[msgspec.Struct]
    controller: str
    columns: tuple[PrinterColumn, ...]
    older_versions: tuple[str, ...] = ()

    @property
    def gvk(self) -> GroupVersionKind:
        """The kind in its stored version."""
        return GroupVersionKind(self.group, self.version, self.kind)

    @property
    def api_version(self) -> str:
        """``group/version`` as manifests write it."""
        return f"{self.group}/{self.version}"

    @property
    def singular(self) -> str:
        """The name that kubectl takes for one object."""
        return self.kind.lower()

    @property
    def served_versions(self) -> tuple[str, ...]:
        """Every version under which objects may be written."""
        return (self.version, *self.older_versions)


GIT_REPOSITORY = FluxKind(
    group="source.toolkit.fluxcd.io",
    version="v1",
    kind="GitRepository",
    plural="gitrepositories",
    short_names=("gitrepo",),
    categories=("all", "fluxcd", "fluxcd-sources"),
    struct=GitRepository,
    controller="source-controller",
    columns=(PrinterColumn("URL", "string", ".spec.url"), AGE, READY, STATUS),
    older_versions=("v1beta2", "v1beta1"),
)
KUSTOMIZATION = FluxKind(
    group="kustomize.toolkit.fluxcd.io",
    version="v1",
    kind="Kustomization",
    plural="kustomizations",
    short_names=("ks",),
    categories=("all", "fluxcd", "fluxcd-appliers"),
    struct=Kustomization,
    controller="kustomize-controller",
    columns=(AGE, READY, STATUS),
    older_versions=("v1beta2", "v1beta1"),
)

KINDS: tuple[FluxKind, ...] = (GIT_REPOSITORY, KUSTOMIZATION)


def kind_of(group: str, kind: str) -> FluxKind | None:
    """The entry of the table, or None for a kind that is not Flux's or that Afflux does not know yet."""
    return next((entry for entry in KINDS if entry.group == group and entry.kind == kind), None)


def decode(flux_kind: FluxKind, manifest: Manifest) -> msgspec.Struct:
    """The object as its kind's struct, with defaults filled in; fields the kind does not have are left out.

    Raises ``InvalidObject`` that names the first field that is wrong.
    """
    return decode_as(flux_kind.struct, manifest)


def decode_as(struct: type[Decoded], manifest: Manifest) -> Decoded:
    """``decode`` for whoever knows the type."""
    try:
        return msgspec.convert(manifest, struct)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None


def _invalid(text: str) -> InvalidObject:
    """msgspec says what is wrong and then `` - at `$.spec.interval` ``; the parent's place where a field is missing."""
    message, _, place = text.partition(" - at `$")
    field = place.rstrip("`").lstrip(".")
    if message.startswith(MISSING):
        missing = message.removeprefix(MISSING).rstrip("`")
        return InvalidObject(f"{field}.{missing}" if field else missing, "Required value")
    return InvalidObject(field, message)
