"""A Kustomization at rest: a run at the interval finds everything as the last one left it, and does nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from afflux.api.kustomization import Kustomization, KustomizationSpec
from afflux.apply.changes import Action, ChangeSet
from afflux.apply.fingerprint import Fingerprints
from afflux.controllers.kustomization_source import Offer
from afflux.kube.client import Target
from afflux.objects.identity import ObjectRef
from afflux.objects.manifest import metadata_of
from afflux.runtime.ends import Cause, Done
from afflux.runtime.outcome import RunLog
from afflux.runtime.reconciler import Run


@dataclass(frozen=True, slots=True)
class _Rest:
    """What a run was made of that ended well and changed nothing; the same again ends the same way."""

    version: str
    """The Kustomization's own resourceVersion."""
    offer: Offer
    fingerprints: Fingerprints
    applied: tuple[tuple[ObjectRef, Target], ...]
    log: RunLog[Kustomization]
    end: Done


@dataclass
class Rests:
    """The last such run of each Kustomization."""

    _rests: dict[ObjectRef, _Rest] = field(default_factory=dict)

    def note(
        self, run: Run[Kustomization], offer: Offer, fingerprints: Fingerprints, changes: ChangeSet, end: Done
    ) -> None:
        """A run that ended well."""
        self._rests.pop(run.key, None)
        at_rest = all(change.action is Action.UNCHANGED for change in changes)
        if at_rest and _looks_at_nothing_else(run.object.spec):
            applied = tuple((change.ref, change.target) for change in changes)
            self._rests[run.key] = _Rest(_version(run), offer, fingerprints, applied, run.log_so_far(), end)

    def holds(self, run: Run[Kustomization], offer: Offer, fingerprints: Fingerprints) -> bool:
        """Whether a run would find the Kustomization, its source and every object as the last one did."""
        rest = self._rests.get(run.key)
        return (
            rest is not None
            and run.causes == {Cause.INTERVAL}
            and rest.version == _version(run)
            and rest.offer == offer
            and rest.fingerprints is fingerprints
            and all(fingerprints.is_unchanged(ref, target) for ref, target in rest.applied)
        )

    def repeat(self, run: Run[Kustomization]) -> Done:
        """The run says what the last one said, whose status may not have been written."""
        rest = self._rests[run.key]
        run.repeats(rest.log)
        return rest.end

    def forget(self, key: ObjectRef) -> None:
        """A Kustomization that is gone."""
        self._rests.pop(key, None)


def _looks_at_nothing_else(spec: KustomizationSpec) -> bool:
    """Whether a run depends on no object but the source and what it applies."""
    variables = spec.post_build is not None and bool(spec.post_build.substitute_from)
    foreign = bool(spec.health_checks) and not spec.wait
    return not (spec.depends_on or variables or foreign)


def _version(run: Run[Kustomization]) -> str:
    return str(metadata_of(run.manifest).get("resourceVersion") or "")
