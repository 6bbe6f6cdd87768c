"""What a Kustomization has put into a cluster, as Flux records it in its status.

An id is ``<namespace>_<name>_<group>_<kind>``; cluster scope and the core group are empty. Names of RBAC objects may
hold ``:``, which is written ``__`` (cli-utils' ObjMetadata).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from afflux.apply.stages import apply_order
from afflux.objects.identity import GroupVersionKind, ObjectRef
from afflux.objects.manifest import Json

_RBAC_GROUP = "rbac.authorization.k8s.io"
_RBAC_KINDS = frozenset({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"})
_SEPARATOR = "_"
_ENCODED_COLON = "__"


class InvalidInventoryId(ValueError):
    """An inventory id that isn't ``<namespace>_<name>_<group>_<kind>``."""


def inventory_id(ref: ObjectRef) -> str:
    """The id of an object in an inventory."""
    name = ref.name
    if ref.group == _RBAC_GROUP and ref.kind in _RBAC_KINDS:
        name = name.replace(":", _ENCODED_COLON)
    return _SEPARATOR.join((ref.namespace, name, ref.group, ref.kind))


def parse_inventory_id(text: str) -> ObjectRef:
    """The object an id names. Raises `InvalidInventoryId`."""
    namespace, found, rest = text.partition(_SEPARATOR)
    parts = rest.rsplit(_SEPARATOR, 2)
    if not found or len(parts) != 3 or not parts[0] or not parts[2]:
        raise InvalidInventoryId(f"inventory id {text!r} is not <namespace>_<name>_<group>_<kind>")
    name, group, kind = parts
    return ObjectRef(group, kind, namespace, name.replace(_ENCODED_COLON, ":"))


@dataclass(frozen=True)
class Inventory:
    """Objects and the API version each was applied with, in the order of apply."""

    versions: Mapping[ObjectRef, str] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[tuple[ObjectRef, str]]) -> Inventory:
        return cls(dict(entries))

    @classmethod
    def from_status(cls, entries: Iterable[Mapping[str, Json]]) -> Inventory:
        """From ``status.inventory.entries``; an entry that can't be read raises `InvalidInventoryId`."""
        return cls({parse_inventory_id(entry["id"]): entry.get("v", "") for entry in entries})

    @classmethod
    def readable(cls, entries: Iterable[Mapping[str, Json]]) -> tuple[Inventory, list[str]]:
        """The same without the entries that can't be read, and the ids of those."""
        kept: dict[ObjectRef, str] = {}
        unreadable: list[str] = []
        for entry in entries:
            try:
                kept[parse_inventory_id(entry["id"])] = entry.get("v", "")
            except InvalidInventoryId:
                unreadable.append(entry["id"])
        return cls(kept), unreadable

    def to_status(self) -> list[dict[str, str]]:
        """``status.inventory.entries``."""
        return [{"id": inventory_id(ref), "v": version} for ref, version in self.versions.items()]

    def union(self, other: Inventory) -> Inventory:
        """Both; where both hold an object, the other's version."""
        return Inventory({**self.versions, **other.versions})

    def without(self, other: Inventory) -> Inventory:
        """What the other doesn't hold; versions don't matter, as an object is the same at each of them."""
        return Inventory({ref: version for ref, version in self.versions.items() if ref not in other.versions})

    def in_deletion_order(self) -> list[GroupVersionedRef]:
        """The objects in the exact reverse of the order of apply."""
        refs = sorted(self.versions, key=apply_order, reverse=True)
        return [GroupVersionedRef(ref, self.versions[ref]) for ref in refs]

    def __len__(self) -> int:
        return len(self.versions)

    def __contains__(self, ref: object) -> bool:
        return ref in self.versions

    def __iter__(self) -> Iterator[ObjectRef]:
        return iter(self.versions)


@dataclass(frozen=True)
class GroupVersionedRef:
    """An object at a version."""

    ref: ObjectRef
    version: str

    @property
    def gvk(self) -> GroupVersionKind:
        return GroupVersionKind(self.ref.group, self.version, self.ref.kind)
