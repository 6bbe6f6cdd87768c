"""How the plane's own controllers read and change the cluster: a Protocol with two lives.

Garbage collection, namespaces, CRD status and the simulation write through it, so that what they do walks the same road
as a client's request, and so that the simulation can run as a client of a real server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Literal, NamedTuple, Protocol

from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Manifest

Propagation = Literal["Background", "Foreground", "Orphan"]


class ChangeEvent(NamedTuple):
    """One change of a watched kind. ``object`` is the last state for ``DELETED``. Not to be changed by the reader."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: Manifest


class Listing(NamedTuple):
    items: Sequence[Manifest]
    resource_version: str


class ClusterAccess(Protocol):
    """Manifests in, manifests out; refusals are ``errors.ApiStatusError``. What comes out is not to be changed.

    ``namespace`` is empty for cluster-scoped kinds, and means all namespaces in ``list`` and ``watch``.
    """

    async def get(self, gvk: GroupVersionKind, namespace: str, name: str) -> Manifest | None:
        """The object, or None when there is none."""
        ...

    async def list(self, gvk: GroupVersionKind, namespace: str = "", label_selector: str = "") -> Listing: ...

    def watch(self, gvk: GroupVersionKind) -> AsyncIterator[ChangeEvent]:
        """ADDED for all that exists, then every change in order; ends only when the plane stops or the kind goes."""
        ...

    async def create(self, manifest: Manifest) -> Manifest: ...

    async def update(self, manifest: Manifest, subresource: str = "") -> Manifest:
        """PUT; ``metadata.resourceVersion`` in the manifest is a precondition."""
        ...

    async def patch(
        self, gvk: GroupVersionKind, namespace: str, name: str, patch: Manifest, subresource: str = ""
    ) -> Manifest:
        """A JSON merge patch, e.g. of ``status`` with ``subresource="status"``; changing nothing is free."""
        ...

    async def bind(self, namespace: str, pod: str, node: str) -> None:
        """Give a Pod its node, once: what a scheduler does. A Pod that has one is refused with ``Conflict``."""
        ...

    async def delete(
        self,
        gvk: GroupVersionKind,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        propagation: Propagation = "Background",
        grace_seconds: int | None = None,
    ) -> None:
        """Delete one; ``uid`` is a precondition. An absent object is not an error.

        ``grace_seconds`` 0 ends a Pod that is only marked: what a kubelet does once the containers have stopped.
        """
        ...


class AccessFactory(Protocol):
    """Who writes: ownership entries carry the manager's name (``kube-controller-manager``, ``kubelet``)."""

    def __call__(self, field_manager: str) -> ClusterAccess: ...
