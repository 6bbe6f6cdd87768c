"""The one road of a write: decode, merge, stamp, default, admit, validate, own, compare, store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from afflux.controlplane.kind_registry import KindRegistry
from afflux.controlplane.served_kind import ServedKind
from afflux.controlplane.store import StoreReader
from afflux.controlplane.stored import StoredObject
from afflux.controlplane.structural.rulings import Rulings
from afflux.objects.manifest import Manifest

WriteVerb = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes, and how: ``manager`` owns what changes; ``warnings`` become Warning headers.

    ``rulings`` is what earlier rounds of the same write found out.
    """

    user: User
    manager: str
    dry_run: bool = False
    field_validation: str = "Ignore"
    warnings: list[str] = field(default_factory=list)
    rulings: Rulings = field(default_factory=Rulings)


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
    rulings: Rulings = field(default_factory=Rulings)


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a write: the manifest as stored (or as it would be), and whether the object is new or gone.

    ``stored`` is None for a dry run and for an object that is gone.
    """

    manifest: Manifest
    stored: StoredObject | None
    created: bool = False
    removed: bool = False
