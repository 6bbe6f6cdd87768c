"""One Lease from the side of somebody who wants it: read it, take it, renew it, give it back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from afflux.kube.client import KubeClient, Target
from afflux.kube.errors import AlreadyExists, Conflict, Forbidden, NotFound
from afflux.kube.fence import LeaseLost
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Manifest
from afflux.runtime.lease import LeaseRecord, Sighting, claimed, is_ours, lease_with, released, sighted

_NAMESPACE = GroupVersionKind("", "v1", "Namespace")


@dataclass(slots=True)
class LeaseSeat:
    """A Lease, and what we know of it. Every write names the version that was read: of two, one is refused.

    ``taken_from`` is the record of a living holder that it was taken from.
    """

    client: KubeClient
    target: Target
    holder: str
    duration: float
    clock: Callable[[], float]
    sighting: Sighting | None = None
    seen_alive: bool = False
    """Whether the present holder renewed it before our eyes."""
    renewed: float = field(default=float("-inf"), init=False)
    """When our last renewal that succeeded was begun."""
    taken_from: LeaseRecord | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.target.namespace}/{self.target.name}"

    @property
    def present_holder(self) -> str:
        """Who has it, as last read; empty where nobody has."""
        return self.sighting.record.holder if self.sighting else ""

    @property
    def is_mine(self) -> bool:
        """Whether it names us."""
        return self.present_holder == self.holder

    @property
    def is_taken(self) -> bool:
        """Whether somebody else may still act by it."""
        return self.sighting is not None and not self.is_mine and self.sighting.valid_for(self.clock()) > 0

    @property
    def is_foreign(self) -> bool:
        """Whether its present holder is no Afflux."""
        return bool(self.present_holder) and not is_ours(self.present_holder)

    async def look(self) -> None:
        """Read it."""
        before = self.sighting
        try:
            lease = await self.client.get(self.target)
        except NotFound:
            self.sighting, self.seen_alive = None, False
            return
        self.sighting = sighted(before, lease, self.clock())
        same_holder = before is not None and before.record.holder == self.sighting.record.holder
        changed = before is not None and before.record != self.sighting.record
        self.seen_alive = same_holder and (changed or self.seen_alive)

    async def claim(self) -> bool:
        """Take it as it was read; False where somebody was faster."""
        victim = self.sighting.record if self.sighting is not None and self.is_taken else None
        try:
            await self._write()
        except Conflict:
            return False
        self.taken_from = victim
        return True

    async def renew(self) -> None:
        """Renew it. Raises ``LeaseLost`` where somebody else has it."""
        try:
            await self._write()
        except (Conflict, NotFound):
            await self.look()
            if self.sighting is not None and not self.is_mine:
                raise LeaseLost(f"the Lease {self.name} is held by {self.present_holder or 'nobody'} now") from None
            await self._write()

    async def release(self) -> None:
        """Leave it to whoever comes first."""
        assert self.sighting is not None
        record = released(self.sighting.record, datetime.now(UTC))
        await self.client.update(lease_with(self.target, self.sighting.lease, record))
        self.sighting = None

    async def _write(self) -> None:
        began = self.clock()
        before = self.sighting
        record = claimed(before.record if before else LeaseRecord(), self.holder, self.duration, datetime.now(UTC))
        lease = lease_with(self.target, before.lease if before else None, record)
        written = await (self.client.update(lease) if before else self._create(lease))
        self.sighting = sighted(before, written, self.clock())
        self.renewed = began

    async def _create(self, lease: Manifest) -> Manifest:
        try:
            return await self.client.create(lease)
        except NotFound:
            await self._create_namespace()
            return await self.client.create(lease)

    async def _create_namespace(self) -> None:
        namespace = self.target.namespace
        try:
            await self.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        except AlreadyExists:
            return
        except Forbidden as error:
            raise NotFound(404, "NotFound", f"there is no namespace {namespace} for the Lease: {error}") from error
