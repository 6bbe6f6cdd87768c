"""What the simulation knows of the cluster: the newest version of each object it watches, indexed for its questions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from afflux.controlplane.simulation.decisions import controller_of
from afflux.objects.identity import GroupVersionKind, gvk_of
from afflux.objects.manifest import Manifest

_TOMBSTONES = 4096


class Place(NamedTuple):
    """Where an object is."""

    gvk: GroupVersionKind
    namespace: str
    name: str


def place_of(manifest: Manifest) -> Place:
    """The place of an object."""
    metadata = manifest["metadata"]
    return Place(gvk_of(manifest), metadata.get("namespace", ""), metadata["name"])


class View:
    """The watched objects. What our own writes answered goes in at once, so that nothing is decided twice."""

    def __init__(self) -> None:
        self._objects: dict[Place, Manifest] = {}
        self._by_namespace: dict[tuple[GroupVersionKind, str], dict[Place, None]] = {}
        self._by_controller: dict[str, dict[Place, None]] = {}
        self._told: dict[Place, int] = {}
        self._condemned: set[str] = set()
        self._gone: OrderedDict[str, None] = OrderedDict()

    def get(self, place: Place) -> Manifest | None:
        """The object at a place, if there is one that nobody here has deleted."""
        found = self._objects.get(place)
        return found if found is not None and found["metadata"]["uid"] not in self._condemned else None

    def last(self, manifest: Manifest) -> Manifest:
        """What is known of an object that is gone: all of it, even if its end was told by name and uid only."""
        found = self._objects.get(place_of(manifest))
        known = found is not None and found["metadata"]["uid"] == manifest["metadata"]["uid"]
        return found if known and found is not None and "resourceVersion" not in manifest["metadata"] else manifest

    def controlled(self, owner: Manifest, gvk: GroupVersionKind) -> list[Manifest]:
        """The objects of a kind whose controller is ``owner``, but for those that were deleted from here."""
        places = self._by_controller.get(owner["metadata"]["uid"], {})
        return [found for place in places if place.gvk == gvk and (found := self.get(place)) is not None]

    def in_namespace(self, gvk: GroupVersionKind, namespace: str) -> Iterator[Manifest]:
        """The objects of a kind in a namespace."""
        for place in tuple(self._by_namespace.get((gvk, namespace), {})):
            if (found := self.get(place)) is not None:
                yield found

    def all_of(self, gvk: GroupVersionKind) -> Iterator[Manifest]:
        """The objects of a kind."""
        return (found for place, found in self._objects.items() if place.gvk == gvk)

    def put(self, manifest: Manifest, *, watched: bool = False) -> bool:
        """Take in a version of an object; False where it, or a newer one, is known already.

        A watch (``watched``) tells each object's versions in order: when it tells of an older one than before, or of an
        object that was gone, then the cluster itself went back, as one that is restored from a backup does.
        """
        metadata, place = manifest["metadata"], place_of(manifest)
        before = self._objects.get(place)
        went_back = watched and self._went_back(place, metadata)
        known = metadata["uid"] in self._gone or (before is not None and not _newer(metadata, before["metadata"]))
        if known and not went_back:
            return False
        if before is not None and before["metadata"]["uid"] != metadata["uid"]:
            self._unlink(place, before)
        self._objects[place] = manifest
        self._by_namespace.setdefault((place.gvk, place.namespace), {})[place] = None
        owner = controller_of(manifest)
        if owner is not None:
            self._by_controller.setdefault(owner["uid"], {})[place] = None
        return True

    def _went_back(self, place: Place, metadata: Manifest) -> bool:
        version, before = _version(metadata), self._told.get(place, 0)
        self._told[place] = version
        if metadata["uid"] in self._gone:
            del self._gone[metadata["uid"]]
            return True
        return version < before

    def remove(self, manifest: Manifest) -> None:
        """An object is gone."""
        place, uid = place_of(manifest), manifest["metadata"]["uid"]
        self._told.pop(place, None)
        self._condemned.discard(uid)
        self._gone[uid] = None
        if len(self._gone) > _TOMBSTONES:
            self._gone.popitem(last=False)
        found = self._objects.get(place)
        if found is None or found["metadata"]["uid"] != uid:
            return
        del self._objects[place]
        self._unlink(place, found)
        shelf = self._by_namespace[(place.gvk, place.namespace)]
        del shelf[place]
        if not shelf:
            del self._by_namespace[(place.gvk, place.namespace)]

    def condemn(self, manifest: Manifest) -> None:
        """An object was deleted from here; until the cluster says so itself, it counts as gone."""
        uid = manifest["metadata"]["uid"]
        if uid not in self._gone:
            self._condemned.add(uid)

    def spare(self, manifest: Manifest) -> None:
        """A deleted object turned out to stay for a while (a finalizer holds it)."""
        self._condemned.discard(manifest["metadata"]["uid"])

    def _unlink(self, place: Place, manifest: Manifest) -> None:
        owner = controller_of(manifest)
        places = self._by_controller.get(owner["uid"]) if owner is not None else None
        if owner is not None and places is not None:
            places.pop(place, None)
            if not places:
                del self._by_controller[owner["uid"]]


def _newer(metadata: Manifest, than: Manifest) -> bool:
    return _version(metadata) > _version(than)


def _version(metadata: Manifest) -> int:
    return int(metadata.get("resourceVersion") or 0)
