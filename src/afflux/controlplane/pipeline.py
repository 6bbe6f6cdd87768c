"""The one road of a write: decode, merge, stamp, default, admit, validate, own, compare, store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from afflux.controlplane.kind_registry import KindRegistry
from afflux.controlplane.served_kind import ServedKind
from afflux.controlplane.store import StoreReader

WriteVerb = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class WriteContext:
    """What admission may know of a write beyond the object itself.

    ``warnings`` become Warning headers: append to it. ``now`` is RFC 3339, whole seconds, UTC.
    """

    kind: ServedKind
    verb: WriteVerb
    subresource: str
    dry_run: bool
    user: User
    store: StoreReader
    registry: KindRegistry
    now: str
    warnings: list[str] = field(default_factory=list)
