"""Waking objects from anywhere in the process: a push, a bell, a webhook."""

from collections.abc import Callable
from dataclasses import dataclass, field

from afflux.objects.identity import ObjectRef
from afflux.runtime.ends import Cause


@dataclass(slots=True)
class Triggers:
    """Who can wake whom. Used on the event loop's thread; from others through ``loop.call_soon_threadsafe``."""

    _wakers: dict[str, Callable[[ObjectRef, Cause], None]] = field(default_factory=dict)

    def register(self, kind: str, waker: Callable[[ObjectRef, Cause], None]) -> None:
        """The queue that serves a kind."""
        self._wakers[kind] = waker

    def wake(self, kind: str, key: ObjectRef, cause: Cause) -> None:
        """Reconcile ``key`` now: one that waits is run at once, one that is running is run again afterwards.

        A kind that no controller of this process serves is somebody else's: nothing happens.
        """
        waker = self._wakers.get(kind)
        if waker is not None:
            waker(key, cause)
