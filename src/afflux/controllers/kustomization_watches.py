"""What wakes a Kustomization beside its own changes: its source, its dependencies, the configuration it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from afflux.api.kinds import GIT_REPOSITORY, KUSTOMIZATION, decode_as
from afflux.api.kustomization import Kustomization
from afflux.controllers.kustomization_dependencies import dependencies_of
from afflux.controllers.kustomization_source import same_revision, source_of
from afflux.controllers.kustomization_variables import configs_of
from afflux.objects.identity import GroupVersionKind, ObjectRef, ref_of
from afflux.objects.manifest import Json, Manifest, metadata_of
from afflux.runtime.conditions import condition_of
from afflux.runtime.dependencies import Dependency
from afflux.runtime.ends import Cause
from afflux.runtime.informer import Informer

SOURCE_INDEX = "source"
DEPENDENCY_INDEX = "dependsOn"
CONFIG_INDEX = "config"

_WATCHED_CONFIGS = "reconcile.fluxcd.io/watch=Enabled"


def _sources(kustomization: Kustomization) -> list[str]:
    return [source_of(kustomization).subject]


def _dependencies(kustomization: Kustomization) -> list[str]:
    return [ref.subject for ref in dependencies_of(kustomization)]


def _configs(kustomization: Kustomization) -> list[str]:
    return [ref.subject for ref in configs_of(kustomization)]


INDEXES: Mapping[str, Callable[[Kustomization], Iterable[str]]] = {
    SOURCE_INDEX: _sources,
    DEPENDENCY_INDEX: _dependencies,
    CONFIG_INDEX: _configs,
}
"""The objects on which a Kustomization depends, as subjects."""


def source_changed(old: Manifest | None, new: Manifest | None) -> bool:
    """Whether a source has another artifact than before."""
    return new is not None and _artifact(new) is not None and _artifact(old) != _artifact(new)


def waiting_for_source(source: Manifest, informer: Informer) -> list[ObjectRef]:
    """Who has not tried a source's new revision yet, dependencies first."""
    revision = str((_status(source).get("artifact") or {}).get("revision") or "")
    concerned = informer.indexed(SOURCE_INDEX, ref_of(source).subject)
    return [ref_of(one) for one in dependencies_first(concerned) if not _has_tried(one, revision)]


def dependencies_first(manifests: Sequence[Manifest]) -> list[Manifest]:
    """Kustomizations in an order in which each comes after those it depends on; as given where that is a circle."""
    by_subject = {ref_of(one).subject: one for one in manifests}
    ordered: dict[str, Manifest] = {}
    entered: set[str] = set()
    stack = list(reversed(by_subject))
    while stack:
        subject = stack[-1]
        missing = [need for need in _needs(by_subject[subject]) if need in by_subject and need not in entered]
        if subject not in entered and missing:
            entered.add(subject)
            stack += missing
            continue
        entered.add(subject)
        ordered.setdefault(stack.pop(), by_subject[subject])
    return list(ordered.values())


def progressed(old: Manifest | None, new: Manifest | None) -> bool:
    """Whether a Kustomization changed in what those who depend on it look at."""
    return new is not None and _progress(old) != _progress(new)


def waiting_for_dependency(dependency: Manifest, informer: Informer) -> list[ObjectRef]:
    """Who depends on a Kustomization, may go on now that it is ready (or by an expression), and isn't as far yet."""
    applied = str(_status(dependency).get("lastAppliedRevision") or "")
    ready = _is_ready(dependency)
    dependents = informer.indexed(DEPENDENCY_INDEX, ref_of(dependency).subject)
    hopeful = [one for one in dependents if ready or _has_expression(one)]
    return [ref_of(one) for one in hopeful if not (_is_ready(one) and _applied(one, applied))]


def config_changed(old: Manifest | None, new: Manifest | None) -> bool:
    """Whether a ConfigMap or Secret is another than before."""
    return new is not None and _version(old) != _version(new)


def readers_of(config: Manifest, informer: Informer) -> list[ObjectRef]:
    """Who takes variables from a ConfigMap or Secret."""
    return [ref_of(one) for one in informer.indexed(CONFIG_INDEX, ref_of(config).subject)]


DEPENDENCIES = (
    Dependency(gvk=GIT_REPOSITORY.gvk, changed=source_changed, keys_of=waiting_for_source, cause=Cause.SOURCE),
    Dependency(gvk=KUSTOMIZATION.gvk, changed=progressed, keys_of=waiting_for_dependency),
    *(
        Dependency(
            gvk=GroupVersionKind("", "v1", kind),
            changed=config_changed,
            keys_of=readers_of,
            label_selector=_WATCHED_CONFIGS,
            metadata_only=True,
        )
        for kind in ("ConfigMap", "Secret")
    ),
)
"""Everything whose change wakes Kustomizations."""


def _status(manifest: Manifest | None) -> Manifest:
    status = manifest.get("status") if manifest else None
    return status if isinstance(status, dict) else {}


def _artifact(source: Manifest | None) -> tuple[Json, Json] | None:
    artifact = _status(source).get("artifact")
    return (artifact.get("revision"), artifact.get("digest")) if isinstance(artifact, dict) else None


def _needs(manifest: Manifest) -> list[str]:
    return [ref.subject for ref in dependencies_of(decode_as(Kustomization, manifest))]


def _has_expression(manifest: Manifest) -> bool:
    return any(reference.ready_expr for reference in decode_as(Kustomization, manifest).spec.depends_on)


def _has_tried(manifest: Manifest, revision: str) -> bool:
    status = _status(manifest)
    busy = condition_of(status, "Reconciling")
    under_way = busy is not None and busy.get("status") == "True"
    return (_is_ready(manifest) or under_way) and status.get("lastAttemptedRevision") == revision


def _is_ready(manifest: Manifest) -> bool:
    ready = condition_of(_status(manifest), "Ready")
    return ready is not None and ready.get("status") == "True"


def _applied(manifest: Manifest, revision: str) -> bool:
    return same_revision(revision, str(_status(manifest).get("lastAppliedRevision") or ""))


def _progress(manifest: Manifest | None) -> Json:
    if manifest is None:
        return None
    status = {key: value for key, value in _status(manifest).items() if key not in ("inventory", "history")}
    return metadata_of(manifest).get("generation"), status


def _version(manifest: Manifest | None) -> Json:
    return metadata_of(manifest).get("resourceVersion") if manifest else None
