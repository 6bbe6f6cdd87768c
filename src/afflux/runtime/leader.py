"""Leader election: one process writes, the others stand by.

Flux's Leases, one a controller, by client-go's rules. A process leads when it has all of its Leases: it takes none
while another is somebody else's, and gives back what it took when it comes too late for one, so that two can't wait for
each other.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from afflux.kube.errors import Forbidden, KubeError
from afflux.kube.fence import Fence, LeaseLost
from afflux.runtime.lease import LeaseTimes
from afflux.runtime.lease_seat import LeaseSeat

_RELEASE_WITHIN = 5.0


class ForeignLeader(Exception):
    """Leases whose living holders are no Afflux."""

    def __init__(self, seats: Sequence[LeaseSeat]) -> None:
        super().__init__(", ".join(f"{seat.name} is held by {seat.present_holder}" for seat in seats))
        self.holders = {seat.target.name: seat.present_holder for seat in seats}


@dataclass(slots=True, kw_only=True)
class Leader:
    """One process's candidacy. ``run`` opens the fence when it leads and keeps it open for as long as the Leases are
    surely ours. ``take_over``: Leases that somebody lives by who is no Afflux are taken as well.
    """

    seats: Sequence[LeaseSeat]
    fence: Fence
    times: LeaseTimes
    take_over: bool = False
    elected: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    waits_for: str = field(default="leader election", init=False)
    """What a standby waits for, in people's words."""
    _quiet_until: float = field(default=float("-inf"), init=False)
    _alarm: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _trouble: str = field(default="", init=False)

    async def run(self) -> None:
        """Stand by, lead, renew; until cancelled. Raises ``LeaseLost``, or ``ForeignLeader`` for a living holder that
        is no Afflux."""
        self.fence.on_refusal = self._alarm.set
        try:
            await self._campaign()
            while True:
                self._admit()
                await self._pause()
                await self._renew()
        except LeaseLost as error:
            self.fence.close(str(error))
            raise

    async def resign(self) -> None:
        """Nothing is written from now on. The Leases are given back, unless a request may still be under way."""
        self.fence.disarm("this process is stopping")
        log = structlog.get_logger()
        if self.fence.clock() - self.fence.unanswered < self.times.duration:
            log.info("the Leases run out by themselves: the API server may still be at a request that got no answer")
            return
        try:
            async with asyncio.timeout(_RELEASE_WITHIN):
                await self._give_back(self.seats)
        except (KubeError, TimeoutError) as error:
            log.info("the Leases run out by themselves: they could not be released", error=str(error))

    async def _campaign(self) -> None:
        while True:
            try:
                if await self._won():
                    return
            except Forbidden:
                raise
            except KubeError as error:
                self._wait_for(f"the Leases can't be read: {error}")
            await asyncio.sleep(self.times.retry_period * random.uniform(1.0, 1.2))

    async def _won(self) -> bool:
        for seat in self.seats:
            await seat.look()
        taken = [seat for seat in self.seats if seat.is_taken]
        foreign = [seat for seat in taken if seat.is_foreign]
        alive = [seat for seat in foreign if seat.seen_alive]
        if alive and not self.take_over:
            raise ForeignLeader(alive)
        in_the_way = taken if not self.take_over else [seat for seat in taken if not seat.is_foreign]
        if in_the_way:
            self._wait_for(", ".join(f"the Lease {seat.name}, held by {seat.present_holder}" for seat in in_the_way))
            return False
        return await self._claim_all()

    async def _claim_all(self) -> bool:
        """In one order for all, so that of two the first to come gets everything."""
        for position, seat in enumerate(self.seats):
            if not await seat.claim():
                await self._give_back(self.seats[:position])
                return False
        longest = max((seat.taken_from.duration for seat in self.seats if seat.taken_from), default=None)
        if longest is not None:
            quiet = longest + self.times.retry_period
            self._quiet_until = self.fence.clock() + quiet
            self._wait_for(f"the end of the former leader, for {quiet:g}s: the Leases were taken from it")
        return True

    def _admit(self) -> None:
        """Open the fence, or keep it open, unless whoever we took a Lease from may still be writing."""
        if self.fence.clock() < self._quiet_until:
            return
        self.fence.extend(self._sure_until, self._ends)
        if not self.elected.is_set():
            names = ", ".join(seat.name for seat in self.seats)
            structlog.get_logger().info("became the leader", leases=names, holder=self.seats[0].holder)
            self.elected.set()

    @property
    def _renewed(self) -> float:
        return min(seat.renewed for seat in self.seats)

    @property
    def _sure_until(self) -> float:
        return self._renewed + self.times.renew_deadline

    @property
    def _ends(self) -> float:
        return self._renewed + self.times.duration

    async def _pause(self) -> None:
        now = self.fence.clock()
        moments = [now + self.times.retry_period, self._sure_until]
        if now < self._quiet_until:
            moments.append(self._quiet_until)
        try:
            async with asyncio.timeout(max(0.0, min(moments) - now)):
                await self._alarm.wait()
                self._alarm.clear()
        except TimeoutError:
            pass

    async def _renew(self) -> None:
        """One try for all Leases; what fails is tried again until the deadline."""
        left = self._sure_until - self.fence.clock()
        if left <= 0:
            raise LeaseLost(self._too_late())
        try:
            async with asyncio.timeout(min(left, self.times.renew_deadline / 2)):
                for seat in self.seats:
                    await seat.renew()
        except LeaseLost:
            raise
        except (KubeError, TimeoutError) as error:
            self._trouble = str(error) or "no answer in time"
            structlog.get_logger().error("failed to renew the Leases", error=self._trouble)
        else:
            self._trouble = ""
        if self.fence.clock() >= self._sure_until:
            raise LeaseLost(self._too_late())

    def _too_late(self) -> str:
        names = ", ".join(seat.name for seat in self.seats)
        why = f": {self._trouble}" if self._trouble else "; the process was paused, or too busy"
        return f"the Lease {names} could not be renewed within {self.times.renew_deadline:g}s{why}"

    def _wait_for(self, what: str) -> None:
        if what != self.waits_for:
            self.waits_for = what
            structlog.get_logger().info(f"standing by: waiting for {what}")

    async def _give_back(self, seats: Sequence[LeaseSeat]) -> None:
        for seat in seats:
            if seat.is_mine:
                await seat.release()
