"""Labels and annotations put on resources, and on what in them carries labels of its own."""

from collections.abc import Mapping
from dataclasses import dataclass

from afflux.kustomize.errors import TransformationFailed
from afflux.kustomize.field_specs import FieldSpecs, Making
from afflux.kustomize.node_kinds import wrong_kind
from afflux.kustomize.resource import Resource
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
            setting = _Setting(self.entries, resource)
            for compiled in self.specs.matching(resource.gvk):
                try:
                    compiled.visit(resource.manifest, setting.put, Making.MAPPING)
                except TransformationFailed as error:
                    raise error.within(f"considering field '{compiled.spec.path}' of object {resource.id}") from None
            setting.share()


class _Setting:
    """The entries being set in one resource; those that are new become one value that the fields share."""

    __slots__ = ("_added", "_entries", "_resource")

    def __init__(self, entries: Mapping[str, str], resource: Resource) -> None:
        self._entries = entries
        self._resource = resource
        self._added: dict[str, list[dict[str, Json]]] = {}

    def put(self, container: Json, key: Json) -> None:
        """Sets the entries in a field."""
        mapping = container[key]
        if is_null(mapping):
            return
        if not isinstance(mapping, dict):
            raise wrong_kind("MappingNode", mapping)
        for name, value in self._entries.items():
            if name in mapping:
                self._resource.sharing.put(mapping, name, tagged_string(mapping[name], value))
            else:
                mapping[name] = value
                self._added.setdefault(name, []).append(mapping)

    def share(self) -> None:
        """Notes which fields share what was added."""
        for name, mappings in self._added.items():
            if len(mappings) > 1:
                self._resource.sharing.share(name, mappings)
