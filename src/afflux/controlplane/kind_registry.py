"""What is served: built-in kinds, and custom ones that come and go with their CRDs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from afflux.controlplane.custom_kinds import crd_storage_key, kinds_of_crd
from afflux.controlplane.served_kind import ServedKind, StorageKey
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Manifest


class KindRegistry:
    """Every served kind, by path and by Kind. Changes with CRDs; ``generation`` counts the changes."""

    def __init__(self, builtins: Iterable[ServedKind]) -> None:
        self._by_path: dict[tuple[str, str, str], ServedKind] = {}
        self._by_gvk: dict[GroupVersionKind, ServedKind] = {}
        self._by_storage: dict[StorageKey, ServedKind] = {}
        self._custom: dict[StorageKey, tuple[ServedKind, ...]] = {}
        self._removal_listeners: list[Callable[[StorageKey], None]] = []
        self.generation = 0
        for kind in builtins:
            self._serve(kind)

    def lookup(self, group: str, version: str, plural: str) -> ServedKind | None:
        """The kind served at a path, or None."""
        return self._by_path.get((group, version, plural))

    def for_gvk(self, gvk: GroupVersionKind) -> ServedKind | None:
        return self._by_gvk.get(gvk)

    def storage_kind(self, storage: StorageKey) -> ServedKind | None:
        """The kind as it is stored: what internal readers and writers (garbage, namespaces) use; None if not served."""
        return self._by_storage.get(storage)

    def has_group(self, group: str) -> bool:
        return any(served.group == group for served in self._by_gvk)

    def kinds(self) -> Iterator[ServedKind]:
        """Every served kind; versions of one kind are separate."""
        return iter(tuple(self._by_path.values()))

    def add_crd(self, crd: Manifest, since: int = 0) -> None:
        """Serve the versions of an accepted, established CRD (stored form); replaces what it served before.

        ``since`` is the store's version when its present schema came: older objects are defaulted when they are read.
        """
        self._drop(crd_storage_key(crd))
        kinds = tuple(kinds_of_crd(crd, since))
        for kind in kinds:
            self._serve(kind)
        self._custom[crd_storage_key(crd)] = kinds
        self.generation += 1

    def remove_crd(self, crd: Manifest) -> None:
        """Stop serving a CRD's versions; nothing happens when it wasn't served."""
        storage = crd_storage_key(crd)
        if self._drop(storage):
            self.generation += 1
            for listener in self._removal_listeners:
                listener(storage)

    def on_removal(self, listener: Callable[[StorageKey], None]) -> None:
        """Call ``listener`` when a custom kind is served no more: its watches end."""
        self._removal_listeners.append(listener)

    def _serve(self, kind: ServedKind) -> None:
        self._by_path[(kind.gvk.group, kind.gvk.version, kind.plural)] = kind
        self._by_gvk[kind.gvk] = kind
        if kind.gvk == kind.storage_gvk or kind.storage not in self._by_storage:
            self._by_storage[kind.storage] = kind

    def _drop(self, storage: StorageKey) -> bool:
        kinds = self._custom.pop(storage, ())
        if kinds:
            self._by_storage.pop(storage, None)
        for kind in kinds:
            self._by_path.pop((kind.gvk.group, kind.gvk.version, kind.plural), None)
            self._by_gvk.pop(kind.gvk, None)
        return bool(kinds)
