"""``replicas``: how many of a workload there are to be."""

from collections.abc import Sequence
from dataclasses import dataclass

from afflux.kustomize.errors import TransformationFailed
from afflux.kustomize.field_specs import FieldSpec, Making, compile_spec
from afflux.kustomize.kustomization_file import Replica
from afflux.kustomize.node_kinds import wrong_kind
from afflux.kustomize.resource import Resource
from afflux.kustomize.resource_map import ResourceMap
from afflux.kustomize.scalars import Quoted
from afflux.objects.manifest import Json


@dataclass(frozen=True, slots=True)
class ReplicaTransformer:
    """Applies one entry of ``replicas``."""

    replica: Replica
    specs: Sequence[FieldSpec]

    def transform(self, resources: ResourceMap) -> None:
        """Sets the count of the resources that have or had the name. Raises where there are none."""
        is_found = False
        named = resources.named(self.replica.name)
        for spec in self.specs:
            for resource in named:
                if self._is_meant(resource, spec):
                    is_found = True
                    self._apply(resource, spec)
        if not is_found:
            kinds = " ".join(str(spec.gvk) for spec in self.specs)
            raise TransformationFailed(
                f"resource with name {self.replica.name} does not match a config with the following GVK [{kinds}]"
            )

    def _is_meant(self, resource: Resource, spec: FieldSpec) -> bool:
        ids = (*resource.previous_ids, resource.id)
        return any(each.name == self.replica.name and each.gvk.is_selected(spec.gvk) for each in ids)

    def _apply(self, resource: Resource, spec: FieldSpec) -> None:
        if not resource.gvk.is_selected(spec.gvk):
            return
        try:
            compile_spec(spec).visit(resource.manifest, self._set, Making.SCALAR)
        except TransformationFailed as error:
            raise error.within(f"considering field '{spec.path}' of object {resource.id}") from None

    def _set(self, container: Json, key: Json) -> None:
        old = container[key]
        if isinstance(old, dict | list):
            raise wrong_kind("ScalarNode", old)
        container[key] = Quoted(self.replica.count) if type(old) is Quoted else self.replica.count
