"""Verbs on plain manifests."""

import asyncio
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal, NamedTuple, TypeAlias

import orjson

from afflux.kube.config import ClusterConfig, Impersonation
from afflux.kube.discovery import SETTLING, ResourceMapper
from afflux.kube.errors import ApiError, Gone, InvalidAnswer, is_unserved, parsed
from afflux.kube.fence import Fence
from afflux.kube.presence import Presence
from afflux.kube.transport import Request, Transport
from afflux.objects.identity import GroupVersionKind, gvk_of
from afflux.objects.manifest import Json, Manifest, metadata_of

Propagation: TypeAlias = Literal["Background", "Foreground", "Orphan"]

PAGE = 500


class PatchType(StrEnum):
    """The ways of patching, by content type."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"


class Target(NamedTuple):
    """One object at one version. ``namespace`` is empty for cluster scope."""

    gvk: GroupVersionKind
    namespace: str
    name: str

    @classmethod
    def of(cls, manifest: Manifest) -> "Target":
        """The object that a manifest declares."""
        metadata = metadata_of(manifest)
        return cls(gvk_of(manifest), str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))


class Selection(NamedTuple):
    """Which objects of a kind: empty fields select everything."""

    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    metadata_only: bool = False

    def parameters(self) -> dict[str, str]:
        """As query parameters."""
        chosen = {"labelSelector": self.label_selector, "fieldSelector": self.field_selector}
        return {name: value for name, value in chosen.items() if value}

    @property
    def accept(self) -> str:
        """The answer's form."""
        if self.metadata_only:
            return "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
        return "application/json"


EVERYTHING = Selection()


class Listing(NamedTuple):
    """A collection as it was at one resource version. Items name their kind, unlike the server's."""

    items: list[Manifest]
    resource_version: str


class Preconditions(NamedTuple):
    """What must be so for a deletion; empty fields aren't checked."""

    uid: str = ""
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class KubeClient:
    """One identity at one API server. Those made by ``impersonating`` share its connections and its discovery.

    Every method raises ``ApiError`` (in the server's words) or ``NoMatch``. ``NotFound`` is the server's word on an
    object; a 404 for a kind is asked about again, and is ``NoMatch`` where it is served no longer.
    """

    transport: Transport
    mapper: ResourceMapper
    presence: Presence
    impersonation: Impersonation | None = None

    @classmethod
    def connect(cls, config: ClusterConfig, fence: Fence | None = None) -> "KubeClient":
        """A client; connections open when they are needed. ``fence`` decides whether it may write."""
        transport = Transport(config, fence)
        return cls(transport, ResourceMapper(transport), Presence(transport))

    def impersonating(self, user: str, groups: tuple[str, ...] = ()) -> "KubeClient":
        """The same server, taken for somebody else. ``ValueError`` for nobody: that would be ourselves."""
        if not user:
            raise ValueError("nobody to impersonate: the user is empty")
        return replace(self, impersonation=Impersonation(user, groups))

    async def get(self, target: Target) -> Manifest:
        """One object as it is."""
        return await self._send(target.gvk, "GET", await self._path(target))

    async def list(self, gvk: GroupVersionKind, selection: Selection = EVERYTHING) -> Listing:
        """All objects of a kind that match, in pages; from the start once more if the pages expire meanwhile."""
        resource = await self.mapper.resource_for(gvk)
        path = resource.path(selection.namespace)
        items: list[Manifest] = []
        parameters = {**selection.parameters(), "limit": str(PAGE)}
        while True:
            try:
                page = await self._list_page(gvk, path, parameters, selection.accept)
            except Gone:
                if "continue" not in parameters:
                    raise
                items, parameters = [], selection.parameters()
                continue
            items += page.get("items") or ()
            metadata = metadata_of(page)
            if not metadata.get("continue"):
                break
            parameters = {**parameters, "continue": metadata["continue"]}
        for item in items:
            item["apiVersion"], item["kind"] = gvk.api_version, gvk.kind
        return Listing(items, str(metadata.get("resourceVersion") or ""))

    async def create(self, manifest: Manifest, *, field_manager: str = "", dry_run: bool = False) -> Manifest:
        """Create an object."""
        target = Target.of(manifest)
        resource = await self.mapper.resource_for(target.gvk)
        path = resource.path(target.namespace)
        return await self._send(target.gvk, "POST", path, _options(field_manager, dry_run), manifest)

    async def update(self, manifest: Manifest, *, subresource: str = "", field_manager: str = "") -> Manifest:
        """Replace an object; refused with ``Conflict`` if it names a resource version that isn't the current one."""
        target = Target.of(manifest)
        path = await self._path(target, subresource)
        return await self._send(target.gvk, "PUT", path, _options(field_manager), manifest)

    async def patch(
        self,
        target: Target,
        body: Json,
        *,
        patch_type: PatchType = PatchType.MERGE,
        subresource: str = "",
        field_manager: str = "",
        dry_run: bool = False,
    ) -> Manifest:
        """Change an object by a patch."""
        path = await self._path(target, subresource)
        options = _options(field_manager, dry_run)
        return await self._send(target.gvk, "PATCH", path, options, body, patch_type)

    async def apply(
        self,
        manifest: Manifest,
        *,
        field_manager: str,
        force: bool = True,
        dry_run: bool = False,
        field_validation: str = "",
        subresource: str = "",
    ) -> Manifest:
        """Server-side apply: what we want of the object, and nothing else of it."""
        parameters = _options(field_manager, dry_run) | {"force": "true" if force else "false"}
        if field_validation:
            parameters["fieldValidation"] = field_validation
        target = Target.of(manifest)
        path = await self._path(target, subresource)
        return await self._send(target.gvk, "PATCH", path, parameters, manifest, "application/apply-patch+yaml")

    async def delete(
        self,
        target: Target,
        *,
        propagation: Propagation = "Background",
        preconditions: Preconditions = Preconditions(),  # noqa: B008 - an immutable tuple
        dry_run: bool = False,
    ) -> Manifest:
        """Ask for an object's deletion; it is gone when its finalizers are. Answers with the object or a Status."""
        wanted = {"uid": preconditions.uid, "resourceVersion": preconditions.resource_version}
        given = {name: value for name, value in wanted.items() if value}
        body: dict[str, Json] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        body |= {"preconditions": given} if given else {}
        body |= {"dryRun": ["All"]} if dry_run else {}
        return await self._send(target.gvk, "DELETE", await self._path(target), {}, body)

    async def raw(self, path: str) -> bytes:
        """What the server answers to a GET: ``/version``, ``/openapi/v3`` ..."""
        return await self.transport.send(Request("GET", path, accept="application/json, */*"), self.impersonation)

    async def close(self) -> None:
        """Close the connections, also of those who share them."""
        await self.presence.close()
        await self.transport.close()

    async def _path(self, target: Target, subresource: str = "") -> str:
        resource = await self.mapper.resource_for(target.gvk)
        return resource.path(target.namespace, target.name, subresource)

    async def _list_page(self, gvk: GroupVersionKind, path: str, parameters: dict[str, str], accept: str) -> Manifest:
        page = parsed(await self._ask(gvk, Request("GET", path, parameters, accept=accept)))
        if "items" not in page or not metadata_of(page).get("resourceVersion"):
            # Taken for an empty list it would say that everything is gone.
            raise InvalidAnswer(f"the server answered with something that isn't a list of {gvk.kind}")
        return page

    async def _send(
        self,
        gvk: GroupVersionKind,
        method: str,
        path: str,
        parameters: dict[str, str] | None = None,
        body: Json = None,
        content_type: str = "application/json",
    ) -> Manifest:
        encoded = None if body is None else orjson.dumps(body)
        answer = await self._ask(gvk, Request(method, path, parameters or {}, encoded, content_type))
        return parsed(answer) if answer else {}

    async def _ask(self, gvk: GroupVersionKind, request: Request) -> bytes:
        """The answer's body. A 404 that is about no object is believed where the kind is served no longer; where it is
        served, the request is sent again for a moment, as the server may not have come to it yet."""
        pauses = iter(SETTLING)
        while True:
            try:
                return await self.transport.send(request, self.impersonation)
            except ApiError as error:
                self.presence.missed(error)
                if not is_unserved(error):
                    raise
                known = self.mapper.forget(gvk)
                is_same = await self.mapper.resource_for(gvk) == known
                pause = next(pauses, None)
                if pause is None or not (is_same or known is None):
                    raise
            await asyncio.sleep(pause)


def _options(field_manager: str = "", dry_run: bool = False) -> dict[str, str]:
    options = {"fieldManager": field_manager} if field_manager else {}
    return options | ({"dryRun": "All"} if dry_run else {})
