"""A whole control plane: store, controllers and server, started and stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final

import structlog
from aiohttp import web

from afflux.controlplane.access import AccessFactory
from afflux.controlplane.authentication import Authenticator
from afflux.controlplane.authorization import Authorizer
from afflux.controlplane.builtin_kinds import builtin_served_kinds
from afflux.controlplane.cluster_content import SYSTEM_NAMESPACES
from afflux.controlplane.crds import CrdController
from afflux.controlplane.event_expiry import EventExpiry
from afflux.controlplane.fan_out import FanOut
from afflux.controlplane.fixed_paths import FixedPaths
from afflux.controlplane.garbage import GarbageCollector
from afflux.controlplane.kind_registry import KindRegistry
from afflux.controlplane.kubeconfig import kubeconfig, write_private
from afflux.controlplane.local_access import ClientsFirst, LocalAccess, give_way
from afflux.controlplane.namespaces import NamespaceController
from afflux.controlplane.persistence import SqliteJournal, StateError, locked
from afflux.controlplane.served_kind import StorageKey
from afflux.controlplane.server import BODY_BYTES, ApiHandler, Committed
from afflux.controlplane.simulation import EVERYTHING, PROTECTION_ONLY, Simulation
from afflux.controlplane.store import Store
from afflux.controlplane.structural.rulings import RuleCourt
from afflux.controlplane.verbs.dispatch import Dispatcher
from afflux.controlplane.verbs.logs import PodLogs
from afflux.controlplane.writer import Writer
from afflux.net.tls import Authority
from afflux.objects.manifest import Json
from afflux.schema.openapi import builtin_schemas

_log = structlog.get_logger(__name__)

MINOR: Final = "1.36"
"""The Kubernetes minor that is served."""

_API_SERVER: Final = "kube-apiserver"
_CONTROLLERS: Final = "kube-controller-manager"
_STOP_SECONDS: Final = 1.0
_FURNISH_SECONDS: Final = 10.0
_CONFIG_MAPS: Final = StorageKey("", "configmaps")


@dataclass(frozen=True, slots=True)
class Settings:
    """How a plane runs. ``port`` 0 means any free one, the same as before where there is a data directory.

    ``pod_logs`` maps ``namespace/name`` of a Pod or Deployment to a file. ``simulation_delay`` is in seconds; None
    leaves workloads alone. ``patience`` is how many seconds a connection may be idle, or take over the head or the body
    of a request.
    """

    host: str = "127.0.0.1"
    port: int = 0
    pod_logs: Mapping[str, Path] = field(default_factory=dict)
    enforce_rbac: bool = False
    simulation_delay: float | None = 0.0
    patience: float = 120.0


class ControlPlane:
    """A Kubernetes API in this process. State is in ``data_dir``, or in memory only where that is None.

    Use it as an asynchronous context, or call ``start`` and ``stop``. ``kubeconfig`` is valid while it runs.
    """

    def __init__(self, data_dir: Path | None = None, settings: Settings | None = None) -> None:
        self._data_dir = data_dir
        self._settings = settings or Settings()
        self._stack = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self.journal: SqliteJournal | None = None
        self.kubeconfig = ""
        self.address = ""

    async def __aenter__(self) -> ControlPlane:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> str:
        """Start everything; the kubeconfig comes back when the API answers. Raises StateError."""
        try:
            return await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self) -> None:
        """End streams and controllers, write what is left, and close."""
        await self._stack.aclose()

    async def _start(self) -> str:
        journal = self.journal = self._open_journal()
        store = self._loaded(journal)
        registry = KindRegistry(builtin_served_kinds(MINOR))
        writer = Writer(store, registry)
        authority, token = self._credentials()
        fan_out, court = FanOut(store), RuleCourt()
        self._stack.callback(court.close)
        registry.on_removal(fan_out.close_kind)
        handler = ApiHandler(
            dispatcher=Dispatcher(
                writer, Authenticator(token), Authorizer(store, enforced=self._settings.enforce_rbac)
            ),
            fan_out=fan_out,
            fixed=FixedPaths(registry, builtin_schemas(MINOR)),
            pod_logs=PodLogs(self._settings.pod_logs),
            court=court,
            committed=_committing(journal),
            host=self._settings.host,
            patience=self._settings.patience,
        )
        access = partial(LocalAccess, writer, court=court, clients_first=_clients_first(journal))
        await self._start_controllers(writer, authority, access)
        await _furnished(store)
        port = await self._listen(handler, authority)
        self._stack.callback(fan_out.close)
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        self.address = f"https://{host}:{port}"
        self.kubeconfig = kubeconfig(self.address, authority.ca_pem, token)
        return self.kubeconfig

    def _open_journal(self) -> SqliteJournal | None:
        if self._data_dir is None:
            return None
        self._stack.enter_context(locked(self._data_dir))
        return SqliteJournal(self._data_dir / "state.db")

    def _loaded(self, journal: SqliteJournal | None) -> Store:
        if journal is None:
            return Store()
        loaded = journal.load()
        store = Store(journal, loaded.version)
        for stored in loaded.objects:
            store.load(stored)
        journal.start()
        self._stack.callback(lambda: journal.close(store.version))
        return store

    def _credentials(self) -> tuple[Authority, str]:
        if self._data_dir is None:
            return Authority.create(), secrets.token_urlsafe(32)
        token_file = self._data_dir / "token"
        if not token_file.exists():
            write_private(token_file, secrets.token_urlsafe(32))
        return Authority.load_or_create(self._data_dir / "tls"), token_file.read_text().strip()

    async def _start_controllers(self, writer: Writer, authority: Authority, access_of: AccessFactory) -> None:
        access, api_server = access_of(_CONTROLLERS), access_of(_API_SERVER)
        self._stack.push_async_callback(self._end_tasks)
        store, registry = writer.store, writer.registry
        self._run(CrdController(store, api_server, registry).run())
        root_ca = authority.ca_pem.decode()
        self._run(NamespaceController(store, access, registry, api_server=api_server, root_ca=root_ca).run())
        self._run(GarbageCollector(store, access, registry).run())
        self._run(EventExpiry(store, access).run())
        delay = self._settings.simulation_delay
        parts = PROTECTION_ONLY if delay is None else EVERYTHING
        self._run(Simulation(access_of, delay or 0.0, parts=parts).run())

    def _run(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                _log.error("controller failed", error=repr(result))

    async def _listen(self, handler: ApiHandler, authority: Authority) -> int:
        server = web.Server(
            handler,
            request_factory=_request,
            handler_cancellation=True,
            access_log=None,
            # Counts from the last answer, whatever came since: a head that never ends is over then, too.
            keepalive_timeout=self._settings.patience,
        )
        runner = web.ServerRunner(server, shutdown_timeout=_STOP_SECONDS)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        bound = self._bind()
        context = authority.server_context([self._settings.host, "localhost", "127.0.0.1", "kubernetes.default.svc"])
        site = web.SockSite(runner, bound, ssl_context=context, backlog=1024)
        await site.start()
        port: int = bound.getsockname()[1]
        if self._data_dir is not None:
            (self._data_dir / "port").write_text(str(port))
        return port

    def _bind(self) -> socket.socket:
        wanted = [self._settings.port]
        if self._data_dir is not None and not self._settings.port and (self._data_dir / "port").exists():
            before = (self._data_dir / "port").read_text().strip()
            wanted = [int(before), 0] if before.isdigit() else wanted
        family = socket.AF_INET6 if ":" in self._settings.host else socket.AF_INET
        for port in wanted:
            bound = socket.socket(family, socket.SOCK_STREAM)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                bound.bind((self._settings.host, port))
            except OSError as error:
                bound.close()
                problem = error
            else:
                bound.setblocking(False)
                return bound
        raise StateError(f"can't listen on {self._settings.host}:{wanted[-1]}: {problem.strerror}")


async def _furnished(store: Store) -> None:
    """Wait until the system namespaces have what every namespace has: clients count on it from the start."""
    bell = asyncio.Event()
    end = store.observe(lambda event: bell.set())
    try:
        async with asyncio.timeout(_FURNISH_SECONDS):
            while any(store.get(_CONFIG_MAPS, name, "kube-root-ca.crt") is None for name in SYSTEM_NAMESPACES):
                bell.clear()
                await bell.wait()
    except TimeoutError:
        raise StateError("the system namespaces could not be made; the log says why") from None
    finally:
        end()


def _request(*parts: Json) -> web.BaseRequest:
    """A request whose body may be as large as the API allows."""
    message, payload, protocol, writer, task = parts
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_BYTES)


def _clients_first(journal: SqliteJournal | None) -> ClientsFirst:
    """What controllers do before they write."""
    if journal is None:
        return give_way

    async def stand_back() -> None:
        await give_way()
        await journal.stand_back()

    return stand_back


def _committing(journal: SqliteJournal | None) -> Committed:
    if journal is not None:
        return journal.committed

    async def at_once() -> None:
        """Memory is as durable as it gets."""

    return at_once
