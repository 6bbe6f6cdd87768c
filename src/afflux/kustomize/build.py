"""A build: from a directory with a kustomization to the resources that it stands for."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from afflux.kustomize.accumulator import Accumulation
from afflux.kustomize.errors import TransformationFailed
from afflux.kustomize.filesystem import FileSystem, normal
from afflux.kustomize.kustomization_file import SortOptions
from afflux.kustomize.loader import Loader, confirmed_directory, remote_needed
from afflux.kustomize.name_references import update_references
from afflux.kustomize.plugins import HashTransformer
from afflux.kustomize.provenance import MANAGED_BY, MANAGED_BY_LABEL, MANAGED_BY_VALUE, Trail, annotate
from afflux.kustomize.remote import is_repository
from afflux.kustomize.resource import BUILD_ANNOTATIONS
from afflux.kustomize.resource_id import ALSO_CLUSTER_SCOPED
from afflux.kustomize.resource_map import ResourceMap
from afflux.kustomize.scalars import Quoted, unmarked
from afflux.kustomize.target import Target, Workshop
from afflux.kustomize.transformers.sort_order import LEGACY, sort_resources
from afflux.kustomize.variables import resolve_variables

LOCAL_CONFIG = "config.kubernetes.io/local-config"


class Reorder(Enum):
    """The order of the output where the kustomization doesn't say: by kind, or as it was built."""

    LEGACY = "legacy"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How to build. ``root_only``: files must lie in or below the kustomization that names them.

    ``managed_by_label``: every resource is labelled with kustomize's name, as ``buildMetadata`` can ask too.
    """

    root_only: bool = True
    reorder: Reorder = Reorder.LEGACY
    managed_by_label: bool = False


def build(filesystem: FileSystem, path: str, options: BuildOptions | None = None) -> ResourceMap:
    """The resources of the kustomization in the directory ``path``, manifests of plain types.

    The behaviour is that of kustomize 5.8.1. Raises ``KustomizeError``.
    """
    if is_repository(path):
        raise remote_needed(path)
    token = ALSO_CLUSTER_SCOPED.set(frozenset())
    try:
        with _without_collector():
            return _built(filesystem, path, options or BuildOptions())
    finally:
        ALSO_CLUSTER_SCOPED.reset(token)


@contextmanager
def _without_collector() -> Iterator[None]:
    """A build makes no cycles to speak of, but a cyclic collector would walk all objects again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _built(filesystem: FileSystem, path: str, options: BuildOptions) -> ResourceMap:
    loader = Loader(filesystem, confirmed_directory(filesystem, normal(path)), options.root_only)
    workshop = Workshop()
    target = Target.load(loader, workshop, Trail())
    workshop.use_openapi(target.kustomization.openapi, loader, is_root=True)
    wanted = target.kustomization.build_metadata
    workshop.notes = bool(wanted)
    resources = _customized(target, workshop)
    _sort(resources, target.kustomization.sort_options, options.reorder)
    labelled = options.managed_by_label or MANAGED_BY in wanted
    for resource in resources:
        if labelled:
            labels = resource.manifest.setdefault("metadata", {}).setdefault("labels", {})
            labels[MANAGED_BY_LABEL] = MANAGED_BY_VALUE
        annotate(resource, wanted)
        unmarked(resource.manifest)
    resources.warnings = workshop.warnings
    return resources


def _customized(target: Target, workshop: Workshop) -> ResourceMap:
    """What can only be done once everything is gathered: hashes, references, variables."""
    gathered = target.accumulate(Accumulation())
    resources = gathered.resources
    HashTransformer().transform(resources)
    update_references(resources, gathered.config.name_reference)
    unused = resolve_variables(resources, gathered.variables, gathered.config.compiled.var_reference)
    if unused:
        workshop.warnings.append(f"well-defined vars that were never replaced: {','.join(unused)}")
    _drop_local(resources)
    return resources


def _drop_local(resources: ResourceMap) -> None:
    """Resources that are only there for the build go; what has lost its name or kind is an error."""
    kept = []
    for resource in resources:
        current = resource.id
        if not current.gvk.kind or (not current.name and not current.gvk.kind.endswith("List")):
            missing = "metadata.name" if current.gvk.kind else "kind"
            raise TransformationFailed(f"missing {missing} in object {current}")
        annotations = resource.texts("annotations")
        if annotations.get(LOCAL_CONFIG, "false") == "false":
            kept.append(resource)
        if not BUILD_ANNOTATIONS.isdisjoint(annotations):
            left = {key: Quoted(text) for key, text in annotations.items() if key not in BUILD_ANNOTATIONS}
            resource.set_texts("annotations", left)
    resources.check_unique()
    if len(kept) != len(resources):
        resources.keep(kept)


def _sort(resources: ResourceMap, wanted: SortOptions | None, reorder: Reorder) -> None:
    if wanted is None and reorder is Reorder.NONE:
        return
    try:
        sort_resources(resources, wanted or SortOptions(order=LEGACY))
    except TransformationFailed as error:
        raise error.within("SortOrderTransformer: Failed to append to resources") from None
