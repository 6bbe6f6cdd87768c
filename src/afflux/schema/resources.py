"""How the built-in kinds are served: plural, scope, verbs, short names, subresources."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import orjson

from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Json, Manifest

ALL_VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Subresource:
    """A path below an object. ``group``, ``version`` and ``kind`` say what it answers with."""

    name: str
    group: str
    version: str
    kind: str
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind at one version as an API server's discovery lists it."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    verbs: tuple[str, ...]
    short_names: tuple[str, ...]
    categories: tuple[str, ...]
    subresources: tuple[Subresource, ...]
    zero: Manifest
    """What Go prints for an empty object of the kind; not to be changed. The old side of a create, for ownership."""

    @property
    def gvk(self) -> GroupVersionKind:
        return GroupVersionKind(self.group, self.version, self.kind)


@cache
def builtin_resources(minor: str = "1.36") -> tuple[Resource, ...]:
    """Every built-in kind and version that a server of this minor serves, best version of a group first.

    Raises ``ValueError`` for a minor that has no data.
    """
    source = files("afflux.schema").joinpath("data", f"resources-{minor}.json")
    if not source.is_file():
        raise ValueError(f"no resources of Kubernetes {minor} are known")
    return tuple(_resource(entry) for entry in orjson.loads(source.read_bytes()))


def _resource(entry: Json) -> Resource:
    """What is left out of an entry: all verbs, no names, ``get patch update`` of the kind itself for a subresource."""
    return Resource(
        group=entry["group"],
        version=entry["version"],
        kind=entry["kind"],
        plural=entry["plural"],
        singular=entry["singular"],
        namespaced=entry["namespaced"],
        verbs=tuple(entry.get("verbs", ALL_VERBS)),
        short_names=tuple(entry.get("shortNames", ())),
        categories=tuple(entry.get("categories", ())),
        subresources=tuple(_subresource(entry, below) for below in entry.get("subresources", ())),
        zero=entry.get("zero", {"metadata": {}}),
    )


def _subresource(entry: Json, below: Json) -> Subresource:
    return Subresource(
        name=below["name"],
        group=below.get("group", entry["group"]),
        version=below.get("version", entry["version"]),
        kind=below.get("kind", entry["kind"]),
        verbs=tuple(below.get("verbs", ("get", "patch", "update"))),
    )
