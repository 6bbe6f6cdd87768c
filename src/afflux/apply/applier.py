"""Bring objects of a cluster in line with manifests by server-side apply, stage by stage.

For each stage: every object is planned first (`plan`), a few at a time; nothing of the stage is written unless every
dry run passed (Flux deletes and takes over fields in between; here that waits too). Then what differs is written in
order, one after the other. Error texts are Flux's, followed by where the manifest came from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from afflux.apply import waiting
from afflux.apply.changes import ChangeSet
from afflux.apply.errors import ApplyError, ApplyFailed, DryRunFailed, StageNotReady
from afflux.apply.failure_text import dry_run_failure
from afflux.apply.fingerprint import Fingerprints
from afflux.apply.inventory import Inventory
from afflux.apply.ownership import Owner, predecessors
from afflux.apply.plan import Desired, Plan, Planner
from afflux.apply.stages import GroupKind, in_stages
from afflux.kube.client import KubeClient, PatchType
from afflux.kube.errors import Conflict, KubeError, is_away
from afflux.objects.manifest import Manifest

_TAKEOVER_ATTEMPTS = 3
_MOST_ERRORS = 10

Announce = Callable[[Inventory], Awaitable[None]]
"""Told which objects of a stage are about to be written, before any of them is; when it returns, they are on record."""


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """``force``: recreate what has an immutable field changed. ``ready_timeout``: seconds a stage may take to work."""

    force: bool = False
    custom_stage_kinds: frozenset[GroupKind] = frozenset()
    overridden_managers: tuple[str, ...] = ()
    concurrency: int = 4
    ready_timeout: float = 60.0


class _Refused(NamedTuple):
    message: str
    error: KubeError


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
        taken = predecessors(owner.field_manager, self._options.overridden_managers)
        self._planner = Planner(client, owner, self._options.force, taken, self._fingerprints)

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
        written = [plan for plan in plans if plan.writes]
        if written:
            await announce(Inventory.of((plan.ref, plan.target.gvk.version) for plan in written))
        done = ChangeSet()
        for plan in plans:
            try:
                done += (plan.change(await self._carry_out(plan)),)
            except (KubeError, TimeoutError) as error:
                raise ApplyFailed(f"{plan.ref.subject} apply failed: {error}{plan.desired.origin}", done) from error
        return done

    async def _plan_all(self, members: Sequence[Desired]) -> list[Plan]:
        limit = asyncio.Semaphore(self._options.concurrency)

        async def plan(one: Desired) -> Plan | _Refused:
            async with limit:
                try:
                    return await self._planner.plan(one)
                except KubeError as error:
                    return _Refused(dry_run_failure(one.ref, error) + one.origin, error)

        answers = await asyncio.gather(*(plan(one) for one in members))
        refused = [answer for answer in answers if isinstance(answer, _Refused)]
        if refused:
            real = [one.error for one in refused if not is_away(one.error)]
            message = "\n".join(one.message for one in refused[:_MOST_ERRORS])
            raise DryRunFailed(message) from (real or [refused[0].error])[0]
        return [answer for answer in answers if isinstance(answer, Plan)]

    async def _carry_out(self, plan: Plan) -> Manifest | None:
        """Makes it so; the object as the server has it now."""
        if not plan.writes:
            return plan.live
        if plan.recreate:
            await self._remove(plan)
        elif plan.taken_over:
            await self._take_over(plan)
        return await self._server_side_apply(plan.desired)

    async def _remove(self, plan: Plan) -> None:
        try:
            await waiting.delete_and_wait(self._client, plan.target, self._options.ready_timeout)
        except TimeoutError:
            raise TimeoutError("immutable field detected, failed to wait for object to be deleted") from None

    async def _take_over(self, plan: Plan) -> None:
        """Hands other managers' fields to us. The object may change under it: then once more with what it is now."""
        live = plan.live
        for attempt in range(1, _TAKEOVER_ATTEMPTS + 1):
            patch = self._planner.takeover(plan.desired.manifest, live) if live else []
            if not patch:
                return
            try:
                manager = self._owner.field_manager
                await self._client.patch(plan.target, patch, patch_type=PatchType.JSON, field_manager=manager)
                return
            except Conflict:
                if attempt == _TAKEOVER_ATTEMPTS:
                    raise
                live = await self._planner.live(plan.target)

    async def _until_ready(self, changes: ChangeSet) -> None:
        unready = await waiting.ready(self._client, changes, self._options.ready_timeout)
        if unready:
            raise StageNotReady(f"timeout waiting for: [{', '.join(unready)}]", changes)

    async def _server_side_apply(self, desired: Desired) -> Manifest:
        manager = self._owner.field_manager
        live = await self._client.apply(desired.manifest, field_manager=manager, force=True)
        self._fingerprints.wrote(desired.ref, live)
        return live
