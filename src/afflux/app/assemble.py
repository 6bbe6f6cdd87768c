"""One process's controllers and what they share, wired together."""

import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from afflux import __version__, offload
from afflux.api.kinds import GIT_REPOSITORY
from afflux.app.reconcilers import RECONCILERS, Parts
from afflux.app.settings import Settings
from afflux.app.term import Term
from afflux.artifacts.server import ArtifactServer
from afflux.artifacts.store import ArtifactStore, Retention
from afflux.artifacts.unpacked import UnpackedArtifacts
from afflux.kube.client import KubeClient
from afflux.net.http import HttpSession
from afflux.objects.identity import ref_of
from afflux.remotes.git.mirror import Mirrors
from afflux.runtime.controller import Settings as ControllerSettings
from afflux.runtime.ends import Cause
from afflux.runtime.logging import Sink, configure, file_sink, stderr_sink
from afflux.runtime.manager import Manager
from afflux.runtime.triggers import Triggers

_WORKERS_IMPORT = ("afflux.render.kustomization", "afflux.offload.worker")


@dataclass(frozen=True)
class Assembly:
    """A process ready to run: ``run()`` works until cancelled."""

    client: KubeClient
    manager: Manager
    triggers: Triggers
    http: HttpSession
    mirrors: Mirrors

    async def run(self) -> None:
        """Runs all controllers until cancelled; then they get their grace."""
        await self.manager.run()

    async def wake_sources(self, url: str) -> None:
        """A repository has something new: whoever follows it looks now."""
        for manifest in (await self.client.list(GIT_REPOSITORY.gvk)).items:
            if (manifest.get("spec") or {}).get("url") == url:
                self.triggers.wake(GIT_REPOSITORY.kind, ref_of(manifest), Cause.SOURCE)


@asynccontextmanager
async def assemble(settings: Settings, client: KubeClient, term: Term | None = None) -> AsyncIterator[Assembly]:
    """Everything that the controllers of ``settings.controllers`` need, open for the block.

    With a term they begin when it does, and until then nothing but the endpoints is served.
    """
    configure(settings.log_level, _sinks(settings))
    host, port = split_address(settings.storage_address)
    server_hosts = frozenset({settings.advertised_address}) if settings.advertised_address else frozenset[str]()
    retention = Retention(settings.artifact_retention_ttl, settings.artifact_retention_records)
    store = ArtifactStore(settings.data_dir / "artifacts", settings.advertised_address or "", retention)
    server = ArtifactServer(store, host, port, server_hosts)
    if term is not None:
        server.withheld = term.withheld
    await server.start()
    try:
        store.address = _advertised(settings, host, server.port)
        async with HttpSession(f"afflux/{__version__}") as http, offload.WorkerPool(preload=_WORKERS_IMPORT):
            yield _assembly(settings, client, store, http, term)
    finally:
        await server.stop()


def _assembly(
    settings: Settings, client: KubeClient, store: ArtifactStore, http: HttpSession, term: Term | None
) -> Assembly:
    triggers = Triggers()
    confirmations = term.confirmations if term is not None else None
    parts = Parts(
        settings=settings,
        client=client,
        store=store,
        unpacked=UnpackedArtifacts(settings.data_dir / "unpacked", store, http, confirmations=confirmations),
        http=http,
        mirrors=Mirrors(settings.data_dir / "mirrors"),
        triggers=triggers,
        confirmations=confirmations,
    )
    controller_settings = ControllerSettings(jitter=settings.interval_jitter_percentage / 100)
    manager = Manager(
        controllers=[make(parts) for controller, make in RECONCILERS.values() if controller in settings.controllers],
        triggers=triggers,
        metrics=parts.metrics,
        settings=controller_settings,
        metrics_address=settings.metrics_address,
        health_address=settings.health_address,
    )
    _count_requests(client, manager)
    if term is not None:
        manager.prepare, manager.obstacle, controller_settings.grace = term.begin, term.obstacle, term.grace
    return Assembly(client, manager, triggers, http, parts.mirrors)


def _count_requests(client: KubeClient, manager: Manager) -> None:
    host = urlsplit(client.transport.config.server).netloc
    count = manager.metrics.count_api_request
    client.transport.observer = lambda request, code: count(request.verb, request.method, host, code)


def _sinks(settings: Settings) -> tuple[Sink, ...]:
    files = [file_sink(path, controller) for controller, path in settings.log_files.items()]
    return (stderr_sink("console" if settings.log_encoding == "console" else "json"), *files)


def split_address(address: str) -> tuple[str, int]:
    """``host:port`` as Go writes it: an empty host means every interface. Raises ``ValueError``."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f"{address!r} is not host:port")
    return host.strip("[]") or "0.0.0.0", int(port)


def _advertised(settings: Settings, host: str, port: int) -> str:
    """The address that artifacts' URLs name: as told, else where the server listens."""
    if settings.advertised_address:
        address = settings.advertised_address
        return address if "://" in address else f"http://{address}"
    if host == "0.0.0.0":
        return f"http://localhost:{port}"
    is_ipv6 = ":" in host and ipaddress.ip_address(host).version == 6
    return f"http://[{host}]:{port}" if is_ipv6 else f"http://{host}:{port}"
