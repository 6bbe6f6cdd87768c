"""All objects of one kind, and the recent changes among them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from afflux.controlplane.stored import StoredObject, StoreEvent


class HistoryGone(Exception):
    """The changes since the wanted version are no longer kept."""


class Bucket:
    """Objects of one kind by namespace and name, with the ring of their latest events.

    ``forgotten`` is the newest version whose event is not kept: history is complete after it.
    """

    __slots__ = ("_namespaces", "_order", "events", "forgotten")

    def __init__(self, forgotten: int) -> None:
        self._namespaces: dict[str, dict[str, StoredObject]] = {}
        self._order: dict[str, list[str]] = {}
        self.events: deque[StoreEvent] = deque()
        self.forgotten = forgotten

    def __len__(self) -> int:
        return sum(len(names) for names in self._namespaces.values())

    def get(self, namespace: str, name: str) -> StoredObject | None:
        names = self._namespaces.get(namespace)
        return names.get(name) if names is not None else None

    def put(self, stored: StoredObject) -> None:
        names = self._namespaces.setdefault(stored.namespace, {})
        if stored.name not in names:
            self._order.pop(stored.namespace, None)
        names[stored.name] = stored

    def remove(self, stored: StoredObject) -> None:
        names = self._namespaces[stored.namespace]
        del names[stored.name]
        self._order.pop(stored.namespace, None)
        if not names:
            del self._namespaces[stored.namespace]

    def objects(self, namespace: str = "") -> Iterator[StoredObject]:
        """By namespace, then name; all namespaces when none is given."""
        if namespace or "" in self._namespaces:
            yield from self._sorted(namespace)
            return
        for each in sorted(self._namespaces):
            yield from self._sorted(each)

    def _sorted(self, namespace: str) -> Iterator[StoredObject]:
        names = self._namespaces.get(namespace)
        if names is None:
            return iter(())
        order = self._order.get(namespace)
        if order is None:
            order = self._order[namespace] = sorted(names)
        return map(names.__getitem__, order)

    def since(self, version: int) -> list[StoreEvent]:
        """Events newer than ``version``, oldest first. Raises HistoryGone when some of them are forgotten."""
        if version < self.forgotten:
            raise HistoryGone
        newer: list[StoreEvent] = []
        for event in reversed(self.events):
            if event.version <= version:
                break
            newer.append(event)
        newer.reverse()
        return newer

    def at(self, version: int, namespace: str = "") -> list[StoredObject]:
        """The objects as they were at ``version``, in order. Raises HistoryGone when that can't be told."""
        events = self.since(version)
        if not events:
            return list(self.objects(namespace))
        found = {(stored.namespace, stored.name): stored for stored in self.objects(namespace)}
        for event in reversed(events):
            place = (event.object.namespace, event.object.name)
            if namespace and place[0] != namespace:
                continue
            if event.old is None:
                found.pop(place, None)
            else:
                found[place] = event.old
        return [found[place] for place in sorted(found)]
