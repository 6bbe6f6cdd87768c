"""How long what is known to be clean is trusted: until somebody asks, and an hour at most."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from afflux.apply.fingerprint import Fingerprints
from afflux.apply.live_changes import LiveChanges
from afflux.objects.identity import ObjectRef
from afflux.runtime.ends import Cause

_TRUSTED = timedelta(hours=1)
_JITTER = 0.2
_SWEPT = frozenset({Cause.REQUEST, Cause.START})


@dataclass
class _Trust:
    clean: Fingerprints
    until: datetime


@dataclass
class Sweeps:
    """The clean objects of each Kustomization. A full sweep of dry runs is due hourly, not for all at the same time."""

    changes: LiveChanges
    _trusted: dict[ObjectRef, _Trust] = field(default_factory=dict)

    def clean_objects(self, key: ObjectRef, causes: frozenset[Cause], now: datetime) -> Fingerprints:
        """What needs no dry run; nothing at all where a sweep is due, somebody asked for one, or the object is new to
        us: also when it was restored from a backup, where versions that we know are given to other states."""
        trust = self._trusted.get(key)
        if trust is None or now >= trust.until or causes & _SWEPT:
            trust = _Trust(Fingerprints(self.changes), now + _TRUSTED * random.uniform(1 - _JITTER, 1 + _JITTER))
            self._trusted[key] = trust
        return trust.clean

    def forget(self, key: ObjectRef) -> None:
        """A Kustomization that is gone."""
        self._trusted.pop(key, None)
