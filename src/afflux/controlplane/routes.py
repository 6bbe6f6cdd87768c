"""What a path addresses: ``/api/v1/...`` and ``/apis/{group}/{version}/...``."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote


class Target(NamedTuple):
    """A resource path taken apart. ``namespace`` and ``name`` are empty where the path has none."""

    group: str
    version: str
    namespace: str
    plural: str
    name: str
    subresource: str
    watch: bool = False
    """The old form ``/api/v1/watch/...``."""


_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


def parse_target(raw_path: str) -> Target | None:
    """The resource a raw (percent-encoded) path addresses; None when it addresses none."""
    segments = [unquote(segment) if "%" in segment else segment for segment in raw_path.split("/") if segment]
    if len(segments) > 2 and segments[0] == "api":
        return _resource("", segments[1], segments[2:])
    if len(segments) > 3 and segments[0] == "apis":
        return _resource(segments[1], segments[2], segments[3:])
    return None


def _resource(group: str, version: str, rest: list[str]) -> Target | None:
    watch = rest[0] == "watch" and len(rest) > 1
    if watch:
        rest = rest[1:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
        namespace, rest = rest[1], rest[2:]
    plural, name = rest[0], rest[1] if len(rest) > 1 else ""
    return Target(group, version, namespace, plural, name, "/".join(rest[2:]), watch)
