"""Columns, cells, and how times and lists are written in them."""

from __future__ import annotations

import calendar
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from afflux.objects.manifest import Json, Manifest

NONE: Final = "<none>"
UNKNOWN: Final = "<unknown>"

Cells = Callable[[Manifest, float], list[Json]]
"""The cells of one object at a time (seconds since the epoch), in the order of the columns, the name first."""


class Column(NamedTuple):
    """A column definition. ``priority`` 1 is shown with ``-o wide`` only."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


class Printer(NamedTuple):
    columns: tuple[Column, ...]
    cells: Cells


_TYPES: Final = {"": "string", "int": "integer", "bool": "boolean", "date": "date"}


def columns(text: str) -> tuple[Column, ...]:
    """``Ready, Desired:int, Images*`` as columns after ``Name``; ``*`` has priority 1, ``:int`` is a type."""
    return (NAME, *(_column(name.strip()) for name in text.split(",")))


def _column(text: str) -> Column:
    name = text.rstrip("*")
    wide = len(name) < len(text)
    name, _, type_ = name.partition(":")
    return Column(name, _TYPES[type_], "", "", int(wide))


NAME: Final = Column("Name", "string", "name", "The object's name, unique within its namespace.")


def seconds_of(timestamp: Json) -> float | None:
    """An RFC 3339 timestamp as seconds since the epoch; None for what isn't one."""
    if not isinstance(timestamp, str) or len(timestamp) < 19:
        return None
    try:
        return calendar.timegm(time.strptime(timestamp[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return None


def age(timestamp: Json, now: float) -> str:
    """How long ago, as kubectl prints it; ``<unknown>`` without a timestamp."""
    since = seconds_of(timestamp)
    return UNKNOWN if since is None else duration(now - since)


def age_of(manifest: Manifest, now: float) -> str:
    return age(manifest["metadata"].get("creationTimestamp"), now)


def duration(seconds: float) -> str:
    """A duration in two units at most: ``12s``, ``2m5s``, ``45m``, ``3h5m``, ``20h``, ``2d5h``, ``30d``, ``2y30d``."""
    whole = int(seconds)
    if whole < 0:
        return "0s" if whole >= -1 else "<invalid>"
    if whole < 120:
        return f"{whole}s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    years = days // 365
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def joined(values: Iterable[str], otherwise: str = NONE) -> str:
    return ",".join(values) or otherwise


def labels_text(labels: Json) -> str:
    """``a=1,b=2``, sorted; ``<none>`` for none."""
    return joined(f"{key}={value}" for key, value in sorted((labels or {}).items()))


def selector_text(selector: Json) -> str:
    """A label selector object in its text form."""
    if not selector:
        return NONE
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    parts += [_expression(each) for each in selector.get("matchExpressions") or ()]
    return joined(parts)


def _expression(expression: Manifest) -> str:
    key, operator = expression.get("key", ""), expression.get("operator")
    values = ",".join(sorted(expression.get("values") or ()))
    match operator:
        case "In":
            return f"{key} in ({values})"
        case "NotIn":
            return f"{key} notin ({values})"
        case "DoesNotExist":
            return f"!{key}"
        case _:
            return str(key)


def containers_and_images(spec: Json) -> tuple[str, str]:
    """Names and images of the containers of a Pod's spec."""
    containers: Sequence[Manifest] = (spec or {}).get("containers") or ()
    return (
        ",".join(container.get("name", "") for container in containers),
        ",".join(container.get("image", "") for container in containers),
    )


def status_of(manifest: Manifest) -> Manifest:
    status = manifest.get("status")
    return status if isinstance(status, dict) else {}


def spec_of(manifest: Manifest) -> Manifest:
    spec = manifest.get("spec")
    return spec if isinstance(spec, dict) else {}


def name_of(manifest: Manifest) -> str:
    name: str = manifest["metadata"].get("name", "")
    return name
