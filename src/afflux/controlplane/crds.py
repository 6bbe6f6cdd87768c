"""The life of CustomResourceDefinitions: names are accepted, versions served, objects cleared away at the end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from afflux.controlplane.access import ClusterAccess
from afflux.controlplane.admission.custom_resource_definitions import CLEANUP
from afflux.controlplane.custom_kinds import crd_storage_key
from afflux.controlplane.kind_registry import KindRegistry
from afflux.controlplane.served_kind import StorageKey
from afflux.controlplane.store import StoreReader
from afflux.controlplane.stored import StoreEvent
from afflux.controlplane.stored_gvk import served_gvk
from afflux.controlplane.work_queue import WorkQueue
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Json, Manifest

CRDS = StorageKey("apiextensions.k8s.io", "customresourcedefinitions")
CRD = GroupVersionKind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")


class CrdController:
    """Serves accepted definitions, and stops when they are gone.

    What was established before a restart is served from the moment this object exists.
    """

    def __init__(self, store: StoreReader, access: ClusterAccess, registry: KindRegistry) -> None:
        self._store = store
        self._access = access
        self._registry = registry
        self._queue: WorkQueue[str] = WorkQueue("custom resource definitions")
        self._served: dict[str, Json] = {}
        self._terminating: dict[StorageKey, str] = {}
        for stored in store.list(CRDS):
            if is_established(stored.manifest):
                self._serve(stored.manifest, stored.version)

    async def run(self) -> None:
        """Work until cancelled."""
        end = self._store.observe(self._notice)
        try:
            for stored in self._store.list(CRDS):
                self._queue.add(stored.name)
            await self._queue.run(self._settle)
        finally:
            end()

    def _notice(self, event: StoreEvent) -> None:
        if event.object.storage == CRDS:
            self._queue.add(event.object.name)
        elif event.type == "DELETED" and (name := self._terminating.get(event.object.storage)):
            self._queue.add(name)

    async def _settle(self, name: str) -> None:
        stored = self._store.get(CRDS, "", name)
        if stored is None:
            self._forget(name)
            return
        crd = stored.manifest
        if crd["metadata"].get("deletionTimestamp"):
            await self._clear_away(crd)
            return
        status = decide_status(crd, self._taken_names(crd), _now())
        if _is_true(status, "Established"):
            # Served first: whoever waits for the condition uses the API at once.
            self._serve(crd, self._store.version)
        if status != crd.get("status"):
            await self._access.update({**crd, "status": status}, "status")

    def _serve(self, crd: Manifest, since: int) -> None:
        name = crd["metadata"]["name"]
        if self._served.get(name) != crd["spec"]:
            self._registry.add_crd(crd, since)
            self._served[name] = crd["spec"]

    def _forget(self, name: str) -> None:
        spec = self._served.pop(name, None)
        if spec is None:
            return
        crd = {"metadata": {"name": name}, "spec": spec}
        self._terminating.pop(crd_storage_key(crd), None)
        self._registry.remove_crd(crd)
        # A definition that lost against this one's names may have them now.
        for stored in self._store.list(CRDS):
            self._queue.add(stored.name)

    async def _clear_away(self, crd: Manifest) -> None:
        finalizers = crd["metadata"].get("finalizers") or []
        if CLEANUP not in finalizers:
            return
        name, storage = crd["metadata"]["name"], crd_storage_key(crd)
        self._terminating[storage] = name
        for stored in tuple(self._store.list(storage)):
            if not stored.manifest["metadata"].get("deletionTimestamp"):
                gvk = served_gvk(self._registry, stored)
                await self._access.delete(gvk, stored.namespace, stored.name, uid=stored.uid)
        if any(True for _ in self._store.list(storage)):
            return
        rest = [finalizer for finalizer in finalizers if finalizer != CLEANUP]
        await self._access.patch(CRD, "", name, {"metadata": {"finalizers": rest}})

    def _taken_names(self, crd: Manifest) -> list[Manifest]:
        """The names that other definitions of the group have been given."""
        group, own = crd["spec"]["group"], crd["metadata"]["name"]
        return [
            (stored.manifest.get("status") or {}).get("acceptedNames") or {}
            for stored in self._store.list(CRDS)
            if stored.name != own and stored.manifest["spec"]["group"] == group
        ]


def is_established(crd: Manifest) -> bool:
    """Whether the definition's API is being served."""
    return _is_true(crd.get("status") or {}, "Established")


def decide_status(crd: Manifest, taken: Iterable[Manifest], now: str) -> Manifest:
    """The status that a definition should have, given the names that others of its group hold.

    ``now`` (RFC 3339) stamps conditions that change.
    """
    status: Manifest = crd.get("status") or {}
    names: Manifest = crd["spec"]["names"]
    clash = list(_clashes(names, list(taken)))
    accepted = {name: value for name, value in names.items() if name not in {field for field, _, _ in clash}}
    if clash:
        _, reason, message = clash[-1]
        names_accepted = _condition("NamesAccepted", "False", reason, message)
        established = _condition("Established", "False", "NotAccepted", "not all names are accepted")
        accepted = {"plural": accepted.get("plural", ""), **accepted, "kind": accepted.get("kind", "")}
    else:
        names_accepted = _condition("NamesAccepted", "True", "NoConflicts", "no conflicts found")
        message = "the initial names have been accepted"
        established = _condition("Established", "True", "InitialNamesAccepted", message)
    if _is_true(status, "Established"):
        # Once established, always established: clashes of later names change nothing for what is served.
        established = next(entry for entry in status["conditions"] if entry["type"] == "Established")
    conditions = _merged(status.get("conditions") or (), (names_accepted, established), now)
    return {**status, "conditions": conditions, "acceptedNames": accepted}


def _clashes(names: Manifest, taken: list[Manifest]) -> Iterator[tuple[str, str, str]]:
    """Field, reason and message of each name that is in use."""
    resources = {name for other in taken for name in _resource_names(other)}
    kinds = {name for other in taken for name in (other.get("kind"), other.get("listKind")) if name}
    fields = (
        ("plural", "PluralConflict", resources),
        ("singular", "SingularConflict", resources),
        ("shortNames", "ShortNamesConflict", resources),
        ("kind", "KindConflict", kinds),
        ("listKind", "ListKindConflict", kinds),
    )
    for field, reason, used in fields:
        wanted = names.get(field) or []
        clashing = [name for name in ([wanted] if isinstance(wanted, str) else wanted) if name in used]
        if clashing:
            yield field, reason, f'"{clashing[0]}" is already in use'


def _resource_names(names: Manifest) -> Iterator[str]:
    yield from (name for name in (names.get("plural"), names.get("singular")) if name)
    yield from names.get("shortNames") or ()


def _condition(kind: str, status: str, reason: str, message: str) -> Manifest:
    return {"type": kind, "status": status, "lastTransitionTime": "", "reason": reason, "message": message}


def _merged(old: Iterable[Manifest], new: Iterable[Manifest], now: str) -> list[Manifest]:
    """Old conditions with new ones in their place; the time moves with the status."""
    result = {entry["type"]: entry for entry in old}
    for entry in new:
        before = result.get(entry["type"])
        same = before is not None and before["status"] == entry["status"]
        stamp = before["lastTransitionTime"] if same and before is not None else now
        result[entry["type"]] = {**entry, "lastTransitionTime": stamp}
    return list(result.values())


def _is_true(status: Manifest, kind: str) -> bool:
    return any(entry.get("type") == kind and entry.get("status") == "True" for entry in status.get("conditions") or ())


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
