"""Which kinds a server serves, and at which paths."""

import asyncio
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote

from afflux.kube.errors import ApiError, BadRequest, InvalidAnswer, NoMatch, parsed
from afflux.kube.transport import Request, Transport
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Json

SETTLING = (0.1, 0.2, 0.4, 0.8)
"""Pauses in seconds: a server names a new kind a moment before it answers for it, or the other way round."""

_NO_NAMES = frozenset({".", ".."})


class ApiResource(NamedTuple):
    """A kind as the server serves it."""

    gvk: GroupVersionKind
    plural: str
    namespaced: bool
    verbs: frozenset[str]
    subresources: frozenset[str]

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The path of a collection, an object, or one of its subresources; without a namespace, of all of them.

        Raises ``BadRequest`` for a name that could lead to another path, as Kubernetes' own client does.
        """
        for segment in (namespace, name):
            if segment in _NO_NAMES or "/" in segment:
                raise BadRequest(400, "BadRequest", f"{segment[:100]!r} can't be a name: it could lead to another path")
        root = f"/apis/{self.gvk.group}/{self.gvk.version}" if self.gvk.group else f"/api/{self.gvk.version}"
        if namespace and self.namespaced:
            root += f"/namespaces/{quote(namespace, safe='')}"
        root += f"/{self.plural}"
        if name:
            root += f"/{quote(name, safe='')}"
        return f"{root}/{subresource}" if subresource else root


@dataclass(slots=True)
class ResourceMapper:
    """Kinds to resources, read from the server a group version at a time and kept; read again for a kind not found."""

    transport: Transport
    _known: dict[GroupVersionKind, ApiResource] = field(default_factory=dict, init=False)
    _reading: dict[str, asyncio.Task[dict[GroupVersionKind, ApiResource]]] = field(default_factory=dict, init=False)

    async def resource_for(self, gvk: GroupVersionKind) -> ApiResource:
        """The resource of a kind. Raises ``NoMatch`` where the server serves none; that it is there and serves none,
        not only that it doesn't answer for the kind."""
        resource = self._known.get(gvk)
        if resource is None:
            resource = (await self._read(gvk)).get(gvk)
        if resource is None:
            raise NoMatch(gvk)
        return resource

    def forget(self, gvk: GroupVersionKind) -> ApiResource | None:
        """Read the kind anew when it is asked for next: its definition changed or went away. What was known of it."""
        return self._known.pop(gvk, None)

    async def _read(self, gvk: GroupVersionKind) -> dict[GroupVersionKind, ApiResource]:
        """The resources of a kind's group version; asked for by many at once, read once."""
        task = self._reading.get(gvk.api_version)
        if task is None:
            task = asyncio.create_task(self._fetch(gvk))
            self._reading[gvk.api_version] = task
            task.add_done_callback(lambda _: self._reading.pop(gvk.api_version, None))
        return await asyncio.shield(task)

    async def _fetch(self, gvk: GroupVersionKind) -> dict[GroupVersionKind, ApiResource]:
        if not _NO_NAMES.isdisjoint(gvk.api_version.split("/")):
            return {}
        quoted = quote(gvk.api_version, safe="/")
        path = f"/apis/{quoted}" if gvk.group else f"/api/{quoted}"
        for pause in (*SETTLING, None):
            try:
                answer = parsed(await self.transport.send(Request("GET", path)))
                break
            except ApiError as error:
                if error.code != 404:
                    raise
                if gvk.api_version not in await self._served_versions(core=not gvk.group):
                    return {}
                if pause is None:
                    raise
            await asyncio.sleep(pause)
        found = resources_of(gvk.group, gvk.version, _of_kind(answer, "APIResourceList"))
        self._known.update(found)
        return found

    async def _served_versions(self, *, core: bool) -> set[str]:
        """All group versions. Any proxy can say 404 for one of them; only an API server has such a list."""
        answer = parsed(await self.transport.send(Request("GET", "/api" if core else "/apis")))
        if core:
            return set(_of_kind(answer, "APIVersions").get("versions") or ())
        groups = _of_kind(answer, "APIGroupList").get("groups") or ()
        return {version["groupVersion"] for group in groups for version in group["versions"]}


def _of_kind(document: Json, kind: str) -> Json:
    if document.get("kind") != kind:
        raise InvalidAnswer(f"the server answered with {document.get('kind') or 'something'!r} instead of {kind}")
    return document


def resources_of(group: str, version: str, resource_list: Json) -> dict[GroupVersionKind, ApiResource]:
    """The kinds in an ``APIResourceList``."""
    entries = [entry for entry in resource_list.get("resources") or () if isinstance(entry, dict)]
    subresources: dict[str, set[str]] = {}
    for entry in entries:
        plural, _, subresource = entry["name"].partition("/")
        if subresource:
            subresources.setdefault(plural, set()).add(subresource)
    found: dict[GroupVersionKind, ApiResource] = {}
    for entry in entries:
        if "/" in entry["name"]:
            continue
        gvk = GroupVersionKind(group, version, entry["kind"])
        verbs = frozenset(entry.get("verbs") or ())
        below = frozenset(subresources.get(entry["name"], ()))
        found[gvk] = ApiResource(gvk, entry["name"], bool(entry.get("namespaced")), verbs, below)
    return found
