"""``ClusterAccess`` inside the plane: the same road as a client's request, without the network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from afflux.controlplane import binding
from afflux.controlplane.access import ChangeEvent, Listing, Propagation
from afflux.controlplane.conversion import from_storage
from afflux.controlplane.decoding import decoded
from afflux.controlplane.deletion import DeleteOptions, delete
from afflux.controlplane.errors import not_found, resource_not_found
from afflux.controlplane.event_queue import EventQueue
from afflux.controlplane.pipeline import Author, User
from afflux.controlplane.served_kind import ServedKind
from afflux.controlplane.stored import StoredObject
from afflux.controlplane.structural.rulings import RuleCourt
from afflux.controlplane.writer import Writer
from afflux.objects.identity import GroupVersionKind, gvk_of
from afflux.objects.manifest import Manifest, metadata_of
from afflux.objects.merge_patch import apply_merge_patch
from afflux.objects.selectors import parse_label_selector

_POD = GroupVersionKind("", "v1", "Pod")
_USER = User("system:kube-controller-manager", groups=("system:masters", "system:authenticated"))


ClientsFirst = Callable[[], Awaitable[None]]


async def give_way() -> None:
    """Give waiting requests their turn."""
    await asyncio.sleep(0)


class LocalAccess:
    """Reads and writes as one field manager. Writes take effect at once; they don't wait for the journal.

    ``clients_first`` is awaited before each write: a controller's writes wait for nothing, and would run on and on.
    """

    def __init__(
        self, writer: Writer, field_manager: str, court: RuleCourt, clients_first: ClientsFirst = give_way
    ) -> None:
        self._writer = writer
        self._court = court
        self._clients_first = clients_first
        self._manager = field_manager

    async def get(self, gvk: GroupVersionKind, namespace: str, name: str) -> Manifest | None:
        kind = self._kind(gvk)
        stored = self._writer.store.get(kind.storage, namespace, name)
        return None if stored is None else from_storage(kind, stored.manifest)

    async def list(self, gvk: GroupVersionKind, namespace: str = "", label_selector: str = "") -> Listing:
        kind = self._kind(gvk)
        selector = parse_label_selector(label_selector)
        items = [
            from_storage(kind, stored.manifest)
            for stored in self._writer.store.list(kind.storage, namespace)
            if not label_selector or selector.matches(stored.manifest["metadata"].get("labels") or {})
        ]
        return Listing(items, str(self._writer.store.version))

    async def watch(self, gvk: GroupVersionKind) -> AsyncIterator[ChangeEvent]:
        kind, store = self._kind(gvk), self._writer.store
        with EventQueue(store, kind.storage) as queue:
            for stored in list(store.list(kind.storage)):
                yield ChangeEvent("ADDED", from_storage(kind, stored.manifest))
            while True:
                event = await queue.take()
                yield ChangeEvent(event.type, from_storage(kind, event.object.manifest))

    async def create(self, manifest: Manifest) -> Manifest:
        await self._clients_first()
        kind = self._kind(gvk_of(manifest))
        author = self._author()
        body = decoded(kind, manifest, author)
        written = self._writer.create(kind, metadata_of(manifest).get("namespace") or "", body, author)
        return from_storage(kind, written.manifest)

    async def update(self, manifest: Manifest, subresource: str = "") -> Manifest:
        await self._clients_first()
        kind, metadata, author = self._kind(gvk_of(manifest)), metadata_of(manifest), self._author()
        namespace, name = metadata.get("namespace") or "", metadata.get("name") or ""

        def write() -> Manifest:
            return self._replace(kind, self._live(kind, namespace, name), manifest, author, subresource)

        return await self._court.settled(write, author.rulings)

    async def patch(
        self, gvk: GroupVersionKind, namespace: str, name: str, patch: Manifest, subresource: str = ""
    ) -> Manifest:
        await self._clients_first()
        kind, author = self._kind(gvk), self._author()

        def write() -> Manifest:
            live = self._live(kind, namespace, name)
            patched = apply_merge_patch(from_storage(kind, live.manifest), patch)
            return self._replace(kind, live, patched, author, subresource)

        return await self._court.settled(write, author.rulings)

    async def bind(self, namespace: str, pod: str, node: str) -> None:
        await self._clients_first()
        kind = self._kind(_POD)
        binding.bind(self._writer, kind, self._live(kind, namespace, pod), node, self._author())

    async def delete(
        self,
        gvk: GroupVersionKind,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        propagation: Propagation = "Background",
        grace_seconds: int | None = None,
    ) -> None:
        await self._clients_first()
        kind = self._kind(gvk)
        live = self._writer.store.get(kind.storage, namespace, name)
        if live is None:
            return
        options = DeleteOptions(propagation=propagation, grace_seconds=grace_seconds, uid=uid)
        delete(self._writer, kind, live, options, self._author())

    def _replace(
        self, kind: ServedKind, live: StoredObject, manifest: Manifest, author: Author, subresource: str
    ) -> Manifest:
        body = decoded(kind, manifest, author, live=from_storage(kind, live.manifest))
        return from_storage(kind, self._writer.update(kind, live, body, author, subresource).manifest)

    def _author(self) -> Author:
        return Author(_USER, self._manager)

    def _kind(self, gvk: GroupVersionKind) -> ServedKind:
        kind = self._writer.registry.for_gvk(gvk)
        if kind is None:
            raise resource_not_found()
        return kind

    def _live(self, kind: ServedKind, namespace: str, name: str) -> StoredObject:
        live = self._writer.store.get(kind.storage, namespace, name)
        if live is None:
            raise not_found(kind.named(name))
        return live
