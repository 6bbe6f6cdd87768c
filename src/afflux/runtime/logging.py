"""Logs in Flux's shape: one JSON object a line, to the files and streams that want a controller's lines.

``flux logs`` reads ``level``, ``ts``, ``msg``, ``error``, ``controllerKind``, ``name`` and ``namespace``.
"""

import os
import sys
import uuid
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

import orjson
import structlog

from afflux.objects.identity import ObjectRef
from afflux.objects.manifest import Json
from afflux.runtime.log_file import LogFile

Encoding: TypeAlias = Literal["json", "console"]
Level: TypeAlias = Literal["trace", "debug", "info", "error"]

LEVELS: Mapping[str, int] = {"trace": 5, "debug": 10, "info": 20, "error": 40}
_FROM = "_controller"
_COLOURS = {"error": "\033[31m", "info": "\033[36m", "debug": "\033[2m"}
_OBJECT_FIELDS = frozenset(("controller", "controllerGroup", "controllerKind", "name", "namespace", "reconcileID"))


@dataclass(frozen=True, slots=True)
class Sink:
    """Where lines go: every controller's, or those of one (by name, such as ``source-controller``).

    Each line is written whole and at once, so that whoever follows the file sees it. A full disk loses lines, and stops
    nothing.
    """

    write: Callable[[bytes], object]
    encoding: Encoding = "json"
    controller: str | None = None
    colour: bool = False
    level: Level = "trace"
    """Lines below this level aren't for this sink, whatever ``configure`` lets through."""

    def accept(self, line: Mapping[str, Json], controller: str | None) -> None:
        """Write a line, if it is for this sink."""
        if self.controller not in (None, controller) or LEVELS[line["level"]] < LEVELS[self.level]:
            return
        try:
            self.write(json_line(line) if self.encoding == "json" else console_line(line, colour=self.colour))
        except (OSError, ValueError):
            pass


def stderr_sink(encoding: Encoding = "json", controller: str | None = None, level: Level = "trace") -> Sink:
    """Standard error; in colour where it is a terminal and people read it."""
    colour = encoding == "console" and sys.stderr.isatty() and "NO_COLOR" not in os.environ
    return Sink(_write_stderr, encoding, controller, colour, level)


def file_sink(path: Path, controller: str | None = None, encoding: Encoding = "json") -> Sink:
    """A file that lines are appended to, bounded in size; it and its directory are made. Raises ``OSError``."""
    file = LogFile(path)
    file.write(b"")  # so that it is there to be followed before the first line
    return Sink(file.write, encoding, controller)


def configure(level: str = "info", sinks: tuple[Sink, ...] | None = None) -> None:
    """Send what is logged from now on, at ``level`` (trace, debug, info, error) and above, to the sinks.

    Without sinks: JSON to standard error.
    """
    chosen = (stderr_sink(),) if sinks is None else sinks
    structlog.configure(
        processors=[_shape],
        wrapper_class=structlog.make_filtering_bound_logger(max(LEVELS[level], 10)),
        logger_factory=lambda *_: _Dispatcher(chosen),
        cache_logger_on_first_use=False,
    )


def controller_logger(controller: str, group: str, kind: str) -> structlog.typing.FilteringBoundLogger:
    """The log of one kind; ``controller`` (such as ``source-controller``) decides who gets its lines."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger().bind(
        **{_FROM: controller, "controller": kind.lower(), "controllerGroup": group, "controllerKind": kind}
    )
    return logger


def run_logger(logger: structlog.typing.FilteringBoundLogger, key: ObjectRef) -> structlog.typing.FilteringBoundLogger:
    """The log of one run for one object."""
    place = {"name": key.name, "namespace": key.namespace}
    return logger.bind(
        **{key.kind: place, "namespace": key.namespace, "name": key.name, "reconcileID": str(uuid.uuid4())}
    )


def process_logger(controller: str) -> structlog.typing.FilteringBoundLogger:
    """The log of a controller beyond any object."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger().bind(**{_FROM: controller})
    return logger


@dataclass(slots=True)
class _Dispatcher:
    """The end of structlog's chain: gives a finished line to every sink."""

    sinks: tuple[Sink, ...] = field(default=())

    def _emit(self, **line: Json) -> None:
        controller = line.pop(_FROM, None)
        for sink in self.sinks:
            sink.accept(line, controller)

    debug = info = warning = error = critical = msg = _emit


def _shape(_: Json, method: str, line: MutableMapping[str, Json]) -> tuple[tuple[()], dict[str, Json]]:
    """Flux's keys, in Flux's order."""
    level = {"warning": "error", "critical": "error", "exception": "error"}.get(method, method)
    message = line.pop("event", "")
    error = line.pop("error", None)
    shaped: dict[str, Json] = {"level": level, "ts": _now(), "msg": message, **line}
    if error is not None:
        shaped["error"] = str(error)
    return (), shaped


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def json_line(line: Mapping[str, Json]) -> bytes:
    """A line for machines. Names of files that aren't UTF-8 show as escapes."""
    options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
    try:
        return orjson.dumps(dict(line), default=str, option=options)
    except TypeError:
        return orjson.dumps({key: printable(_shown(value)) for key, value in line.items()}, option=options)


def console_line(line: Mapping[str, Json], *, colour: bool = False) -> bytes:
    """A line for people: the time, the object, what happened, and what else is known of it.

    What comes from outside (commit messages, names, a server's words) can't steer a terminal: whatever isn't printable
    is shown as an escape, line breaks apart.
    """
    kind, name = line.get("controllerKind"), line.get("name")
    subject = ObjectRef("", str(kind), str(line.get("namespace") or ""), str(name)).subject if kind and name else ""
    level = str(line.get("level"))
    hidden = {"level", "ts", "msg", *_OBJECT_FIELDS, str(kind)}
    rest = " ".join(f"{key}={_shown(value)}" for key, value in line.items() if key not in hidden)
    mark = f"{_COLOURS.get(level, '')}{level:<5}\033[0m" if colour else f"{level:<5}"
    local = datetime.fromisoformat(str(line.get("ts"))).astimezone().strftime("%H:%M:%S")
    parts = [local, mark, *(printable(part) for part in (subject, str(line.get("msg")), rest))]
    return (" ".join(part for part in parts if part) + "\n").encode()


def _shown(value: Json) -> str:
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:
        return repr(value)


def printable(text: str) -> str:
    """A text without what would steer a terminal: whatever isn't printable is shown as an escape, line breaks apart."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)


def _write_stderr(line: bytes) -> None:
    sys.stderr.buffer.write(line)
    sys.stderr.buffer.flush()
