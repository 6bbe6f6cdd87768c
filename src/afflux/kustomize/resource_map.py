"""The resources of a build, in order, found by what they are and were called.

Look-ups are dict look-ups. The index is made when it is first asked for; a change of one resource's id moves that
one (``touch``), a transformer that renames everything throws it away (``invalidate``).
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from afflux.kustomize.errors import TransformationFailed
from afflux.kustomize.resource import Resource
from afflux.kustomize.resource_id import ALSO_CLUSTER_SCOPED, IdKey, ResourceId
from afflux.lang.yaml import dump


def to_text(resource: Resource) -> str:
    """A resource as kustomize prints it: libyaml ends some documents with a line that Go doesn't write."""
    return dump(resource.manifest).removesuffix("...\n")


def _position(resource: Resource) -> int:
    return resource.position


class _Index:
    """Resources by the keys of their present id, of any id, and by any name, in no particular order."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.current: dict[IdKey, list[Resource]] = {}
        self.any: dict[IdKey, list[Resource]] = {}
        self.names: dict[str, list[Resource]] = {}
        self.doubles = 0
        self._keys: dict[int, tuple[IdKey, set[IdKey]]] = {}
        for resource in resources:
            self.add(resource)

    def add(self, resource: Resource) -> None:
        current = resource.id.key
        keys = resource.keys if resource.previous else {current}
        self._keys[id(resource)] = current, keys
        same = self.current.setdefault(current, [])
        self.doubles += len(same) > 0
        same.append(resource)
        for key in keys:
            self.any.setdefault(key, []).append(resource)
        for name in {key.name for key in keys}:
            self.names.setdefault(name, []).append(resource)

    def discard(self, resource: Resource) -> None:
        current, keys = self._keys.pop(id(resource))
        same = self.current[current]
        same.remove(resource)
        self.doubles -= len(same) > 0
        for key in keys:
            self.any[key].remove(resource)
        for name in {key.name for key in keys}:
            self.names[name].remove(resource)


class ResourceMap:
    """An ordered set of resources. Iterating gives them in the order of the build.

    ``warnings``: what kustomize would have said on the way, on a build's result.
    """

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._resources: list[Resource] = []
        self._index: _Index | None = None
        self._scopes = ALSO_CLUSTER_SCOPED.get()
        self._next = 0
        self._has_deleted = False

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources)

    def __len__(self) -> int:
        return len(self._resources)

    @property
    def index(self) -> _Index:
        """The index, made now if there is none."""
        scopes = ALSO_CLUSTER_SCOPED.get()
        if self._index is None or self._scopes is not scopes:
            self._index = _Index(resource for resource in self._resources if not resource.deleted)
            self._scopes = scopes
        return self._index

    def append(self, resource: Resource) -> None:
        """Adds a resource at the end. Raises where its id is taken."""
        if self.index.current.get(resource.id.key):
            raise TransformationFailed(
                f"may not add resource with an already registered id: {resource.id}{self._both(resource)}"
            )
        resource.position = self._next
        self._next += 1
        self._resources.append(resource)
        self.index.add(resource)

    def append_all(self, other: "ResourceMap") -> None:
        """Adds another map's resources; an empty map takes the other's index over as it is."""
        if not self._resources:
            self._resources, self._next = other._resources, other._next
            self._index, self._scopes = other._index, other._scopes
            self.check_unique()
            return
        for resource in other:
            self.append(resource)

    def replace(self, old: Resource, new: Resource) -> None:
        """Puts a resource in another's place."""
        new.position = old.position
        self._resources[bisect_left(self._resources, old.position, key=_position)] = new
        self.index.discard(old)
        self.index.add(new)

    def touch(self, resource: Resource) -> None:
        """To be called after a resource's id or its previous ids changed."""
        self._has_deleted = self._has_deleted or resource.deleted
        if self._index is not None:
            self._index.discard(resource)
            if not resource.deleted:
                self._index.add(resource)

    def invalidate(self) -> None:
        """To be called after many resources' ids changed."""
        self._index = None

    def drop_deleted(self) -> None:
        """Takes away what patches deleted."""
        if self._has_deleted:
            self._has_deleted = False
            self._resources = [resource for resource in self._resources if not resource.deleted]

    def keep(self, resources: Iterable[Resource]) -> None:
        """The map holds these resources from now on, in this order."""
        self._resources = list(resources)
        for position, resource in enumerate(self._resources):
            resource.position = position
        self._next = len(self._resources)
        self._index = None

    def check_unique(self) -> None:
        """Raises where two resources have the same id."""
        if not self.index.doubles:
            return
        seen: set[IdKey] = set()
        for resource in self._resources:
            key = resource.id.key
            if key in seen:
                raise TransformationFailed(
                    f"may not add resource with an already registered id: {resource.id}{self._both(resource)}"
                )
            seen.add(key)

    def with_any(self, wanted: ResourceId) -> list[Resource]:
        """The resources that have or had this id, in order."""
        return self._ordered(self.index.any.get(wanted.key, ()))

    def named(self, name: str) -> list[Resource]:
        """The resources that have or had this name, in order."""
        return self._ordered(self.index.names.get(name, ()))

    def to_yaml(self) -> str:
        """The text that ``kustomize build`` prints."""
        return "---\n".join(to_text(resource) for resource in self._resources)

    @staticmethod
    def _ordered(resources: Iterable[Resource]) -> list[Resource]:
        found = list(resources)
        if len(found) > 1:
            found.sort(key=_position)
        return found

    def _both(self, resource: Resource) -> str:
        first = next((other for other in self.index.current.get(resource.id.key, ()) if other is not resource), None)
        places = [
            f"{each.origin.file}:{each.origin.line}"
            for each in (first, resource)
            if each is not None and each.origin.file
        ]
        return f" ({' and '.join(places)})" if places else ""
