"""``dependsOn``: whether a Kustomization's dependencies let it go on. Flux's rules and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from afflux import offload
from afflux.api.kustomization import DependencyReference, Kustomization
from afflux.api.reasons import INVALID_CEL_EXPRESSION
from afflux.controllers.kustomization_source import Offer, same_revision
from afflux.lang.cel import CelError, EvaluationFailed, evaluate_boolean
from afflux.objects.identity import ObjectRef
from afflux.objects.manifest import Manifest, metadata_of
from afflux.runtime.conditions import condition_of
from afflux.runtime.ends import Stalled

KUSTOMIZE_GROUP = "kustomize.toolkit.fluxcd.io"
TERMINAL = "Reconciliation failed terminally due to configuration error"
_EXPRESSION_SECONDS = 5.0


def dependencies_of(kustomization: Kustomization) -> tuple[ObjectRef, ...]:
    """The Kustomizations that must be ready first."""
    own = kustomization.metadata.namespace
    return tuple(dependency_ref(reference, own) for reference in kustomization.spec.depends_on)


def dependency_ref(reference: DependencyReference, own_namespace: str) -> ObjectRef:
    """The object that one entry names; in the same namespace where it names none."""
    return ObjectRef(KUSTOMIZE_GROUP, "Kustomization", reference.namespace or own_namespace, reference.name)


@dataclass(frozen=True, slots=True)
class Dependent:
    """Who depends, as an object and as it is stored, and what its source offers."""

    object: Kustomization
    manifest: Manifest
    offer: Offer


async def complaint(dependent: Dependent, reference: DependencyReference, dependency: Manifest) -> str | None:
    """Why a dependency that exists isn't ready for its dependent; None where it is.

    Raises `Stalled` for a ``readyExpr`` that can't be evaluated to a boolean, `TaskFailed` for one that goes on and on.
    """
    ref = dependency_ref(reference, dependent.object.metadata.namespace)
    name = f"{ref.namespace}/{ref.name}"
    if reference.ready_expr:
        try:
            answer = await _ready_by_expression(reference, dependent.manifest, dependency)
        except EvaluationFailed as error:
            return f"failed to evaluate the CEL expression '{reference.ready_expr}': {error}"
        return None if answer else f"dependency '{name}' is not ready according to readyExpr eval"
    status = dependency.get("status") or {}
    ready = condition_of(status, "Ready")
    observed = status.get("observedGeneration") == metadata_of(dependency).get("generation")
    if ready is None or not observed or ready.get("status") != "True":
        return f"dependency '{name}' is not ready"
    if _shares_source(dependency, dependent.offer.source) and not same_revision(
        dependent.offer.revision, str(status.get("lastAppliedRevision") or "")
    ):
        return f"dependency '{name}' revision is not up to date"
    return None


def _shares_source(dependency: Manifest, source: ObjectRef) -> bool:
    reference: Mapping[str, str] = (dependency.get("spec") or {}).get("sourceRef") or {}
    namespace = reference.get("namespace") or metadata_of(dependency).get("namespace")
    return (reference.get("kind"), reference.get("name"), namespace) == (source.kind, source.name, source.namespace)


async def _ready_by_expression(reference: DependencyReference, dependent: Manifest, dependency: Manifest) -> bool:
    bindings = {"self": dependent, "dep": dependency}
    expression = reference.ready_expr
    try:
        # In a worker: an expression can be made to take any time and memory.
        return await offload.run_within(_EXPRESSION_SECONDS, evaluate_boolean, expression, ("self", "dep"), bindings)
    except EvaluationFailed:
        raise
    except CelError as error:
        message = f"{TERMINAL}: failed to evaluate dependency {reference.name}: {error}"
        raise Stalled(INVALID_CEL_EXPRESSION, message) from error
