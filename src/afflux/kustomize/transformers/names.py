"""``namePrefix`` and ``nameSuffix``."""

from dataclasses import dataclass
from typing import Final

from afflux.kustomize.errors import TransformationFailed
from afflux.kustomize.field_specs import FieldSpecs, Making
from afflux.kustomize.node_kinds import wrong_kind
from afflux.kustomize.resource import Resource
from afflux.kustomize.resource_id import Gvk
from afflux.kustomize.resource_map import ResourceMap
from afflux.kustomize.scalars import is_null, text_of, untagged
from afflux.objects.manifest import Json

KEEP_THEIR_NAMES: Final = (
    Gvk(kind="CustomResourceDefinition"),
    Gvk(group="apiregistration.k8s.io", kind="APIService"),
    Gvk(kind="Namespace"),
)
NAME: Final = "metadata/name"


@dataclass(frozen=True, slots=True)
class AffixTransformer:
    """Puts ``prefix`` before and ``suffix`` after names; one of the two is empty."""

    prefix: str
    suffix: str
    specs: FieldSpecs

    def transform(self, resources: ResourceMap) -> None:
        """Renames all resources but those of kinds whose names mean something."""
        for resource in resources:
            self._rename(resource)
        resources.invalidate()

    def _rename(self, resource: Resource) -> None:
        original = resource.original_id.gvk
        if any(original.is_selected(kind) for kind in KEEP_THEIR_NAMES):
            return
        for compiled in self.specs.matching(original):
            if compiled.spec.path == NAME:
                self._note(resource)
            if not resource.gvk.is_selected(compiled.spec.gvk):
                continue
            try:
                compiled.visit(resource.manifest, self._set, Making.SCALAR)
            except TransformationFailed as error:
                raise error.within(f"considering field '{compiled.spec.path}' of object {resource.id}") from None

    def _note(self, resource: Resource) -> None:
        if self.prefix:
            resource.prefixes.append(self.prefix)
        if self.suffix:
            resource.suffixes.append(self.suffix)
        if self.prefix or self.suffix:
            resource.remember_id()

    def _set(self, container: Json, key: Json) -> None:
        old = container[key]
        if isinstance(old, dict | list):
            raise wrong_kind("ScalarNode", old)
        text = "" if is_null(old) else text_of(old)
        container[key] = untagged(old, f"{self.prefix}{text}{self.suffix}")
