"""Garbage collection: what happens to dependents when owners go (embedded-api 2.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from afflux.controlplane.access import ClusterAccess, Propagation
from afflux.controlplane.kind_registry import KindRegistry
from afflux.controlplane.served_kind import ServedKind, StorageKey
from afflux.controlplane.store import StoreReader
from afflux.controlplane.stored import StoredObject, StoreEvent
from afflux.controlplane.stored_gvk import served_gvk
from afflux.controlplane.work_queue import WorkQueue
from afflux.objects.identity import GroupVersionKind, parse_api_version
from afflux.objects.manifest import Manifest

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


class ObjectKey(NamedTuple):
    """Where an object is stored."""

    storage: StorageKey
    namespace: str
    name: str


@dataclass(slots=True)
class Owners:
    """A dependent's references by what became of the owners."""

    solid: list[Manifest] = field(default_factory=list)
    dangling: list[Manifest] = field(default_factory=list)
    waiting: list[Manifest] = field(default_factory=list)
    """Owners that wait, in foreground deletion, for their dependents to go."""


def decide(owners: Owners, has_dependents: bool) -> Propagation | list[Manifest] | None:
    """What to do with a dependent: delete it (how), leave it these references, or nothing.

    As the real collector: one living owner keeps the object, and only its dead references are taken away.
    """
    if owners.solid:
        return owners.solid if owners.dangling or owners.waiting else None
    if owners.waiting and has_dependents:
        return "Foreground"
    return "Background" if owners.waiting or owners.dangling else None


class GarbageCollector:
    """Follows owner references by uid; event-driven, with an index from owner to dependents."""

    def __init__(self, store: StoreReader, access: ClusterAccess, registry: KindRegistry) -> None:
        self._store = store
        self._access = access
        self._registry = registry
        self._queue: WorkQueue[ObjectKey] = WorkQueue("garbage collection")
        self._dependents: dict[str, set[ObjectKey]] = {}
        self._references: dict[ObjectKey, tuple[str, ...]] = {}

    async def run(self) -> None:
        """Work until cancelled."""
        end = self._store.observe(self._notice)
        try:
            for storage in self._store.storages():
                for stored in self._store.list(storage):
                    self._follow(stored)
            await self._queue.run(self._settle)
        finally:
            end()

    def _notice(self, event: StoreEvent) -> None:
        if event.type != "DELETED":
            self._follow(event.object)
            return
        key = _key(event.object)
        for owner_uid in self._references.pop(key, ()):
            self._unlink(owner_uid, key)
        for reference in event.object.manifest["metadata"].get("ownerReferences") or ():
            self._ring_owner(event.object.namespace, reference)
        for dependent in self._dependents.get(event.object.uid, ()):
            self._queue.add(dependent)

    def _follow(self, stored: StoredObject) -> None:
        """Note an object's owners, and look at it if that may change something."""
        metadata, key = stored.manifest["metadata"], _key(stored)
        references = metadata.get("ownerReferences")
        if references or key in self._references:
            uids = tuple(reference.get("uid", "") for reference in references or ())
            before = self._references.get(key, ())
            if uids != before:
                self._relink(key, before, uids)
                self._queue.add(key)
        if metadata.get("deletionTimestamp") and _holding(stored.manifest):
            self._queue.add(key)

    def _relink(self, key: ObjectKey, before: tuple[str, ...], uids: tuple[str, ...]) -> None:
        for gone in before:
            self._unlink(gone, key)
        for uid in uids:
            self._dependents.setdefault(uid, set()).add(key)
        if uids:
            self._references[key] = uids
        else:
            self._references.pop(key, None)

    def _unlink(self, owner_uid: str, key: ObjectKey) -> None:
        dependents = self._dependents.get(owner_uid)
        if dependents is not None:
            dependents.discard(key)
            if not dependents:
                del self._dependents[owner_uid]

    def _ring_owner(self, namespace: str, reference: Manifest) -> None:
        owner = self._owner(namespace, reference)
        if owner is not None and _holding(owner.manifest):
            self._queue.add(_key(owner))

    async def _settle(self, key: ObjectKey) -> None:
        stored = self._store.get(*key)
        if stored is None:
            return
        metadata = stored.manifest["metadata"]
        if metadata.get("deletionTimestamp"):
            match _holding(stored.manifest):
                case "orphan":
                    await self._orphan(stored)
                case "foregroundDeletion":
                    await self._delete_dependents(stored)
        elif metadata.get("ownerReferences"):
            await self._collect(stored)

    async def _collect(self, stored: StoredObject) -> None:
        metadata = stored.manifest["metadata"]
        owners = self._classified(stored)
        gvk, key = served_gvk(self._registry, stored), _key(stored)
        match decide(owners, bool(self._dependents.get(stored.uid))):
            case None:
                return
            case list(references):
                patch = {"metadata": {"uid": stored.uid, "ownerReferences": references}}
                await self._access.patch(gvk, key.namespace, key.name, patch)
            case propagation:
                if ORPHAN in (metadata.get("finalizers") or ()):
                    propagation = "Orphan"
                await self._access.delete(gvk, key.namespace, key.name, uid=stored.uid, propagation=propagation)

    def _classified(self, stored: StoredObject) -> Owners:
        owners = Owners()
        for reference in stored.manifest["metadata"].get("ownerReferences") or ():
            kind = self._kind(reference)
            if kind is None or (kind.namespaced and not stored.namespace):
                # What can't be looked up is not known to be gone.
                owners.solid.append(reference)
                continue
            owner = self._owner(stored.namespace, reference)
            if owner is None:
                owners.dangling.append(reference)
            elif _holding(owner.manifest) == FOREGROUND and owner.manifest["metadata"].get("deletionTimestamp"):
                owners.waiting.append(reference)
            else:
                owners.solid.append(reference)
        return owners

    def _owner(self, namespace: str, reference: Manifest) -> StoredObject | None:
        kind = self._kind(reference)
        if kind is None:
            return None
        found = self._store.get(kind.storage, namespace if kind.namespaced else "", reference.get("name", ""))
        return found if found is not None and found.uid == reference.get("uid") else None

    def _kind(self, reference: Manifest) -> ServedKind | None:
        group, version = parse_api_version(str(reference.get("apiVersion") or ""))
        return self._registry.for_gvk(GroupVersionKind(group, version, str(reference.get("kind") or "")))

    async def _orphan(self, owner: StoredObject) -> None:
        for key in tuple(self._dependents.get(owner.uid, ())):
            dependent = self._store.get(*key)
            if dependent is None:
                continue
            references = dependent.manifest["metadata"].get("ownerReferences") or ()
            rest = [reference for reference in references if reference.get("uid") != owner.uid]
            patch = {"metadata": {"uid": dependent.uid, "ownerReferences": rest or None}}
            await self._access.patch(served_gvk(self._registry, dependent), key.namespace, key.name, patch)
        await self._release(owner, ORPHAN)

    async def _delete_dependents(self, owner: StoredObject) -> None:
        blocking = [key for key in self._dependents.get(owner.uid, ()) if self._blocks(key, owner.uid)]
        if not blocking:
            await self._release(owner, FOREGROUND)
        for key in blocking:
            self._queue.add(key)

    def _blocks(self, key: ObjectKey, owner_uid: str) -> bool:
        dependent = self._store.get(*key)
        references = dependent.manifest["metadata"].get("ownerReferences") or () if dependent else ()
        return any(each.get("uid") == owner_uid and each.get("blockOwnerDeletion") for each in references)

    async def _release(self, owner: StoredObject, finalizer: str) -> None:
        finalizers = owner.manifest["metadata"].get("finalizers") or ()
        rest = [each for each in finalizers if each != finalizer]
        patch = {"metadata": {"uid": owner.uid, "finalizers": rest or None}}
        await self._access.patch(served_gvk(self._registry, owner), owner.namespace, owner.name, patch)


def _key(stored: StoredObject) -> ObjectKey:
    return ObjectKey(stored.storage, stored.namespace, stored.name)


def _holding(manifest: Manifest) -> str:
    """The collector's finalizer on an object, if any."""
    finalizers = manifest["metadata"].get("finalizers") or ()
    return next((finalizer for finalizer in finalizers if finalizer in (ORPHAN, FOREGROUND)), "")
