"""Waiting inside an apply: for definitions that the next stage stands on, and for what is deleted to be recreated.

Both end by events; where watching is refused, by polling with backoff. Neither is for health: waiting for that holds
nobody up (`health`).
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress

from afflux.apply.changes import Action, Change
from afflux.kube.client import KubeClient, Preconditions, Selection, Target
from afflux.kube.discovery import SETTLING
from afflux.kube.errors import Forbidden, KubeError, MethodNotAllowed, NoMatch, NotFound, is_away
from afflux.kube.watch import watch
from afflux.manifests.readiness import readiness
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Manifest, metadata_of

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0
_UNTIL_SERVED = (*SETTLING, 1.0, 1.0, 1.0)


async def ready(client: KubeClient, changes: Iterable[Change], timeout: float) -> list[str]:
    """Waits until all that was applied is ready, ``timeout`` seconds at most; what isn't, as Flux says it. Kinds that
    were defined are asked for too: a server says of a definition that it is established before it serves the kind."""
    changes = list(changes)
    waited = [change for change in changes if change.action is not Action.SKIPPED and not _is_current(change.live)]
    statuses = await asyncio.gather(*(_until_current(client, change, timeout) for change in waited))
    defined = [gvk for change in changes if change.changed for gvk in _defined(change)]
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await asyncio.gather(*(_until_served(client, gvk) for gvk in defined))
    return [
        f"{change.ref.subject} status: '{status}'"
        for change, status in zip(waited, statuses, strict=True)
        if status != "Current"
    ]


async def delete_and_wait(client: KubeClient, target: Target, timeout: float) -> None:
    """Deletes an object in the background and waits until it is gone. Raises ``TimeoutError``."""
    with suppress(NotFound):
        live = await client.get(target)
        uid = str(metadata_of(live).get("uid") or "")
        await client.delete(target, propagation="Background", preconditions=Preconditions(uid=uid))
        async with asyncio.timeout(timeout), aclosing(observed(client, target)) as states:
            async for state in states:
                if state is None or metadata_of(state).get("uid") != uid:
                    return


async def gone(client: KubeClient, targets: Iterable[Target], timeout: float) -> list[Target]:
    """Waits until no target exists any more, ``timeout`` seconds at most; those that still do, or of which it couldn't
    be learned."""

    async def one(target: Target) -> None:
        async with aclosing(observed(client, target)) as states:
            async for state in states:
                if state is None:
                    return

    waited = list(targets)
    tasks = [asyncio.create_task(one(target)) for target in waited]
    if not tasks:
        return []
    _, pending = await asyncio.wait(tasks, timeout=timeout)
    for task in pending:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return [target for target, task in zip(waited, tasks, strict=True) if task in pending or task.exception()]


async def observed(client: KubeClient, target: Target) -> AsyncGenerator[Manifest | None, None]:
    """The object now and after each change; None while there is none."""
    selection = Selection(namespace=target.namespace, field_selector=f"metadata.name={target.name}")
    try:
        seen: Manifest | None = None
        events = watch(client, target.gvk, selection, on_error=_is_passing)
        async with aclosing(events) as stream:
            async for event in stream:
                if event.type != "SYNCED":
                    seen = None if event.type == "DELETED" else event.object
                if event.type == "SYNCED" or event.object:
                    yield seen
    except (Forbidden, MethodNotAllowed):
        async for state in _polled(client, target):
            yield state


async def _polled(client: KubeClient, target: Target) -> AsyncGenerator[Manifest | None, None]:
    pause = _FIRST_PAUSE
    while True:
        try:
            yield await client.get(target)
        except (NotFound, NoMatch):
            yield None
        except KubeError as error:
            if not is_away(error):
                raise
        await asyncio.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 2)


async def _until_current(client: KubeClient, change: Change, timeout: float) -> str:
    """The last status seen: ``Current``, or whatever it was when the time ran out."""
    status = "NotFound"
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout), aclosing(observed(client, change.target)) as states:
            async for state in states:
                status = str(readiness(state).status) if state is not None else "NotFound"
                if status in ("Current", "Failed"):
                    break
    return status


def _defined(change: Change) -> list[GroupVersionKind]:
    """The kinds that a definition wants served."""
    if change.ref.kind != "CustomResourceDefinition" or change.live is None:
        return []
    spec = change.live["spec"]
    return [
        GroupVersionKind(spec["group"], version["name"], spec["names"]["kind"])
        for version in spec["versions"]
        if version["served"]
    ]


async def _until_served(client: KubeClient, gvk: GroupVersionKind) -> None:
    """Waits a moment until the server names the kind. One that it doesn't is the next stage's to report."""
    for pause in _UNTIL_SERVED:
        with suppress(KubeError):
            await client.mapper.resource_for(gvk)
            return
        await asyncio.sleep(pause)


def _is_current(live: Manifest | None) -> bool:
    return live is not None and readiness(live).status == "Current"


def _is_passing(error: KubeError) -> bool:
    return not isinstance(error, Forbidden | MethodNotAllowed)
