"""Which artifacts this process has seen to be current since it leads.

What an earlier leader left on the disk or in status may be older than what it served last, so nothing of it is handed
out before its source was looked at anew.
"""

import time
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field

from afflux.api.meta import Artifact

PATIENCE = 30.0
"""Seconds after which it is worth telling that a source has not been looked at yet."""


@dataclass(slots=True)
class Confirmations:
    """Used on one event loop. ``kinds`` are the sources (in lower case) that this process looks after: artifacts of
    others are theirs to vouch for.
    """

    kinds: Collection[str]
    clock: Callable[[], float] = time.monotonic
    _began: float | None = field(default=None, init=False)
    _confirmed: set[str] = field(default_factory=set, init=False)
    _bells: dict[str, dict[Hashable, Callable[[], None]]] = field(default_factory=dict, init=False)

    def begin(self) -> None:
        """The controllers begin to work."""
        self._began = self.clock()

    @property
    def is_early(self) -> bool:
        """Whether sources may well be confirmed in a moment."""
        return self._began is not None and self.clock() - self._began < PATIENCE

    def confirm(self, artifact: Artifact) -> None:
        """The artifact was made of, or is still that of, the revision that its source has now."""
        self._confirmed.add(artifact.path)
        for bell in self._bells.pop(_place(artifact.path), {}).values():
            bell()

    def is_confirmed(self, path: str) -> bool:
        """Whether an artifact (by its path) may be handed out."""
        return path in self._confirmed or path.partition("/")[0] not in self.kinds

    def ring(self, artifact: Artifact, waiter: Hashable, bell: Callable[[], None]) -> None:
        """Call ``bell`` once when something of the artifact's source is confirmed; the last one of each waiter."""
        self._bells.setdefault(_place(artifact.path), {})[waiter] = bell

    def forget(self, directory: str) -> None:
        """The source is gone."""
        self._confirmed = {path for path in self._confirmed if _place(path) != directory}
        self._bells.pop(directory, None)


def _place(path: str) -> str:
    return path.rpartition("/")[0]
