"""``namespace``: every namespaced resource is put there, and what refers to a namespace follows."""

from dataclasses import dataclass
from typing import Final

import orjson

from afflux.kustomize.errors import InvalidKustomization, TransformationFailed
from afflux.kustomize.field_specs import FieldSpecs, Making
from afflux.kustomize.node_kinds import wrong_kind
from afflux.kustomize.resource import Resource
from afflux.kustomize.resource_map import ResourceMap
from afflux.kustomize.scalars import copied, is_null, tagged_string, text_of, unmarked
from afflux.objects.manifest import Json

DEFAULT_ONLY: Final = "defaultOnly"
ALL_SERVICE_ACCOUNTS: Final = "allServiceAccounts"
NONE: Final = "none"
ROLE_BINDINGS: Final = ("RoleBinding", "ClusterRoleBinding")


@dataclass(frozen=True, slots=True)
class NamespaceTransformer:
    """Sets ``namespace``. ``subjects``: which subjects of role bindings follow. ``unset_only``: nothing is replaced."""

    namespace: str
    specs: FieldSpecs
    subjects: str = DEFAULT_ONLY
    unset_only: bool = False

    def __post_init__(self) -> None:
        if self.subjects not in (DEFAULT_ONLY, ALL_SERVICE_ACCOUNTS, NONE):
            raise InvalidKustomization(
                f'invalid value "{self.subjects}" for setRoleBindingSubjects:'
                f' must be one of "{DEFAULT_ONLY}", "{NONE}" or "{ALL_SERVICE_ACCOUNTS}"'
            )

    def transform(self, resources: ResourceMap) -> None:
        """Moves all resources. Raises where two would become one."""
        if not self.namespace:
            return
        for resource in resources:
            resource.remember_id()
            self.apply(resource)
        resources.invalidate()
        if resources.index.doubles:
            raise _conflict(resources)

    def apply(self, resource: Resource) -> None:
        """Sets the namespace of one resource and of what it refers to."""
        gvk = resource.gvk
        if not gvk.is_cluster_scoped:
            metadata = resource.manifest.get("metadata")
            if not isinstance(metadata, dict):
                metadata = resource.manifest["metadata"] = {}
            self._set(metadata, "namespace")
        is_binding = gvk.kind in ROLE_BINDINGS
        if is_binding:
            self._set_subjects(resource.manifest)
        for compiled in self.specs.matching(gvk):
            path = compiled.spec.path
            if path == "metadata/namespace" or (path == "metadata/name" and gvk.api_version != "v1"):
                continue
            if is_binding and compiled.spec.gvk.kind in ROLE_BINDINGS and path == "subjects/namespace":
                continue
            try:
                compiled.visit(resource.manifest, self._set, Making.SCALAR)
            except TransformationFailed as error:
                prefix = f"considering field '{path}' of object {resource.id}"
                raise error.within(f"namespace field specs must target scalar nodes: {prefix}") from None

    def _set(self, container: Json, key: Json) -> None:
        old = container.get(key) if isinstance(container, dict) else container[key]
        if isinstance(old, dict | list):
            raise wrong_kind("ScalarNode", old)
        if self.unset_only and not is_null(old) and text_of(old):
            return
        container[key] = tagged_string(old, self.namespace)

    def _set_subjects(self, manifest: Json) -> None:
        subjects = manifest.get("subjects")
        if self.subjects == NONE or is_null(subjects):
            return
        if not isinstance(subjects, list):
            raise wrong_kind("SequenceNode", subjects).within("setting namespace on (cluster)role binding subjects")
        field, wanted = ("name", "default") if self.subjects == DEFAULT_ONLY else ("kind", "ServiceAccount")
        for subject in subjects:
            if isinstance(subject, dict) and field in subject and text_of(subject[field]) == wanted:
                self._set(subject, "namespace")


def _conflict(resources: ResourceMap) -> TransformationFailed:
    doubled = next(same for same in resources.index.current.values() if len(same) > 1)
    shown = " ".join(
        orjson.dumps(unmarked(copied(each.manifest)), option=orjson.OPT_SORT_KEYS).decode() for each in doubled
    )
    return TransformationFailed(f"namespace transformation produces ID conflict: [{shown}]")
