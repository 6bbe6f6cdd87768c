"""``pods/log``: what a Pod's log file holds, or what a simulated container would have said.

Log files are JSON lines whose ``ts`` field tells the time of a line; lines without one have the file's modification
time. Following survives truncation and rotation.
"""

from __future__ import annotations

import asyncio
import datetime
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from afflux.controlplane.errors import bad_request
from afflux.controlplane.options import Options
from afflux.controlplane.stored import StoredObject

_POLL_SECONDS: Final = 0.1
_TAIL_BYTES: Final = 64 * 1024 * 1024
"""How much of the end of a file is looked at."""


class PodLogs:
    """Which file a Pod's log is. Keys are ``namespace/name`` of a Pod, or of the Deployment that it belongs to."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = dict(files)

    def file_for(self, pod: StoredObject) -> Path | None:
        """The file of a Pod named exactly so, or ``<name>-<replica set>-<suffix>``."""
        exact = self._files.get(f"{pod.namespace}/{pod.name}")
        if exact is not None:
            return exact
        owner = pod.name.rsplit("-", 2)
        return self._files.get(f"{pod.namespace}/{owner[0]}") if len(owner) == 3 else None


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What is wanted of a log. Times are seconds since the epoch."""

    follow: bool = False
    timestamps: bool = False
    since: float | None = None
    tail: int | None = None
    limit_bytes: int | None = None


def log_options(options: Options, now: float) -> LogOptions:
    """The options of a request. Raises 400."""
    since_seconds, since_time = options.number("sinceSeconds"), options.text("sinceTime")
    if since_seconds is not None and since_time:
        raise bad_request("at most one of `sinceTime` or `sinceSeconds` may be specified")
    since = now - since_seconds if since_seconds is not None else None
    if since_time:
        since = _moment(since_time)
        if since is None:
            raise bad_request(f'sinceTime "{since_time}" is not an RFC 3339 time')
    return LogOptions(
        follow=options.flag("follow"),
        timestamps=options.flag("timestamps"),
        since=since,
        tail=options.number("tailLines"),
        limit_bytes=options.number("limitBytes"),
    )


async def stream_file(path: Path, wanted: LogOptions) -> AsyncIterator[bytes]:
    """Chunks of a log file; with ``follow`` without end, until the reader stops."""
    tail = _Tail(path)
    left = wanted.limit_bytes
    lines = _selected(tail.read(final=not wanted.follow), wanted, tail.modified)
    while True:
        chunk = b"".join(lines)
        if left is not None:
            chunk = chunk[:left]
            left -= len(chunk)
        if chunk:
            yield chunk
        if not wanted.follow or left == 0:
            return
        await asyncio.sleep(_POLL_SECONDS)
        lines = [_shown(line, tail.modified, wanted.timestamps) for line in tail.read(final=False)]


class _Tail:
    """Reads a file as it grows; starts again where it is replaced or shortened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset: int | None = None
        self._inode = 0
        self._rest = b""
        self.modified = 0.0

    def read(self, *, final: bool) -> list[bytes]:
        """The lines added since the last call; an unfinished one only when it is ``final``."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                self._position(status.st_ino, status.st_size)
                self.modified = status.st_mtime
                file.seek(self._offset or 0)
                data = file.read(_TAIL_BYTES)
        except FileNotFoundError:
            return []
        self._offset = (self._offset or 0) + len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if final and self._rest:
            lines.append(self._rest)
        return lines

    def _position(self, inode: int, size: int) -> None:
        if self._offset is None:
            self._offset = max(0, size - _TAIL_BYTES)
        elif inode != self._inode or size < self._offset:
            self._offset, self._rest = 0, b""
        self._inode = inode


def _selected(lines: list[bytes], wanted: LogOptions, modified: float) -> Iterable[bytes]:
    if wanted.since is not None:
        lines = [line for line in lines if (_line_time(line) or modified) >= wanted.since]
    if wanted.tail is not None:
        lines = lines[-wanted.tail :] if wanted.tail > 0 else []
    return [_shown(line, modified, wanted.timestamps) for line in lines]


def _shown(line: bytes, modified: float, timestamps: bool) -> bytes:
    if not timestamps:
        return line + b"\n"
    moment = datetime.datetime.fromtimestamp(_line_time(line) or modified, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode() + b" " + line + b"\n"


def _line_time(line: bytes) -> float | None:
    if b'"ts"' not in line:
        return None
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    stamp = value.get("ts") if isinstance(value, dict) else None
    if isinstance(stamp, int | float):
        return float(stamp)
    return _moment(stamp) if isinstance(stamp, str) else None


def _moment(text: str) -> float | None:
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
