"""The life of namespaces: what a new one gets, and how an old one is emptied before it goes (embedded-api 2.4)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

from afflux.controlplane.access import ClusterAccess
from afflux.controlplane.admission.namespaces import NAMESPACES
from afflux.controlplane.cluster_content import SYSTEM_NAMESPACES, default_content, system_content
from afflux.controlplane.errors import ApiStatusError
from afflux.controlplane.kind_registry import KindRegistry
from afflux.controlplane.served_kind import ServedKind, StorageKey
from afflux.controlplane.store import StoreReader
from afflux.controlplane.stored import StoredObject, StoreEvent
from afflux.controlplane.stored_gvk import served_gvk
from afflux.controlplane.work_queue import WorkQueue
from afflux.objects.identity import GroupVersionKind, gvk_of
from afflux.objects.manifest import Manifest

NAMESPACE = GroupVersionKind("", "v1", "Namespace")
_KEPT = {(StorageKey("", "serviceaccounts"), "default"), (StorageKey("", "configmaps"), "kube-root-ca.crt")}
"""What comes back when somebody deletes it."""

SWEEP_AFTER = 1.0
"""Seconds between a namespace's deletion and its content's: so that deleting a file that begins with the namespace
finds the rest still there."""


class NamespaceController:
    """Fills new namespaces, empties those that are being deleted. ``root_ca`` is the PEM that Pods are to trust.

    What a cluster has from the start is written as ``api_server``, the rest as ``access``.
    """

    def __init__(
        self,
        store: StoreReader,
        access: ClusterAccess,
        registry: KindRegistry,
        *,
        api_server: ClusterAccess | None = None,
        root_ca: str = "",
        sweep_after: float = SWEEP_AFTER,
    ) -> None:
        self._store = store
        self._access = access
        self._api_server = api_server or access
        self._registry = registry
        self._root_ca = root_ca
        self._sweep_after = sweep_after
        self._queue: WorkQueue[str] = WorkQueue("namespaces")
        self._sweeping: set[str] = set()

    async def run(self) -> None:
        """Work until cancelled."""
        end = self._store.observe(self._notice)
        try:
            for name in SYSTEM_NAMESPACES:
                if self._store.get(NAMESPACES, "", name) is None:
                    namespace: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                    await self._create(self._api_server, namespace)
            for manifest in system_content():
                await self._create(self._api_server, manifest)
            for stored in self._store.list(NAMESPACES):
                self._queue.add(stored.name)
            await self._queue.run(self._settle)
        finally:
            end()

    def _notice(self, event: StoreEvent) -> None:
        changed = event.object
        if changed.storage == NAMESPACES:
            self._notice_namespace(event)
        elif event.type == "DELETED" and (
            changed.namespace in self._sweeping or (changed.storage, changed.name) in _KEPT
        ):
            self._queue.add(changed.namespace)

    def _notice_namespace(self, event: StoreEvent) -> None:
        name = event.object.name
        if event.type == "ADDED":
            self._queue.add(name)
        elif event.object.manifest["metadata"].get("deletionTimestamp") and name not in self._sweeping:
            self._queue.add_after(name, self._sweep_after)

    async def _settle(self, name: str) -> None:
        stored = self._store.get(NAMESPACES, "", name)
        if stored is not None and stored.manifest["metadata"].get("deletionTimestamp"):
            self._sweeping.add(name)
            await self._empty(stored.manifest)
            return
        self._sweeping.discard(name)
        if stored is not None:
            for manifest in default_content(name, self._root_ca):
                await self._create(self._access, manifest)

    async def _create(self, access: ClusterAccess, manifest: Manifest) -> None:
        metadata = manifest["metadata"]
        gvk = gvk_of(manifest)
        if await access.get(gvk, metadata.get("namespace", ""), metadata["name"]) is not None:
            return
        try:
            await access.create(manifest)
        except ApiStatusError as error:
            if error.reason != "AlreadyExists":
                raise

    async def _empty(self, namespace: Manifest) -> None:
        name = namespace["metadata"]["name"]
        if not (namespace.get("spec") or {}).get("finalizers"):
            return
        for stored in self._content(name):
            if not stored.manifest["metadata"].get("deletionTimestamp"):
                gvk = served_gvk(self._registry, stored)
                await self._access.delete(gvk, stored.namespace, stored.name, uid=stored.uid)
        remaining = self._content(name)
        if not remaining:
            await self._access.update({**namespace, "spec": {"finalizers": []}}, "finalize")
            return
        conditions = remaining_conditions(remaining, _now(), (namespace.get("status") or {}).get("conditions") or ())
        patch = {"status": {"phase": "Terminating", "conditions": conditions}}
        await self._access.patch(NAMESPACE, "", name, patch, "status")

    def _content(self, namespace: str) -> list[StoredObject]:
        storages = {kind.storage for kind in self._registry.kinds() if _swept(kind)}
        return [stored for storage in storages for stored in self._store.list(storage, namespace)]


def _swept(kind: ServedKind) -> bool:
    return kind.namespaced and "delete" in kind.verbs


def remaining_conditions(remaining: Iterable[StoredObject], now: str, before: Iterable[Manifest]) -> list[Manifest]:
    """The conditions of a namespace that can't go yet, in the words of the real controller."""
    kinds: Counter[str] = Counter()
    finalizers: Counter[str] = Counter()
    for stored in remaining:
        kinds[".".join((stored.storage.plural, stored.storage.group)).rstrip(".") + "."] += 1
        finalizers.update(stored.manifest["metadata"].get("finalizers") or ())
    listed = ", ".join(f"{kind} has {count} resource instances" for kind, count in sorted(kinds.items()))
    holding = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(finalizers.items()))
    facts = [
        ("NamespaceDeletionDiscoveryFailure", False, "ResourcesDiscovered", "All resources successfully discovered"),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            False,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            False,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        ("NamespaceContentRemaining", True, "SomeResourcesRemain", f"Some resources are remaining: {listed}"),
    ]
    if holding:
        text = f"Some content in the namespace has finalizers remaining: {holding}"
        facts.append(("NamespaceFinalizersRemaining", True, "SomeFinalizersRemain", text))
    else:
        text = "All content-preserving finalizers finished"
        facts.append(("NamespaceFinalizersRemaining", False, "ContentHasNoFinalizers", text))
    since = {entry["type"]: entry for entry in before}
    return [_condition(since.get(fact[0]), fact, now) for fact in facts]


def _condition(before: Manifest | None, fact: tuple[str, bool, str, str], now: str) -> Manifest:
    kind, holds, reason, message = fact
    status = str(holds)
    stamp = before["lastTransitionTime"] if before is not None and before["status"] == status else now
    return {"type": kind, "status": status, "lastTransitionTime": stamp, "reason": reason, "message": message}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
