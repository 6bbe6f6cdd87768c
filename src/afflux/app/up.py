"""`afflux up`: a whole GitOps repository on an embedded cluster, in one foreground process and its children."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from afflux.api.kinds import KINDS
from afflux.app.assemble import Assembly, assemble
from afflux.app.cluster_process import ClusterFailed, ClusterProcess
from afflux.app.data_directory import DataDirectory, DataDirectoryError, default_data_directory, log_files
from afflux.app.git_server import GitServer
from afflux.app.install import FIELD_MANAGER, InstallFailed, install_crds
from afflux.app.remote_source import RemoteSource, RemoteSourceError, folders_below, split_credentials
from afflux.app.root_objects import NAMESPACE, Root, namespace, root_objects, stand_in
from afflux.app.serve import until_stopped
from afflux.app.settings import CONTROLLERS, Settings, environment
from afflux.app.source_repository import Source, SourceError, list_folders, prepare_source
from afflux.kube.client import KubeClient
from afflux.kube.config import load_config
from afflux.kube.errors import KubeError
from afflux.net.tls import write_private
from afflux.objects.manifest import Manifest

_REPOSITORY = "repository.git"


class UpFailed(Exception):
    """`up` could not start, or a part of it ended; the message says why and what to do."""


@dataclass(frozen=True)
class UpOptions:
    """What people asked for."""

    source: str | None = None
    branch: str | None = None
    path: str | None = None
    data_dir: Path | None = None
    log_level: str = "info"


@dataclass(frozen=True, repr=False)
class UpReady:
    """What people need to know once everything runs. ``clone_url`` has the token in it; None for a URL."""

    kubeconfig: Path
    clone_url: str | None
    token: str
    url: str
    branch: str
    path: str
    data_dir: Path


async def up_until(stop: asyncio.Event, options: UpOptions, ready: Callable[[UpReady], None]) -> None:
    """Runs `up` until ``stop`` is set; calls ``ready`` once. Raises ``UpFailed``."""
    try:
        async with AsyncExitStack() as stack:
            await _run(stop, options, ready, stack)
    except (DataDirectoryError, SourceError, RemoteSourceError, ClusterFailed, InstallFailed, KubeError) as error:
        raise UpFailed(str(error)) from error


async def _run(
    stop: asyncio.Event, options: UpOptions, ready: Callable[[UpReady], None], stack: AsyncExitStack
) -> None:
    data = stack.enter_context(DataDirectory(options.data_dir or default_data_directory(options.source, environment())))
    source = await prepare_source(options.source, options.branch, data.folder("git") / _REPOSITORY)
    for warning in source.warnings:
        click.secho(f"warning: {warning}", fg="yellow", err=True)
    token = _token(data.path / "token")
    cluster = await stack.enter_async_context(_cluster(data))
    settings = _settings(data, cluster.kubeconfig, options)
    client = KubeClient.connect(load_config(cluster.kubeconfig))
    stack.push_async_callback(client.close)
    await install_crds(client, KINDS)
    assembly = await stack.enter_async_context(assemble(settings, client))
    url, clone_url = await _serve_repository(source, token, data, assembly, stack)
    path = _relative(options.path or await _default_path(source, assembly))
    await _create(client, Root(url.url, source.branch, path, url.username, url.password))
    running = asyncio.create_task(assembly.run())
    ready(UpReady(cluster.kubeconfig, clone_url, token, url.url, source.branch, path, data.path))
    await until_stopped(stop, running, asyncio.create_task(cluster.ended()))


def _token(path: Path) -> str:
    """The token of the Git server: made once, private to the user, stable so that clones stay valid."""
    try:
        kept = path.read_text().strip()
    except OSError:
        kept = ""
    if not kept:
        kept = secrets.token_urlsafe(24)
        write_private(path, kept.encode())
    return kept


def _cluster(data: DataDirectory) -> ClusterProcess:
    logs = {f"{NAMESPACE}/{name}": path for name, path in _log_files(data).items()}
    return ClusterProcess(data.folder("cluster"), data.path / "kubeconfig", data.folder("logs") / "cluster.log", logs)


def _log_files(data: DataDirectory) -> dict[str, Path]:
    data.folder("logs")
    files = log_files(data.path, CONTROLLERS)
    for path in files.values():
        path.touch(mode=0o600)
    return files


def _settings(data: DataDirectory, kubeconfig: Path, options: UpOptions) -> Settings:
    return Settings(
        data_dir=data.path,
        kubeconfig=kubeconfig,
        field_validation_strict=True,
        stand_in=True,
        log_level=options.log_level,
        log_encoding="console",
        log_files=_log_files(data),
    )


async def _serve_repository(
    source: Source, token: str, data: DataDirectory, assembly: Assembly, stack: AsyncExitStack
) -> tuple[RemoteSource, str | None]:
    """The URL that the root follows, and the one that people clone, where there is an embedded repository."""
    if source.repository is None:
        return split_credentials(source.url or ""), None

    async def on_push(_: Sequence[str]) -> None:
        await assembly.wake_sources(server.url)

    server = GitServer(source.repository, token, port=data.port("git"), on_push=on_push)
    try:
        await server.start()
    except OSError:  # somebody took the port that we had the last time
        server.port = 0
        await server.start()
    stack.push_async_callback(server.stop)
    data.remember_port("git", server.port)
    return RemoteSource(server.url, "git", token), server.clone_url


async def _default_path(source: Source, assembly: Assembly) -> str:
    if source.url is not None:
        clusters = await folders_below(source.url, source.branch, "clusters", assembly.http, assembly.mirrors)
    else:
        clusters = await list_folders(source, "clusters")
    return f"clusters/{clusters[0]}" if len(clusters) == 1 else "."


def _relative(path: str) -> str:
    return "./" + path.removeprefix("./").strip("/") if path.strip("./") else "./"


async def _create(client: KubeClient, root: Root) -> None:
    stand_ins: list[Manifest] = [stand_in(f"{name}-controller") for name in CONTROLLERS]
    for manifest in [namespace(), *stand_ins, *root_objects(root)]:
        await client.apply(manifest, field_manager=FIELD_MANAGER)
