"""A leader's term, as the parts of a process see it: when it begins, whether it lasts, what may be served in it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from afflux.app.reconcilers import RECONCILERS
from afflux.artifacts.confirmations import Confirmations
from afflux.runtime.controller import GRACE
from afflux.runtime.leader import Leader


@dataclass(frozen=True, slots=True)
class Term:
    """The term of one candidate. ``first`` is done as soon as it leads, before the controllers begin."""

    leader: Leader
    confirmations: Confirmations
    first: Callable[[], Awaitable[None]]

    @property
    def lasts(self) -> bool:
        """Whether we surely lead now."""
        return self.leader.fence.open

    async def begin(self) -> None:
        """Returns when the controllers may begin."""
        await self.leader.elected.wait()
        await self.first()
        self.confirmations.begin()

    def obstacle(self) -> str:
        """What keeps this process from being ready; empty where nothing does."""
        return "" if self.lasts else self.leader.waits_for

    def withheld(self, path: str) -> str | None:
        """Why an artifact (or, without a path, anything at all) isn't served."""
        if not self.lasts:
            return "not the leader"
        if path and not self.confirmations.is_confirmed(path):
            return "not fetched anew yet by this leader"
        return None

    def grace(self) -> float:
        """Seconds that running reconciles get to end: none where nothing of theirs could be written any more."""
        return GRACE if self.lasts else 0.0


def confirmations_for(controllers: tuple[str, ...]) -> Confirmations:
    """Those of the sources that these controllers look after."""
    kinds = [kind.lower() for kind, (name, _) in RECONCILERS.items() if name == "source" and name in controllers]
    return Confirmations(frozenset(kinds))
