"""Which of our objects changed since they were looked at: so that nothing is read while nothing changes.

One watch a kind, of metadata alone, from the first look that it may save on and for as long as the process runs. It
says only that an object changed; what became of it is read by whoever needs to know. Where the watch is refused, not
yet begun, or had a gap, nothing is known and everything is read.
"""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from afflux.kube.client import KubeClient, Selection, Target
from afflux.kube.errors import Forbidden, KubeError, MethodNotAllowed
from afflux.kube.watch import watch
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import metadata_of

_UNTIL_TRIED_AGAIN = 600.0
"""Seconds after a watch was refused."""

Look: TypeAlias = object
"""The moment at which an object is read, as far as it matters: between which two gaps of its kind's watch."""


@dataclass
class _Feed:
    """What one watch told. ``following``: the stretch without a gap that it is in; None while it tells nothing."""

    task: asyncio.Task[None] | None = None
    ended: float = 0.0
    """When it ended, by the loop's clock."""
    following: Look | None = None
    changed: dict[tuple[str, str], str] = field(default_factory=dict)
    """By namespace and name: the last resourceVersion told."""

    @property
    def is_over(self) -> bool:
        return self.task is not None and self.task.done()


class LiveChanges:
    """The objects with ``owner_label`` on one server, watched as ``client``."""

    def __init__(self, client: KubeClient, owner_label: str) -> None:
        self._client = client
        self._selection = Selection(label_selector=owner_label, metadata_only=True)
        self._feeds: dict[GroupVersionKind, _Feed] = {}

    def look(self, gvk: GroupVersionKind) -> Look | None:
        """To be taken before an object of the kind is read; None where a later change of it might not be noticed."""
        feed = self._feeds.get(gvk)
        if feed is None or (feed.is_over and asyncio.get_running_loop().time() - feed.ended > _UNTIL_TRIED_AGAIN):
            feed = self._feeds[gvk] = _Feed()
            feed.task = asyncio.create_task(self._follow(gvk, feed))
        return feed.following

    def is_unchanged(self, target: Target, look: Look, version: str) -> bool:
        """Whether an object is known to be as it was when it was read, at that resourceVersion."""
        feed = self._feeds.get(target.gvk)
        if feed is None or feed.following is not look:
            return False
        return feed.changed.get((target.namespace, target.name)) == version

    async def close(self) -> None:
        """Ends all watches."""
        tasks = [feed.task for feed in self._feeds.values() if feed.task is not None]
        self._feeds.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, gvk: GroupVersionKind, feed: _Feed) -> None:
        def interrupted(error: KubeError) -> bool:
            feed.following = None
            return not isinstance(error, Forbidden | MethodNotAllowed)

        try:
            async with aclosing(watch(self._client, gvk, self._selection, on_error=interrupted)) as events:
                async for event in events:
                    if event.type == "SYNCED":
                        feed.following = object()
                        continue
                    metadata = metadata_of(event.object)
                    place = str(metadata.get("namespace") or ""), str(metadata.get("name") or "")
                    if event.type == "DELETED":
                        feed.changed.pop(place, None)
                    else:
                        feed.changed[place] = event.resource_version
        except (Forbidden, MethodNotAllowed) as error:
            structlog.get_logger().info("may not watch, so that everything is read", kind=gvk.kind, error=str(error))
        finally:
            feed.following, feed.ended = None, asyncio.get_running_loop().time()
