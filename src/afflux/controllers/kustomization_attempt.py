"""One attempt to bring a cluster in line with one revision: build, apply, prune."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from afflux.api.kustomization import Kustomization
from afflux.api.reasons import ARTIFACT_FAILED, BUILD_FAILED, PROGRESSING, PRUNE_FAILED, RECONCILIATION_FAILED
from afflux.apply.applier import Applier, ApplyOptions
from afflux.apply.changes import ChangeSet
from afflux.apply.errors import PruneFailed
from afflux.apply.fingerprint import Fingerprints
from afflux.apply.inventory import Inventory
from afflux.apply.plan import Desired
from afflux.apply.prune import prune
from afflux.controllers.kustomization_own_components import OwnComponents, screened
from afflux.controllers.kustomization_rendering import Renderer, owner_of
from afflux.controllers.kustomization_source import Offer, same_revision
from afflux.kube.client import KubeClient
from afflux.lang.duration import format_duration
from afflux.objects.manifest import Manifest
from afflux.render.errors import EncryptedSecret, PathNotFound
from afflux.render.kustomization import Rendered
from afflux.runtime.ends import Cause, NotReady
from afflux.runtime.reconciler import Run

_ASKED_FOR = frozenset({Cause.GENERATION, Cause.REQUEST})


def status_of(run: Run[Kustomization]) -> Manifest:
    """The status as it was when the run began."""
    status = run.manifest.get("status")
    return status if isinstance(status, dict) else {}


def inventory_of(status: Mapping[str, Manifest]) -> Inventory:
    """What a status says was applied."""
    return Inventory.from_status((status.get("inventory") or {}).get("entries") or ())


@dataclass(slots=True)
class Attempt:
    """The state of one attempt; ``recorded`` is the inventory as status will have it, always a superset of what the
    cluster holds of this Kustomization."""

    run: Run[Kustomization]
    offer: Offer
    client: KubeClient
    options: ApplyOptions
    own_components: OwnComponents
    fingerprints: Fingerprints
    recorded: Inventory = field(init=False)

    def __post_init__(self) -> None:
        self.recorded = inventory_of(status_of(self.run))

    @property
    def is_news(self) -> bool:
        """Whether it is about a revision that isn't applied yet, a new spec, or somebody's request."""
        return not self._is_applied_already() or not self.run.causes.isdisjoint(_ASKED_FOR)

    async def render(self, renderer: Renderer) -> Rendered:
        """The manifests of the revision; unpacked and built only where something of it is new."""
        progress = self._progress("Fetching manifests")
        async with self.run.step("fetching the artifact", fails_as=ARTIFACT_FAILED, progress=progress):
            tree = await renderer.tree(self.offer.artifact)
        progress = self._progress("Building manifests")
        self.run.set_status(lastAttemptedRevision=self.offer.revision)
        async with self.run.step("building manifests", fails_as=BUILD_FAILED, progress=progress):
            try:
                rendered = await renderer.render(self.run, self.offer.artifact, tree)
            except PathNotFound as error:
                self.run.set_status(lastAttemptedRevision=status_of(self.run).get("lastAttemptedRevision"))
                raise NotReady(ARTIFACT_FAILED, error.message) from error
            except EncryptedSecret as error:
                raise NotReady(RECONCILIATION_FAILED, error.message) from error
        if not self._is_applied_already():
            self._warn(rendered.warnings)
        self.run.snapshot(rendered.digest, history_metadata(self.offer))
        return rendered

    async def apply(self, rendered: Rendered) -> ChangeSet:
        """Everything rendered, in stages; the inventory grows before anything is written."""
        desired = [Desired(one.manifest, one.from_where) for one in rendered.manifests]
        async with self.run.step("looking for Flux's own components", fails_as=BUILD_FAILED):
            desired = screened(self.own_components, desired)
        progress = self._progress("Detecting drift")
        async with self.run.step("applying manifests", fails_as=RECONCILIATION_FAILED, progress=progress):
            applier = Applier(self.client, owner_of(self.run.key), self.options, self.fingerprints)
            changes = await applier.apply(desired, self._widen)
        self._tell(changes)
        return changes

    async def prune(self, changes: ChangeSet) -> bool:
        """Deletes what the inventory holds and the revision doesn't; whether there was anything."""
        applied = changes.inventory()
        stale = self.recorded.without(applied)
        if stale and self.run.object.spec.prune:
            await self._record(self.recorded.union(applied))
            async with self.run.step("pruning", fails_as=PRUNE_FAILED):
                try:
                    deleted = await prune(self.client, owner_of(self.run.key), stale)
                except PruneFailed as error:
                    self._note(applied.union(error.survivors))
                    raise
            self._tell_pruned(deleted)
        self._note(applied)
        return bool(stale)

    async def _widen(self, written: Inventory) -> None:
        """Before anything is written: what is going to be is on record, and what is news is told."""
        await self._record(self.recorded.union(written), also=self.is_news and not self.run.published)

    async def _record(self, inventory: Inventory, *, also: bool = False) -> None:
        """Writes an inventory that holds more than before (or ``also`` another one), now."""
        grown = len(inventory) > len(self.recorded)
        self._note(inventory)
        if grown or also:
            await self.run.publish()

    def _note(self, inventory: Inventory) -> None:
        self.recorded = inventory
        self.run.set_status(inventory={"entries": inventory.to_status()})

    def _is_applied_already(self) -> bool:
        return same_revision(self.offer.revision, str(status_of(self.run).get("lastAppliedRevision") or ""))

    def _warn(self, warnings: tuple[str, ...]) -> None:
        """What was wrong and passed over, once a revision."""
        for warning in warnings:
            self.run.log.info(f"dropped: {warning}", revision=self.offer.revision)
        if warnings:
            self.run.event("error", "UnknownFields", "dropped:\n" + "\n".join(warnings))

    def _tell(self, changes: ChangeSet) -> None:
        if output := changes.output():
            self.run.log.info("server-side apply completed", output=output, revision=self.offer.revision)
        if lines := changes.changed_lines():
            self.run.event("info", PROGRESSING, lines)
        if self._is_applied_already():
            self._tell_drift(changes)

    def _tell_drift(self, changes: ChangeSet) -> None:
        """Which fields somebody else had changed; never their values."""
        for change in changes:
            if change.changed and change.drift:
                self.run.log.info("drift corrected", object=change.ref.subject, fields=list(change.drift))

    def _tell_pruned(self, deleted: ChangeSet) -> None:
        lines = "\n".join(str(change) for change in deleted)
        self.run.log.info(f"garbage collection completed: {lines}")
        self.run.event("info", PROGRESSING, lines)

    def _progress(self, doing: str) -> str:
        timeout = format_duration(self.run.object.spec.timeout_seconds)
        return f"{doing} for revision {self.offer.revision} with a timeout of {timeout}"


def history_metadata(offer: Offer) -> dict[str, str]:
    """What an entry of the history says about what was applied."""
    origin = {"originRevision": offer.origin_revision} if offer.origin_revision else {}
    return {"revision": offer.revision, **origin}
