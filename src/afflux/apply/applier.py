"""Bring objects of a cluster in line with manifests by server-side apply, stage by stage.

For each stage: every object is read and dry-run first, a few at a time; nothing of the stage is written unless every
dry run passed (Flux deletes and takes over fields in between; here that waits too). Then what differs is written in
order, one after the other. Error texts are Flux's, followed by where the manifest came from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from afflux.apply import directives, waiting
from afflux.apply.changes import Action, Change, ChangeSet
from afflux.apply.drift import drift_between, is_creation
from afflux.apply.errors import ApplyError, ApplyFailed, DryRunFailed, StageNotReady
from afflux.apply.failure_text import dry_run_failure, is_immutable
from afflux.apply.fingerprint import Fingerprints
from afflux.apply.inventory import Inventory
from afflux.apply.ownership import Owner, predecessors, takeover_patch
from afflux.apply.stages import GroupKind, in_stages
from afflux.kube.client import KubeClient, PatchType, Target
from afflux.kube.errors import ApiError, Conflict, KubeError, NotFound
from afflux.objects.identity import ObjectRef, gvk_of, ref_of
from afflux.objects.manifest import Manifest, metadata_of

_TAKEOVER_ATTEMPTS = 3
_MOST_ERRORS = 10

Announce = Callable[[Inventory], Awaitable[None]]
"""Told which objects of a stage are about to be written, before any of them is; when it returns, they are on record."""


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
class ApplyOptions:
    """``force``: recreate what has an immutable field changed. ``ready_timeout``: seconds a stage may take to work."""

    force: bool = False
    custom_stage_kinds: frozenset[GroupKind] = frozenset()
    overridden_managers: tuple[str, ...] = ()
    concurrency: int = 4
    ready_timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done to one object. ``ref`` is as the server knows it; ``dry_run`` is its answer, where asked."""

    desired: Desired
    target: Target
    action: Action
    live: Manifest | None = None
    dry_run: Manifest | None = None
    drift: tuple[str, ...] = ()
    recreate: bool = False

    @property
    def ref(self) -> ObjectRef:
        gvk = self.target.gvk
        return ObjectRef(gvk.group, gvk.kind, self.target.namespace, self.target.name)

    def change(self, live: Manifest | None) -> Change:
        return Change(self.ref, self.target.gvk.version, self.action, live, self.drift)


class Applier:
    """Applies for one owner, as one identity. Objects that ``fingerprints`` know to be clean aren't dry-run."""

    def __init__(
        self,
        client: KubeClient,
        owner: Owner,
        options: ApplyOptions | None = None,
        fingerprints: Fingerprints | None = None,
    ) -> None:
        self._client = client
        self._owner = owner
        self._options = options or ApplyOptions()
        self._fingerprints = fingerprints or Fingerprints()
        self._predecessors = predecessors(owner.field_manager, self._options.overridden_managers)

    async def apply(self, desired: Sequence[Desired], announce: Announce) -> ChangeSet:
        """All stages in turn. Raises an `ApplyError` that knows what was done before."""
        done = ChangeSet()
        for stage, members in in_stages(desired, lambda one: one.ref, self._options.custom_stage_kinds):
            try:
                changes = await self._apply_stage(members, announce)
                if stage.waits:
                    await self._until_ready(changes)
            except ApplyError as error:
                raise error.after(done) from error
            done += changes
        return done

    async def _apply_stage(self, members: Sequence[Desired], announce: Announce) -> ChangeSet:
        plans = await self._plan_all(members)
        written = [plan for plan in plans if plan.action in (Action.CREATED, Action.CONFIGURED)]
        if written:
            await announce(Inventory.of((plan.ref, plan.target.gvk.version) for plan in written))
        done = ChangeSet()
        for plan in plans:
            try:
                done += (plan.change(await self._carry_out(plan)),)
            except (KubeError, TimeoutError) as error:
                raise ApplyFailed(f"{plan.ref.subject} apply failed: {error}{plan.desired.origin}", done) from error
        return done

    async def _plan_all(self, members: Sequence[Desired]) -> list[_Plan]:
        limit = asyncio.Semaphore(self._options.concurrency)

        async def plan(one: Desired) -> _Plan | DryRunFailed:
            async with limit:
                try:
                    return await self._plan(one)
                except KubeError as error:
                    return DryRunFailed(dry_run_failure(one.ref, error) + one.origin)

        answers = await asyncio.gather(*(plan(one) for one in members))
        refused = [answer.message for answer in answers if isinstance(answer, DryRunFailed)]
        if refused:
            raise DryRunFailed("\n".join(refused[:_MOST_ERRORS]))
        return [answer for answer in answers if isinstance(answer, _Plan)]

    async def _plan(self, desired: Desired) -> _Plan:
        desired, target = await self._located(desired)
        live = await self._get(target)
        if desired.leave_alone or directives.skips_apply(desired.manifest, live):
            return _Plan(desired, target, Action.SKIPPED, live)
        if live is not None and self._fingerprints.is_clean(desired.ref, desired.manifest, live):
            return _Plan(desired, target, Action.UNCHANGED, live)
        try:
            dry_run = await self._server_side_apply(desired.manifest, dry_run=True)
        except ApiError as error:
            if live is None or not is_immutable(error) or not self._may_recreate(desired.manifest, live):
                raise
            return _Plan(desired, target, Action.CONFIGURED, live, recreate=True)
        drift = drift_between(live, dry_run)
        if is_creation(dry_run):
            return _Plan(desired, target, Action.CREATED, live, dry_run)
        taken = live is not None and takeover_patch(
            desired.manifest, live, self._owner.field_manager, self._predecessors
        )
        if live is None or drift or taken:
            return _Plan(desired, target, Action.CONFIGURED, live, dry_run, drift)
        if metadata_of(live).get("resourceVersion") == metadata_of(dry_run).get("resourceVersion"):
            self._fingerprints.remember(desired.ref, desired.manifest, live)
        return _Plan(desired, target, Action.UNCHANGED, live, dry_run)

    async def _located(self, desired: Desired) -> tuple[Desired, Target]:
        """Where the object lives; a namespace on a cluster-scoped one is dropped, as the server would."""
        gvk = gvk_of(desired.manifest)
        resource = await self._client.mapper.resource_for(gvk)
        ref = desired.ref
        if resource.namespaced and not ref.namespace:
            raise NotFound(404, "NotFound", "the server could not find the requested resource")
        if not resource.namespaced and ref.namespace:
            metadata = {key: value for key, value in metadata_of(desired.manifest).items() if key != "namespace"}
            desired = Desired({**desired.manifest, "metadata": metadata}, desired.origin, desired.leave_alone)
            ref = desired.ref
        return desired, Target(gvk, ref.namespace, ref.name)

    def _may_recreate(self, desired: Manifest, live: Manifest) -> bool:
        return self._options.force or directives.forces_recreation(desired, live)

    async def _carry_out(self, plan: _Plan) -> Manifest | None:
        """Makes it so; the object as the server has it now."""
        if plan.action in (Action.SKIPPED, Action.UNCHANGED):
            return plan.live
        if plan.recreate:
            await self._remove(plan)
        elif plan.live is not None:
            await self._take_over(plan)
        return await self._server_side_apply(plan.desired.manifest, dry_run=False)

    async def _remove(self, plan: _Plan) -> None:
        try:
            await waiting.delete_and_wait(self._client, plan.target, self._options.ready_timeout)
        except TimeoutError:
            raise TimeoutError("immutable field detected, failed to wait for object to be deleted") from None

    async def _take_over(self, plan: _Plan) -> None:
        """Hands other managers' fields to us. The object may change under it: then once more with what it is now."""
        live = plan.live
        for attempt in range(1, _TAKEOVER_ATTEMPTS + 1):
            manifest = plan.desired.manifest
            patch = takeover_patch(manifest, live, self._owner.field_manager, self._predecessors) if live else []
            if not patch:
                return
            try:
                manager = self._owner.field_manager
                await self._client.patch(plan.target, patch, patch_type=PatchType.JSON, field_manager=manager)
                return
            except Conflict:
                if attempt == _TAKEOVER_ATTEMPTS:
                    raise
                live = await self._get(plan.target)

    async def _until_ready(self, changes: ChangeSet) -> None:
        unready = await waiting.ready(self._client, changes, self._options.ready_timeout)
        if unready:
            raise StageNotReady(f"timeout waiting for: [{', '.join(unready)}]", changes)

    async def _get(self, target: Target) -> Manifest | None:
        try:
            return await self._client.get(target)
        except NotFound:
            return None

    async def _server_side_apply(self, manifest: Manifest, *, dry_run: bool) -> Manifest:
        return await self._client.apply(manifest, field_manager=self._owner.field_manager, force=True, dry_run=dry_run)
