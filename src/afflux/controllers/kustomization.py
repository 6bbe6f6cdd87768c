"""Kustomization: build a path of a source, apply it, prune what is gone from it, and see that it works.

Steps and words are Flux's kustomize-controller's. What is different on purpose: dependencies and health are watched
instead of polled and no worker waits for them; a new revision overtakes a wait at once; nothing is written while
nothing changes; the inventory is widened before objects are created.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from afflux.api.kustomization import Kustomization
from afflux.api.reasons import (
    ACCESS_DENIED,
    ARTIFACT_FAILED,
    DEPENDENCY_NOT_READY,
    HEALTH_CHECK_FAILED,
    INVALID_CEL_EXPRESSION,
    PRUNE_FAILED,
    RECONCILIATION_FAILED,
    RECONCILIATION_SUCCEEDED,
)
from afflux.apply.applier import ApplyOptions
from afflux.apply.changes import ChangeSet
from afflux.apply.fingerprint import Fingerprints
from afflux.apply.health import HEALTHY, Verdict
from afflux.apply.health_expressions import Assessor, HealthExpressions
from afflux.apply.health_tracker import HealthTracker
from afflux.apply.live_changes import LiveChanges
from afflux.artifacts.confirmations import PATIENCE, Confirmations
from afflux.artifacts.errors import ArtifactMissing
from afflux.controllers import kustomization_health as health
from afflux.controllers import kustomization_watches as watches
from afflux.controllers.kustomization_attempt import Attempt, history_metadata, status_of
from afflux.controllers.kustomization_dependencies import TERMINAL, Dependent, complaint, dependency_ref
from afflux.controllers.kustomization_finalizer import finalize
from afflux.controllers.kustomization_moves import StatusMoves
from afflux.controllers.kustomization_own_components import OwnComponents
from afflux.controllers.kustomization_rendering import Renderer
from afflux.controllers.kustomization_rest import Rests
from afflux.controllers.kustomization_source import (
    Offer,
    named_source,
    offer_of,
    same_revision,
    source_of,
    source_target,
)
from afflux.controllers.kustomization_sweeps import Sweeps
from afflux.kube.client import KubeClient, Target
from afflux.kube.errors import NotFound
from afflux.lang.cel import CelError
from afflux.lang.duration import format_duration
from afflux.objects.identity import GroupVersionKind, ObjectRef
from afflux.objects.manifest import annotations_of
from afflux.render.kustomization import Rendered
from afflux.runtime.conditions import condition_of
from afflux.runtime.ends import Cause, Done, Postponed, Stalled, Waiting
from afflux.runtime.reconciler import REQUESTED_AT, Reconciler, Run
from afflux.runtime.rules import FixedRetry, Rules
from afflux.runtime.triggers import Triggers

RULES: Rules[Kustomization] = Rules(
    controller="kustomize-controller",
    annotation_prefix="kustomize.toolkit.fluxcd.io",
    interval_of=lambda kustomization: kustomization.spec.interval_seconds,
    retry=FixedRetry(lambda kustomization: kustomization.spec.retry_seconds),
    normal=(health.HEALTHY,),
    ready_progress="Reconciliation in progress",
    success_event=True,
    field_manager="gotk-kustomize-controller",
    announced=False,
    history_statuses=frozenset({RECONCILIATION_SUCCEEDED, RECONCILIATION_FAILED, PRUNE_FAILED, HEALTH_CHECK_FAILED}),
)

INDEXES: Mapping[str, Callable[[Kustomization], Iterable[str]]] = watches.INDEXES
DEPENDENCIES = watches.DEPENDENCIES

_ONLY_LOOKS_AGAIN = frozenset({Cause.BELL, Cause.RETRY, Cause.INTERVAL, Cause.SOURCE})
_OF_A_COMMIT = frozenset({Cause.SOURCE, Cause.DEPENDENCY})
_SLOW = 2.0
"""Seconds after which a run that hasn't come to a first write says what it does."""
_QUIET = 1.0
"""Seconds for which a wait for health isn't written of: most are over by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KustomizationSettings:
    """What an operator decides. ``requeue_dependency``: seconds until a missing artifact or dependency is looked at
    again, although both wake by themselves."""

    requeue_dependency: float = 30.0
    no_cross_namespace_refs: bool = False
    own_components: OwnComponents = OwnComponents.REFUSE
    apply: ApplyOptions = field(default_factory=ApplyOptions)


class KustomizationReconciler(Reconciler[Kustomization]):
    """One instance serves all Kustomizations of a process."""

    def __init__(
        self,
        client: KubeClient,
        renderer: Renderer,
        tracker: HealthTracker,
        triggers: Triggers,
        settings: KustomizationSettings | None = None,
        confirmations: Confirmations | None = None,
    ) -> None:
        self._client = client
        self._renderer = renderer
        self._tracker = tracker
        self._waits = health.HealthWaits(tracker)
        self._triggers = triggers
        self._changes = LiveChanges(client, tracker.owner_label)
        self._sweeps = Sweeps(self._changes)
        self._rests = Rests()
        self._moves: dict[ObjectRef, StatusMoves] = {}
        self._confirmations = confirmations
        self._settings = settings or KustomizationSettings()

    async def reconcile(self, run: Run[Kustomization]) -> Done | Waiting | Postponed:
        """Build, apply, prune, and look at health; a wait ends the run and is taken up by a later one."""
        assess = _assessor(run.object)
        offer = await self._offer(run)
        if isinstance(offer, Waiting):
            return offer
        if unconfirmed := self._unconfirmed(run, offer):
            return unconfirmed
        run.annotate(**history_metadata(offer))
        wait = self._waits.resumable(run.key, _occasion(run, offer))
        if wait is not None and run.causes <= _ONLY_LOOKS_AGAIN:
            run.continues(wait.began)
            run.set_status(**wait.fields)
            run.snapshot(wait.digest, history_metadata(offer))
            return self._conclude(run, offer, wait, self._waits.look(run.key, wait, run.clock()))
        self._waits.forget(run.key)
        clean = self._sweeps.clean_objects(run.key, run.causes, run.clock())
        if self._rests.holds(run, offer, clean):
            self._moves[run.key] = StatusMoves(run.clock())
            return self._rests.repeat(run)
        try:
            untouched = await self._untouched(run, offer)
            if blocked := await self._blocked(run, offer, quietly=untouched is not None):
                return blocked
            if untouched is not None:
                return self._moved(run, offer, untouched)
            return await self._attempt(run, offer, assess, clean)
        except ArtifactMissing:
            seconds = self._settings.requeue_dependency
            return self._no_artifact(run, "Source is not ready, artifact not found", seconds)

    async def finalize(self, run: Run[Kustomization]) -> Done:
        """Deletes what was applied, as the deletion policy says."""
        self.forget(run.key)
        return await finalize(run, self._client)

    def forget(self, key: ObjectRef) -> None:
        """A Kustomization that is gone, or about to go."""
        self._waits.forget(key)
        self._renderer.forget(key)
        self._sweeps.forget(key)
        self._rests.forget(key)
        self._moves.pop(key, None)

    async def close(self) -> None:
        """Ends all watches."""
        await self._tracker.close()
        await self._changes.close()

    async def _untouched(self, run: Run[Kustomization], offer: Offer) -> Rendered | None:
        """The last render, where a commit touches nothing that it was made from and all was well with it, so that only
        the status moves; None where there is more to do."""
        moves = self._moves.get(run.key)
        if not run.causes <= _OF_A_COMMIT or moves is None or not moves.may_only_move(run.object, run.clock()):
            return None
        return await self._renderer.unchanged(run, offer.artifact)

    def _moved(self, run: Run[Kustomization], offer: Offer, rendered: Rendered) -> Done | Postponed:
        """The end of a run for a commit that touches nothing here: not at once, so that commits in a row are one write,
        unless somebody waits for it."""
        moves = self._moves[run.key]
        has_dependents = bool(run.known.indexed(watches.DEPENDENCY_INDEX, run.key.subject))
        if not has_dependents and (seconds := moves.postponed_for(run.clock())):
            return Postponed(seconds, Cause.SOURCE)
        run.set_status(lastAttemptedRevision=offer.revision)
        run.snapshot(rendered.digest, history_metadata(offer))
        return replace(_succeeded(run, offer), next_in=moves.until_checked(run.object, run.clock()))

    async def _attempt(
        self, run: Run[Kustomization], offer: Offer, assess: Assessor, clean: Fingerprints
    ) -> Done | Waiting:
        self._moves[run.key] = StatusMoves(run.clock())
        self._rests.forget(run.key)
        if run.causes != {Cause.INTERVAL}:
            clean.look_again()
        options = replace(self._settings.apply, force=run.object.spec.force)
        attempt = Attempt(run, offer, self._client, options, self._settings.own_components, clean)
        async with run.announced_after(_SLOW if attempt.is_news else math.inf):
            rendered = await attempt.render(self._renderer)
            changes = await attempt.apply(rendered)
        pruned = await attempt.prune(changes)
        end = await self._check_health(run, offer, rendered, changes, assess)
        if isinstance(end, Done):
            self._rests.note(run, offer, clean, changes, end)
        return replace(end, quiet=_QUIET) if isinstance(end, Waiting) and not pruned else end

    async def _offer(self, run: Run[Kustomization]) -> Offer | Waiting:
        source = source_of(run.object)
        if self._settings.no_cross_namespace_refs and source.namespace != run.key.namespace:
            message = f"can't access '{source.subject}', cross-namespace references have been blocked"
            raise Stalled(ACCESS_DENIED, message)
        async with run.step("looking up the source", fails_as=ARTIFACT_FAILED):
            try:
                target = source_target(source)
                offer = offer_of(source, run.known.get(target.gvk, source) or await self._client.get(target))
            except NotFound as error:
                run.log.info(f"Source '{named_source(run.object)}' not found")
                return Waiting("source", ARTIFACT_FAILED, str(error), run.object.spec.retry_seconds)
        if offer is not None:
            return offer
        return self._no_artifact(run, "Source artifact not found", self._settings.requeue_dependency)

    def _unconfirmed(self, run: Run[Kustomization], offer: Offer) -> Waiting | Postponed | None:
        """The wait for a source that this process looks after and hasn't looked at since it leads. That is told only
        when it takes long: until then, what was so before is so still."""
        confirmations = self._confirmations
        if confirmations is not None and offer.suspended:  # nobody will look; what its status says is all there is
            confirmations.confirm(offer.artifact)
        if confirmations is None or confirmations.is_confirmed(offer.artifact.path):
            return None

        def bell() -> None:
            for cause in run.causes:
                self._triggers.wake(run.key.kind, run.key, cause)

        confirmations.ring(offer.artifact, run.key, bell)
        seconds = self._settings.requeue_dependency
        if confirmations.is_early:
            return Postponed(min(seconds, PATIENCE), Cause.SOURCE)
        return self._no_artifact(run, "Source is not ready, artifact not fetched yet by this leader", seconds)

    def _no_artifact(self, run: Run[Kustomization], what: str, seconds: float) -> Waiting:
        message = f"{what}, retrying in {format_duration(seconds)}"
        run.log.info(message)
        return Waiting("source", ARTIFACT_FAILED, message, seconds)

    async def _blocked(self, run: Run[Kustomization], offer: Offer, *, quietly: bool) -> Waiting | Postponed | None:
        """The wait for a dependency, or None where all are ready. ``quietly``: what is applied stays as it is, so that
        nobody need know; it keeps its place in the order all the same."""
        if not run.object.spec.depends_on:
            return None
        async with run.step("checking dependencies", fails_as=DEPENDENCY_NOT_READY):
            why = await self._unready_dependency(run, offer)
        if why is None:
            run.log.info("All dependencies are ready, proceeding with reconciliation")
            return None
        seconds = self._settings.requeue_dependency
        if quietly:
            return Postponed(seconds, Cause.SOURCE)
        message = f"Dependencies do not meet ready condition, retrying in {format_duration(seconds)}"
        run.log.info(message)
        ready = condition_of(status_of(run), "Ready") or {}
        if ready.get("reason") != DEPENDENCY_NOT_READY:
            run.event("info", DEPENDENCY_NOT_READY, message)
        return Waiting("dependency", DEPENDENCY_NOT_READY, why, seconds)

    async def _unready_dependency(self, run: Run[Kustomization], offer: Offer) -> str | None:
        dependent = Dependent(run.object, run.manifest, offer)
        for reference in run.object.spec.depends_on:
            ref = dependency_ref(reference, run.key.namespace)
            try:
                gvk = GroupVersionKind(ref.group, "v1", ref.kind)
                dependency = await self._client.get(Target(gvk, ref.namespace, ref.name))
            except NotFound as error:
                return f"dependency '{ref.namespace}/{ref.name}' not found: {error}"
            why = await complaint(dependent, reference, dependency)
            if why is not None:
                return why
        return None

    async def _check_health(
        self, run: Run[Kustomization], offer: Offer, rendered: Rendered, changes: ChangeSet, assess: Assessor
    ) -> Done | Waiting:
        """The end of the run, or the beginning of a wait."""
        objects = await health.objects_to_check(self._client, run.object, run.key, changes)
        if not objects:
            run.clear(health.HEALTHY)
            return _succeeded(run, offer)
        wait = health.HealthWait(
            occasion=_occasion(run, offer),
            began=run.started,
            started=run.clock(),
            timeout=run.object.spec.timeout_seconds,
            digest=rendered.digest,
            news=health.is_news(status_of(run), new_revision=_is_new_revision(run, offer), drifted=changes.changed),
            fields=run.status_fields,
        )

        def bell() -> None:
            self._triggers.wake(run.key.kind, run.key, Cause.BELL)

        found = await self._waits.begin(run.key, wait, self._client, objects, assess, bell)
        return self._conclude(run, offer, wait, found)

    def _conclude(
        self, run: Run[Kustomization], offer: Offer, wait: health.HealthWait, found: Verdict
    ) -> Done | Waiting:
        if found.state == "pending":
            return health.still_waiting(run, wait)
        self._waits.forget(run.key)
        if found != HEALTHY:
            raise health.failed(run, wait, found.message)
        health.passed(run, wait)
        return _succeeded(run, offer)


def _assessor(kustomization: Kustomization) -> Assessor:
    """How readiness is judged. Raises `Stalled` for an expression that can't be compiled."""
    expressions = [
        HealthExpressions(one.api_version, one.kind, one.current, one.in_progress, one.failed)
        for one in kustomization.spec.health_check_exprs
    ]
    try:
        return Assessor(expressions)
    except CelError as error:
        raise Stalled(INVALID_CEL_EXPRESSION, f"{TERMINAL}: {error}") from error


def _succeeded(run: Run[Kustomization], offer: Offer) -> Done:
    run.set_status(lastAppliedRevision=offer.revision, lastAppliedOriginRevision=offer.origin_revision or None)
    return Done(f"Applied revision: {offer.revision}", revision=offer.revision)


def _occasion(run: Run[Kustomization], offer: Offer) -> health.Occasion:
    generation = run.object.metadata.generation
    return health.Occasion(offer.revision, generation, annotations_of(run.manifest).get(REQUESTED_AT, ""))


def _is_new_revision(run: Run[Kustomization], offer: Offer) -> bool:
    return not same_revision(offer.revision, str(status_of(run).get("lastAppliedRevision") or ""))
