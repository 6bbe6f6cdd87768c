"""The informers of one process: a kind is watched once, whoever wants to know of it."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from afflux.kube.client import KubeClient, Selection
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Manifest
from afflux.runtime.informer import Informer

_Place: TypeAlias = tuple[GroupVersionKind, Selection]


@dataclass(slots=True)
class Informers:
    """Informers by what they watch."""

    _known: dict[_Place, Informer] = field(default_factory=dict)
    _own: set[_Place] = field(default_factory=set)

    def shared(self, client: KubeClient, gvk: GroupVersionKind, selection: Selection) -> Informer:
        """The informer of a kind; watched once for all who ask for the same."""
        place = (gvk, selection)
        if place not in self._known:
            self._known[place] = Informer(client, gvk, selection)
        return self._known[place]

    def own(
        self,
        client: KubeClient,
        gvk: GroupVersionKind,
        selection: Selection,
        indexer: Callable[[Manifest], Mapping[str, Iterable[str]]],
    ) -> Informer:
        """The informer of a controller's own kind, with its indexes."""
        informer = self.shared(client, gvk, selection)
        informer.indexer = indexer
        self._own.add((gvk, selection))
        return informer

    @property
    def unsynced(self) -> list[str]:
        """The controllers' own kinds whose objects aren't all known yet."""
        return sorted(place[0].kind for place in self._own if not self._known[place].synced.is_set())

    async def synced(self) -> None:
        """Return when every controller knows all of its own objects."""
        await asyncio.gather(*(self._known[place].synced.wait() for place in self._own))

    async def run(self) -> None:
        """Follow every kind until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for informer in self._known.values():
                tasks.create_task(informer.run())
