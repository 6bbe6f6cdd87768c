"""The fence: nothing is written once our Lease isn't surely ours any more.

A Lease tells who may write, but not who does: a process that was paused, or whose clock stood still, may wake up with a
request in its hands long after somebody else has taken over. So each writing request is held against a clock of this
machine, one that goes on while the process is stopped, at the moment its bytes are handed over.
"""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from afflux.kube.errors import KubeError

_SERVER_SHARE = 0.8
"""Of the time that the Lease still lasts, the part in which a request must arrive and be done."""

_LONGEST = 30.0
"""Seconds; a server refuses to be asked for more than it grants anyway (60 by default)."""


class LeaseLost(KubeError):
    """We may not write: the Lease isn't surely ours. The message says why."""


class PermitOutdated(KubeError):
    """The request waited for so long that the time it grants the server would outlast the Lease; it was not sent."""


def _clock() -> Callable[[], float]:
    """Seconds that also pass while the process, or the whole machine, sleeps."""
    number = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC if sys.platform == "darwin" else None)
    if number is None:
        return time.monotonic
    return lambda: time.clock_gettime(number)


waking_and_sleeping = _clock()


@dataclass(slots=True)
class Fence:
    """Closed until ``extend``; open from then on until ``sure_until``, a moment of ``clock``; closed for good by
    ``close``. May be read from any thread.
    """

    clock: Callable[[], float] = waking_and_sleeping
    on_the_way: float = 2.5
    """Seconds that a request's bytes may be on their way once they left; less than 0.8 of ``ends - sure_until``."""
    sure_until: float = -math.inf
    """When we stop writing."""
    ends: float = -math.inf
    """When somebody else may begin to."""
    reason: str = "this process is not the leader"
    on_refusal: Callable[[], None] = lambda: None
    """Called on the event loop when a request was refused."""
    unanswered: float = -math.inf
    """When a request that was sent last ended without an answer: the server may still be at it."""
    armed: bool = field(default=False, init=False)
    """Whether the process must end when it is closed: from when it first opened until ``disarm``."""
    _closed: bool = field(default=False, init=False)

    def extend(self, sure_until: float, ends: float) -> None:
        """The Lease was taken or renewed. What is closed for good stays closed."""
        if not self._closed:
            self.sure_until, self.ends, self.armed = sure_until, ends, True
            self.reason = "the Lease could not be renewed in time"

    def close(self, reason: str) -> None:
        """Nothing is written from now on. The first reason stays."""
        if not self._closed:
            self._closed, self.reason = True, reason
            self.sure_until = -math.inf

    def disarm(self, reason: str) -> None:
        """The process is ending in order: closed for good, and nobody need see to it."""
        self.armed = False
        self.close(reason)

    @property
    def open(self) -> bool:
        """Whether we may write now."""
        return self.clock() < self.sure_until

    def permit(self) -> float:
        """Seconds that the server may take over a request, so that it is done before the Lease ends.

        Raises ``LeaseLost``.
        """
        now = self.clock()
        if now >= self.sure_until:
            self._refuse()
        return min(_LONGEST, (self.ends - now) * _SERVER_SHARE - self.on_the_way)

    def check(self, permit: float) -> None:
        """To be called as the bytes are handed over. Raises ``LeaseLost`` or ``PermitOutdated``: they must not be."""
        now = self.clock()
        if now >= self.sure_until:
            self._refuse()
        if now + self.on_the_way + permit > self.ends:
            raise PermitOutdated("the request waited too long for its connection")

    def _refuse(self) -> None:
        self.on_refusal()
        raise LeaseLost(f"not written: {self.reason}")
