"""`afflux run`: the controllers alone, against the cluster of a kubeconfig."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from afflux.api.kinds import KINDS
from afflux.app.assemble import assemble
from afflux.app.beside_flux import FluxIsRunning, refusal, refuse_beside_flux
from afflux.app.data_directory import DataDirectory, DataDirectoryError
from afflux.app.install import InstallFailed, install_crds
from afflux.app.last_resort import last_resort
from afflux.app.settings import Settings, environment
from afflux.app.term import Term, confirmations_for
from afflux.kube.client import KubeClient, Target
from afflux.kube.config import ClusterConfig, load_config
from afflux.kube.errors import KubeError
from afflux.kube.fence import Fence, LeaseLost
from afflux.runtime.leader import ForeignLeader, Leader
from afflux.runtime.lease import LEASE, LeaseTimes, our_holder
from afflux.runtime.lease_seat import LeaseSeat


class ServeFailed(Exception):
    """The controllers could not start, or had to stop; the message says why and what to do."""


async def serve_until(stop: asyncio.Event, settings: Settings) -> None:
    """Runs the controllers until ``stop`` is set. Raises ``ServeFailed``."""
    try:
        with DataDirectory(settings.data_dir) as data:
            config = load_config(settings.kubeconfig, settings.context, environment())
            if settings.election is None:
                await _serve_alone(stop, settings, config)
            else:
                await _serve_when_elected(stop, settings, config, data.identity())
    except LeaseLost as error:
        raise ServeFailed(f"no longer the leader: {error}; nothing was written since") from error
    except ForeignLeader as error:
        raise ServeFailed(str(refusal(error.holders, settings.namespace))) from error
    except (DataDirectoryError, FluxIsRunning, InstallFailed, KubeError, OSError, ValueError) as error:
        raise ServeFailed(str(error)) from error


async def _serve_alone(stop: asyncio.Event, settings: Settings, config: ClusterConfig) -> None:
    async with _connected(config) as client:
        if not settings.take_over:
            await refuse_beside_flux(client, _names(settings), settings.namespace)
        await install_crds(client, KINDS)
        async with assemble(settings, client) as assembly:
            await until_stopped(stop, asyncio.create_task(assembly.run()))


async def _serve_when_elected(stop: asyncio.Event, settings: Settings, config: ClusterConfig, unique: str) -> None:
    """The Leases have connections of their own, so that nothing else holds up their renewal."""
    times = settings.election or LeaseTimes()
    fence = Fence(on_the_way=(times.duration - times.renew_deadline) / 2)
    async with _connected(config) as for_leases, _connected(config, fence) as client:
        if not settings.take_over:
            await refuse_beside_flux(client, _names(settings), settings.namespace)
        leader = _candidate(settings, for_leases, fence, unique)

        async def first() -> None:
            await install_crds(client, KINDS)

        term = Term(leader, confirmations_for(settings.controllers), first)
        with last_resort(fence):
            async with assemble(settings, client, term) as assembly:
                await _until_over(stop, asyncio.create_task(assembly.run()), asyncio.create_task(leader.run()))
                fence.disarm("this process is stopping")
                if settings.release_on_cancel:
                    await leader.resign()


def _candidate(settings: Settings, client: KubeClient, fence: Fence, unique: str) -> Leader:
    times = settings.election or LeaseTimes()
    holder = our_holder(socket.gethostname(), unique)
    seats = [
        LeaseSeat(
            client, Target(LEASE, settings.namespace, f"{name}-leader-election"), holder, times.duration, fence.clock
        )
        for name in sorted(set(_names(settings)))
    ]
    return Leader(seats=seats, fence=fence, times=times, take_over=settings.take_over)


def _names(settings: Settings) -> list[str]:
    return [f"{name}-controller" for name in settings.controllers]


@asynccontextmanager
async def _connected(config: ClusterConfig, fence: Fence | None = None) -> AsyncIterator[KubeClient]:
    client = KubeClient.connect(config, fence)
    try:
        yield client
    finally:
        await client.close()


async def _until_over(stop: asyncio.Event, work: "asyncio.Task[None]", election: "asyncio.Task[None]") -> None:
    """Waits for the wish to stop or the end of one of the two. The Leases are renewed until the work has ended."""
    wish = asyncio.create_task(stop.wait())
    await asyncio.wait([wish, work, election], return_when=asyncio.FIRST_COMPLETED)
    ended = [task for task in (election, work) if task.done()]
    for task in (wish, work, election):
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    for task in ended:
        task.result()


async def until_stopped(stop: asyncio.Event, *parts: "asyncio.Task[None]") -> None:
    """Waits for the wish to stop, or for the first part that ends by itself, and ends all; raises what it raised."""
    wish = asyncio.create_task(stop.wait())
    await asyncio.wait([wish, *parts], return_when=asyncio.FIRST_COMPLETED)
    ended = [part for part in parts if part.done()]
    for task in (wish, *parts):
        task.cancel()
    await asyncio.gather(wish, *parts, return_exceptions=True)
    for part in ended:
        part.result()
