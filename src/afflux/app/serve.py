"""`afflux run`: the controllers alone, against the cluster of a kubeconfig."""

import asyncio
from datetime import UTC, datetime

from afflux.api.kinds import KINDS
from afflux.app.assemble import assemble
from afflux.app.beside_flux import FluxIsRunning, refuse_beside_flux
from afflux.app.data_directory import DataDirectory, DataDirectoryError
from afflux.app.install import InstallFailed, install_crds
from afflux.app.settings import Settings
from afflux.kube.client import KubeClient
from afflux.kube.config import load_config
from afflux.kube.errors import KubeError


class ServeFailed(Exception):
    """The controllers could not start; the message says why and what to do."""


async def serve_until(stop: asyncio.Event, settings: Settings) -> None:
    """Runs the controllers until ``stop`` is set. Raises ``ServeFailed``."""
    try:
        with DataDirectory(settings.data_dir):
            client = KubeClient.connect(load_config(settings.kubeconfig, settings.context))
            try:
                await refuse_beside_flux(client, settings.controllers, settings.namespace, datetime.now(UTC))
                await install_crds(client, KINDS)
                async with assemble(settings, client) as assembly:
                    await until_stopped(stop, asyncio.create_task(assembly.run()))
            finally:
                await client.close()
    except (DataDirectoryError, FluxIsRunning, InstallFailed, KubeError, OSError, ValueError) as error:
        raise ServeFailed(str(error)) from error


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
