"""All controllers of one process: their informers, workers, and the endpoints that say how they are."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from afflux.objects.manifest import Json
from afflux.runtime.controller import Controller, Settings
from afflux.runtime.endpoints import serve_health, serve_metrics
from afflux.runtime.informers import Informers
from afflux.runtime.metrics import Metrics
from afflux.runtime.triggers import Triggers


async def _nothing() -> None:
    pass


@dataclass(slots=True, kw_only=True)
class Manager:
    """Runs controllers. Addresses are ``host:port`` (port 0: any free one), None: not served.

    ``prepare`` is awaited before they begin, with the endpoints there already; ``obstacle`` names what it waits for.
    """

    controllers: Sequence[Controller[Json]]
    triggers: Triggers = field(default_factory=Triggers)
    settings: Settings = field(default_factory=Settings)
    metrics: Metrics = field(default_factory=Metrics.create)
    metrics_address: str | None = None
    health_address: str | None = None
    prepare: Callable[[], Awaitable[None]] = _nothing
    obstacle: Callable[[], str] = lambda: ""
    bound: dict[str, str] = field(default_factory=dict, init=False)
    """The addresses that ``metrics`` and ``health`` are served on, once they are."""
    started: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _informers: Informers = field(default_factory=Informers, init=False)

    @property
    def ready(self) -> bool:
        """Whether every controller is at work and knows all of its objects."""
        return self.started.is_set() and not self._informers.unsynced

    async def until_ready(self) -> None:
        """Return when ``ready`` has come true."""
        await self.started.wait()
        await self._informers.synced()

    async def run(self) -> None:
        """Work until cancelled; then nothing new is begun, and running reconciles get their grace."""
        async with AsyncExitStack() as stack:
            await self._serve(stack)
            await self.prepare()
            running = [
                controller.start(self._informers, self.triggers, self.metrics, self.settings)
                for controller in self.controllers
            ]
            self.started.set()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._informers.run())
                for controller in running:
                    tasks.create_task(controller.run())

    async def _serve(self, stack: AsyncExitStack) -> None:
        if self.metrics_address is not None:
            self.bound["metrics"] = await stack.enter_async_context(serve_metrics(self.metrics_address, self.metrics))
        if self.health_address is not None:
            self.bound["health"] = await stack.enter_async_context(serve_health(self.health_address, self._waits_for))

    def _waits_for(self) -> list[str]:
        if obstacle := self.obstacle():
            return [obstacle]
        return self._informers.unsynced if self.started.is_set() else ["controllers"]
