"""A commit that touches nothing of a Kustomization moves its status alone: when, and for how long that may go on."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from afflux.api.kustomization import Kustomization

_SOONEST, _LATEST = 5.0, 25.0
"""Seconds after a commit; spread, so that a thousand Kustomizations aren't written at the same time."""


@dataclass
class StatusMoves:
    """Since the last whole attempt of one Kustomization, made at ``checked``."""

    checked: datetime
    _due: datetime | None = field(default=None, init=False)

    def may_only_move(self, kustomization: Kustomization, now: datetime) -> bool:
        """Whether the last attempt stands: all was well, of this spec, and the interval's check isn't due."""
        status = kustomization.status
        observed = status.observed_generation == kustomization.metadata.generation
        ready = any(one.type == "Ready" and one.status == "True" for one in status.conditions)
        return observed and ready and self.until_checked(kustomization, now) > 0

    def until_checked(self, kustomization: Kustomization, now: datetime) -> float:
        """Seconds until the objects are to be looked at again, whatever is committed."""
        return max(0.0, kustomization.spec.interval_seconds - (now - self.checked).total_seconds())

    def postponed_for(self, now: datetime) -> float:
        """Seconds until the status is written; 0 when it is due. Commits that come meanwhile don't put it off."""
        if self._due is None:
            self._due = now + timedelta(seconds=random.uniform(_SOONEST, _LATEST))
        left = (self._due - now).total_seconds()
        if left <= 0:
            self._due = None
        return max(0.0, left)
