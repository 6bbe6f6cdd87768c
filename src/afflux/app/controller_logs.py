"""What controllers logged: from their Pods, as ``flux logs`` reads it, or from the data directory of ``afflux run``."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson

from afflux.app.settings import CONTROLLERS
from afflux.controlplane.verbs.logs import LogOptions, stream_file
from afflux.kube.client import KubeClient, Selection
from afflux.kube.config import load_config
from afflux.kube.errors import KubeError
from afflux.kube.pod_logs import POD, PodLogOptions, pod_log
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Json, Manifest, metadata_of
from afflux.runtime.logging import printable

DEPLOYMENT: Final = GroupVersionKind("apps", "v1", "Deployment")
PART_OF_FLUX: Final = "app.kubernetes.io/part-of=flux"
CONTAINER: Final = "manager"

Lines = AsyncGenerator[bytes, None]


class LogsFailed(Exception):
    """The logs can't be read; the message says why and what to do."""


@dataclass(frozen=True)
class LogFilter:
    """Which lines are wanted. Empty fields select everything; names are compared without regard to case, as in Flux."""

    level: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""

    def accepts(self, line: Manifest) -> bool:
        """Whether a line is about what is wanted. What concerns no object has no namespace."""
        wanted = (self.level, self.kind, self.name, self.namespace)
        found = (str(line.get(field) or "") for field in ("level", "controllerKind", "name", "namespace"))
        return all(not text or text.lower() == one.lower() for text, one in zip(wanted, found, strict=True))


@dataclass(frozen=True)
class LogWindow:
    """Which part of each log is read: its last lines, or what is newer than a duration (seconds) or a moment."""

    follow: bool = False
    tail: int | None = None
    since_seconds: float | None = None
    since_time: datetime | None = None


@dataclass(frozen=True)
class InCluster:
    """The Deployments of controllers in a namespace of the cluster of a kubeconfig."""

    namespace: str
    kubeconfig: Path | None = None
    context: str | None = None


def text_of(line: Manifest) -> str:
    """A line as ``flux logs`` prints it, without what would steer a terminal."""
    kind, name = str(line.get("controllerKind") or ""), str(line.get("name") or "")
    subject = f"{kind}/{name}.{line.get('namespace') or ''}" if name else kind
    parts = (line.get("ts"), line.get("level"), subject, "-", line.get("msg"), line.get("error"))
    return printable(" ".join(str(part or "") for part in parts))


async def show_logs(source: InCluster | Path, window: LogWindow, show: Callable[[bytes], None]) -> None:
    """Calls ``show`` with each line of every controller's log: one log after the other, or as they come if followed.

    ``source`` is a cluster or a data directory. Raises ``LogsFailed``.
    """
    if isinstance(source, Path):
        await _each([_file_lines(path, window) for path in log_files_in(source)], window.follow, show)
        return
    try:
        client = KubeClient.connect(load_config(source.kubeconfig, source.context))
        try:
            pods = await _pods(client, source.namespace)
            logs = [pod_log(client, source.namespace, name, _pod_options(window)) for name in pods]
            await _each(logs, window.follow, show)
        finally:
            await client.close()
    except KubeError as error:
        raise LogsFailed(f"can't read the controllers' logs: {error}") from error


def log_files_in(data_dir: Path) -> list[Path]:
    """The controllers' logs in a data directory, in the controllers' order. Raises ``LogsFailed`` where it has none."""
    found = [path for name in CONTROLLERS if (path := data_dir / "logs" / f"{name}-controller.log").is_file()]
    if not found:
        raise LogsFailed(
            f"no controller's log in {data_dir / 'logs'}; --data-dir is the directory that "
            "an `afflux run` or `afflux up` on this machine was given"
        )
    return found


def parsed(line: bytes) -> Manifest | None:
    """A line's fields; None for what isn't a controller's line."""
    try:
        value: Json = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


async def _pods(client: KubeClient, namespace: str) -> list[str]:
    """The names of the Pods of all controllers."""
    deployments = await client.list(DEPLOYMENT, Selection(namespace, PART_OF_FLUX))
    names: list[str] = []
    for deployment in deployments.items:
        labels = metadata_of(deployment["spec"]["template"]).get("labels") or {}
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        pods = await client.list(POD, Selection(namespace, selector, metadata_only=True))
        names += [pod["metadata"]["name"] for pod in pods.items]
    if not names:
        raise LogsFailed(
            f'no Pod of a controller (Deployments labelled {PART_OF_FLUX}) in namespace "{namespace}"; name the '
            "namespace with --flux-namespace, or, for an `afflux run` on this machine, its directory with --data-dir"
        )
    return names


def _pod_options(window: LogWindow) -> PodLogOptions:
    seconds = window.since_seconds
    return PodLogOptions(
        container=CONTAINER,
        follow=window.follow,
        tail_lines=window.tail,
        since_seconds=None if seconds is None else max(1, math.ceil(seconds)),
        since_time="" if window.since_time is None else window.since_time.astimezone(UTC).isoformat(timespec="seconds"),
    )


async def _file_lines(path: Path, window: LogWindow) -> Lines:
    since = window.since_time.timestamp() if window.since_time else None
    if window.since_seconds is not None:
        since = datetime.now(UTC).timestamp() - window.since_seconds
    async for chunk in stream_file(path, LogOptions(follow=window.follow, since=since, tail=window.tail)):
        for line in chunk.splitlines():
            yield line


async def _each(logs: Sequence[Lines], follow: bool, show: Callable[[bytes], None]) -> None:
    async def read(lines: Lines) -> None:
        async with aclosing(lines):
            async for line in lines:
                show(line)

    if not follow:
        for log in logs:
            await read(log)
        return
    reading = [asyncio.create_task(read(log)) for log in logs]
    try:
        await asyncio.gather(*reading)
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
