"""Labels and annotations put on resources, and on what in them carries labels of its own."""

from collections.abc import Mapping
from dataclasses import dataclass

from afflux.kustomize.errors import TransformationFailed
from afflux.kustomize.field_specs import FieldSpecs, Making
from afflux.kustomize.node_kinds import wrong_kind
from afflux.kustomize.resource_map import ResourceMap
from afflux.kustomize.scalars import is_null, tagged_string
from afflux.objects.manifest import Json


@dataclass(frozen=True, slots=True)
class EntriesTransformer:
    """Sets the entries of mappings: labels, selectors, annotations."""

    entries: Mapping[str, str]
    specs: FieldSpecs

    def transform(self, resources: ResourceMap) -> None:
        """Sets the entries in every field that the specifications mean."""
        if not self.entries:
            return
        for resource in resources:
            for compiled in self.specs.matching(resource.gvk):
                try:
                    compiled.visit(resource.manifest, self._set, Making.MAPPING)
                except TransformationFailed as error:
                    raise error.within(f"considering field '{compiled.spec.path}' of object {resource.id}") from None

    def _set(self, container: Json, key: Json) -> None:
        mapping = container[key]
        if is_null(mapping):
            return
        if not isinstance(mapping, dict):
            raise wrong_kind("MappingNode", mapping)
        for name, value in self.entries.items():
            mapping[name] = tagged_string(mapping.get(name), value)
