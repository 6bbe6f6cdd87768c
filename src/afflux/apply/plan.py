"""What is to be done to each object: told by a server-side dry run, and by a look at the object where that is needed.

Pure decisions over the server's answers; nothing is written here. A dry run comes first for what is new or changed in
Git: for an object that it would create, and for one that nobody has touched since our own last write, its answer says
everything. Only otherwise is the object read, too. What is the same in Git as at the last clean dry run is read alone,
and not even that where its kind's watch says that it is as it was (`fingerprint`).
"""

from __future__ import annotations

from dataclasses import dataclass

from afflux.apply import directives
from afflux.apply.changes import Action, Change
from afflux.apply.drift import drift_between, is_creation
from afflux.apply.failure_text import is_immutable
from afflux.apply.fingerprint import Fingerprints
from afflux.apply.live_changes import Look
from afflux.apply.ownership import Owner, Predecessor, takeover_patch
from afflux.kube.client import KubeClient, Target
from afflux.kube.errors import ApiError, NotFound
from afflux.objects.identity import ObjectRef, gvk_of, ref_of
from afflux.objects.manifest import Manifest, metadata_of


@dataclass(frozen=True, slots=True)
class Desired:
    """A manifest, and where it came from as people read it. ``leave_alone``: on record, but never written."""

    manifest: Manifest
    origin: str = ""
    leave_alone: bool = False

    @property
    def ref(self) -> ObjectRef:
        return ref_of(self.manifest)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done to one object. ``live`` is its state as far as it was looked at (for one that is unchanged:
    as the dry run shows it); ``taken_over``: other managers' fields are ours from now on."""

    desired: Desired
    target: Target
    action: Action
    live: Manifest | None = None
    drift: tuple[str, ...] = ()
    recreate: bool = False
    taken_over: bool = False

    @property
    def ref(self) -> ObjectRef:
        """The object as the server knows it."""
        gvk = self.target.gvk
        return ObjectRef(gvk.group, gvk.kind, self.target.namespace, self.target.name)

    @property
    def writes(self) -> bool:
        """Whether the object is going to be created or changed."""
        return self.action in (Action.CREATED, Action.CONFIGURED)

    def change(self, live: Manifest | None) -> Change:
        """What was done, with the object's state after it."""
        return Change(self.ref, self.target.gvk.version, self.action, live, self.drift)


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans for one owner, as one identity. ``force``: an immutable field that changed may cost an object its life."""

    client: KubeClient
    owner: Owner
    force: bool
    predecessors: tuple[Predecessor, ...]
    fingerprints: Fingerprints

    async def plan(self, desired: Desired) -> Plan:
        """What is to be done to an object. Raises ``KubeError`` where the server refuses what is desired."""
        desired, target = await self._located(desired)
        if desired.leave_alone or directives.decides(desired.manifest):
            return await self._planned_from_live(desired, target, await self.live(target))
        if self.fingerprints.knows(desired.ref, desired.manifest):
            return await self._planned_from_memory(desired, target)
        try:
            dry_run = await self._dry_run(desired)
        except ApiError as error:
            return await self._refused(desired, target, await self.live(target), error)
        if is_creation(dry_run):
            return Plan(desired, target, Action.CREATED)
        if directives.says(dry_run, directives.IGNORED):
            return Plan(desired, target, Action.SKIPPED, await self.live(target))
        if self.fingerprints.is_as_written(desired.ref, dry_run):
            same = self.fingerprints.is_content_as_written(desired.ref, dry_run)
            return self._unchanged(desired, target, dry_run) if same else Plan(desired, target, Action.CONFIGURED)
        return self._compared(desired, target, await self.live(target), dry_run)

    async def live(self, target: Target) -> Manifest | None:
        """The object as it is; None where there is none."""
        try:
            return await self.client.get(target)
        except NotFound:
            return None

    def takeover(self, desired: Manifest, live: Manifest) -> list[Manifest]:
        """The patch that hands other managers' fields to the owner; empty where there are none."""
        return takeover_patch(desired, live, self.owner.field_manager, self.predecessors)

    async def _planned_from_memory(self, desired: Desired, target: Target) -> Plan:
        """For a manifest that the last dry run found clean."""
        live = self.fingerprints.unchanged(desired.ref, target)
        if live is not None:
            return Plan(desired, target, Action.UNCHANGED, live)
        look = self.fingerprints.look(target)
        return await self._planned_from_live(desired, target, await self.live(target), look)

    async def _planned_from_live(
        self, desired: Desired, target: Target, live: Manifest | None, look: Look | None = None
    ) -> Plan:
        if desired.leave_alone or directives.skips_apply(desired.manifest, live):
            return Plan(desired, target, Action.SKIPPED, live)
        if live is not None and self.fingerprints.is_clean(desired.ref, desired.manifest, live):
            self.fingerprints.saw(desired.ref, look, live)
            return Plan(desired, target, Action.UNCHANGED, live)
        try:
            return self._compared(desired, target, live, await self._dry_run(desired))
        except ApiError as error:
            return await self._refused(desired, target, live, error)

    def _compared(self, desired: Desired, target: Target, live: Manifest | None, dry_run: Manifest) -> Plan:
        if live is None or is_creation(dry_run):
            action = Action.CREATED if is_creation(dry_run) else Action.CONFIGURED
            return Plan(desired, target, action, live)
        drift = drift_between(live, dry_run)
        taken_over = bool(self.takeover(desired.manifest, live))
        if drift or taken_over:
            return Plan(desired, target, Action.CONFIGURED, live, drift, taken_over=taken_over)
        if metadata_of(live).get("resourceVersion") == metadata_of(dry_run).get("resourceVersion"):
            return self._unchanged(desired, target, live)
        return Plan(desired, target, Action.UNCHANGED, live)

    def _unchanged(self, desired: Desired, target: Target, live: Manifest) -> Plan:
        self.fingerprints.remember(desired.ref, desired.manifest, live)
        return Plan(desired, target, Action.UNCHANGED, live)

    async def _refused(self, desired: Desired, target: Target, live: Manifest | None, error: ApiError) -> Plan:
        """The server refused a dry run: of an object that is to be left alone that doesn't matter, and one with an
        immutable field may have to be recreated. Raises the error otherwise."""
        if directives.skips_apply(desired.manifest, live):
            return Plan(desired, target, Action.SKIPPED, live)
        may_recreate = self.force or directives.forces_recreation(desired.manifest, live)
        if live is None or not is_immutable(error) or not may_recreate:
            raise error
        return Plan(desired, target, Action.CONFIGURED, live, recreate=True)

    async def _located(self, desired: Desired) -> tuple[Desired, Target]:
        """Where the object lives; a namespace on a cluster-scoped one is dropped, as the server would."""
        gvk = gvk_of(desired.manifest)
        resource = await self.client.mapper.resource_for(gvk)
        ref = desired.ref
        if resource.namespaced and not ref.namespace:
            raise NotFound(404, "NotFound", "the server could not find the requested resource")
        if not resource.namespaced and ref.namespace:
            metadata = {key: value for key, value in metadata_of(desired.manifest).items() if key != "namespace"}
            desired = Desired({**desired.manifest, "metadata": metadata}, desired.origin, desired.leave_alone)
            ref = desired.ref
        return desired, Target(gvk, ref.namespace, ref.name)

    async def _dry_run(self, desired: Desired) -> Manifest:
        manager = self.owner.field_manager
        return await self.client.apply(desired.manifest, field_manager=manager, force=True, dry_run=True)
