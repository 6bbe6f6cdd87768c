"""Whether an API server is there, for those who could only fail while it isn't."""

import asyncio
import random
import time
from dataclasses import dataclass, field

from afflux.kube.errors import ApiError, KubeError, is_away
from afflux.kube.transport import Request, Transport

LONGEST_WAIT = 30.0
"""Seconds after which those who wait go on until the next failure: a server may work that never says it is ready."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
_PATIENCE = 5.0


@dataclass(slots=True)
class Presence:
    """One server's. It is taken to be there until a request of somebody who says so got no answer of its own."""

    transport: Transport
    _return: asyncio.Task[None] | None = field(default=None, init=False)

    def missed(self, error: KubeError) -> None:
        """A request failed; if it failed for want of a server, that is looked for from now on until it is ready."""
        if is_away(error) and self._return is None:
            self._return = asyncio.create_task(self._until_ready())
            self._return.add_done_callback(self._returned)

    async def until_back(self) -> None:
        """Return when the server is ready, at once where nobody has missed it."""
        if self._return is not None:
            await asyncio.wait([self._return])

    async def close(self) -> None:
        """Look for the server no more."""
        if self._return is not None:
            self._return.cancel()
            await asyncio.gather(self._return, return_exceptions=True)

    def _returned(self, _: "asyncio.Task[None]") -> None:
        self._return = None

    async def _until_ready(self) -> None:
        pause, patience = _FIRST_PAUSE, time.monotonic() + LONGEST_WAIT
        while not await self._is_ready() and time.monotonic() < patience:
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))
            pause = min(_LONGEST_PAUSE, pause * 1.5)

    async def _is_ready(self) -> bool:
        """By the server's own word, which covers its storage; one that won't tell us is there."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self.transport.send(Request("GET", "/readyz", accept="*/*"))
        except ApiError as error:
            return not is_away(error)
        except (KubeError, TimeoutError):
            return False
        return True
