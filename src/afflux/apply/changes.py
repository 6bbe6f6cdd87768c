"""What an apply or a prune did to each object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from afflux.apply.inventory import Inventory
from afflux.kube.client import Target
from afflux.objects.identity import GroupVersionKind, ObjectRef
from afflux.objects.manifest import Manifest


class Action(StrEnum):
    """Flux's words for it."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    DELETED = "deleted"


_CHANGES = frozenset({Action.CREATED, Action.CONFIGURED, Action.DELETED})


@dataclass(frozen=True)
class Change:
    """One object. ``live`` is what the server answered last, where it was asked; ``drift`` names the fields that
    differed (JSON pointers), where the object was put right."""

    ref: ObjectRef
    version: str
    action: Action
    live: Manifest | None = field(default=None, repr=False, compare=False)
    drift: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return self.action in _CHANGES

    @property
    def target(self) -> Target:
        """The object, at the version that it was applied at."""
        gvk = GroupVersionKind(self.ref.group, self.version, self.ref.kind)
        return Target(gvk, self.ref.namespace, self.ref.name)

    def __str__(self) -> str:
        return f"{self.ref.subject} {self.action.value}"


@dataclass(frozen=True)
class ChangeSet:
    """Changes in the order they were made."""

    changes: tuple[Change, ...] = ()

    def __add__(self, more: Iterable[Change]) -> ChangeSet:
        return ChangeSet((*self.changes, *more))

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    @property
    def changed(self) -> bool:
        """Whether anything in the cluster is different now."""
        return any(change.changed for change in self.changes)

    def changed_lines(self) -> str:
        """``<Kind/ns/name> <action>`` of what is different now, a line each."""
        return "\n".join(str(change) for change in self.changes if change.changed)

    def output(self) -> dict[str, str]:
        """Every object with its action, as Flux logs it."""
        return {change.ref.subject: change.action.value for change in self.changes}

    def inventory(self) -> Inventory:
        """Everything applied or skipped."""
        return Inventory.of((change.ref, change.version) for change in self.changes)
