"""The road that all sources share: resolve, fetch, pack, publish; and the end of it when nothing has moved.

A source's own module gives a ``Plan``; what is written into conditions, events and logs is that of Flux's source-
controller.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from afflux.api.condition_types import ARTIFACT_IN_STORAGE, ARTIFACT_OUTDATED, FETCH_FAILED, STORAGE_OPERATION_FAILED
from afflux.api.meta import Artifact
from afflux.api.reasons import (
    ARCHIVE_OPERATION_FAILED,
    ARTIFACT_VERIFICATION_FAILED,
    GARBAGE_COLLECTION_SUCCEEDED,
    NEW_ARTIFACT,
    NEW_REVISION,
    STAT_OPERATION_FAILED,
    SUCCEEDED,
)
from afflux.artifacts.confirmations import Confirmations
from afflux.artifacts.errors import ArtifactError, ArtifactMissing, ArtifactTorn
from afflux.artifacts.store import ArtifactKey, ArtifactStore, NewArtifact
from afflux.objects.manifest import Json, Manifest
from afflux.runtime.conditions import condition_of
from afflux.runtime.ends import Cause, Done, NotReady
from afflux.runtime.reconciler import Run
from afflux.sources.fetcher import Fetched, Fetcher, Revision
from afflux.sources.ignore import TooManyPatterns, ignore_rules

_IGNORE_ERROR = "SourceIgnoreError"

ABNORMAL = (STORAGE_OPERATION_FAILED, FETCH_FAILED, ARTIFACT_OUTDATED)
"""What is wrong with a source while it is there, in the order in which Ready takes its message from it."""

_FAILURES = (STORAGE_OPERATION_FAILED, FETCH_FAILED)
"""What is recovered from; the end of it is told."""


class _Status(Protocol):
    @property
    def artifact(self) -> Artifact | None: ...


class SourceObject(Protocol):
    """What all kinds of sources have in common."""

    @property
    def status(self) -> _Status: ...


T = TypeVar("T", bound=SourceObject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one object's source is followed in one run. The fetcher is made (and credentials are read) once the storage
    was looked at.

    ``failure_reason`` is given for what goes wrong at the remote unless the error has a reason of its own, and
    ``unchanged_reason`` for a look at it that found nothing new; ``observed`` are the status fields that say what an
    artifact is made with, and ``as_observed`` whether they are so already.
    """

    fetcher: Callable[[], Awaitable[Fetcher]]
    failure_reason: str
    unchanged_reason: str
    ignore: str | None
    observed: Mapping[str, Json]
    as_observed: bool


class _Outcome(NamedTuple):
    artifact: Artifact
    about: str
    """What was stored, in people's words."""


@dataclass(frozen=True, slots=True)
class SourceRoad:
    """Follows sources into one store; what they have now is confirmed."""

    store: ArtifactStore
    confirmations: Confirmations | None = None

    async def follow(self, run: Run[T], plan: Plan) -> Done:
        """Makes the stored artifact that of the source's revision. What did not move is not fetched again."""
        key = _artifact_key(run)
        for past in (STORAGE_OPERATION_FAILED, ARTIFACT_OUTDATED):
            run.clear(past)
        stored = await self._stored(run, key)
        fetcher = await plan.fetcher()
        async with run.step("resolving the revision", fails_as=plan.failure_reason, condition=FETCH_FAILED):
            revision = await fetcher.resolve()
        if stored is not None and stored.revision == revision.text and plan.as_observed:
            outcome = _Outcome(stored, f"commit '{revision.text}'")
            _tell_unchanged(run, plan, revision)
        else:
            outcome = await self._renew(run, plan, fetcher, revision, stored)
        return self._settled(run, plan, outcome)

    async def remove(self, run: Run[T]) -> Done:
        """Removes all that is stored for an object."""
        key = _artifact_key(run)
        await asyncio.to_thread(self.store.remove, key)
        if self.confirmations is not None:
            self.confirmations.forget(key.directory)
        return Done("removed the artifacts")

    async def _stored(self, run: Run[T], key: ArtifactKey) -> Artifact | None:
        """The artifact of status if its file is there and whole; superseded files go."""
        known = run.object.status.artifact
        await self._collect(run, key, known)
        if known is None:
            await _building(run, "building artifact")
            return None
        try:
            await asyncio.to_thread(self.store.verify, known)
        except ArtifactMissing:
            pass
        except ArtifactTorn as error:
            run.event("error", ARTIFACT_VERIFICATION_FAILED, f"failed to verify integrity of artifact: {error}")
        except (ArtifactError, OSError) as error:
            raise NotReady(STAT_OPERATION_FAILED, f"failed to read artifact: {error}") from error
        else:
            return self.store.at_current_address(known)
        run.set_status(artifact=None)
        await _building(run, "building artifact: disappeared from storage")
        return None

    async def _collect(self, run: Run[T], key: ArtifactKey, known: Artifact | None) -> None:
        try:
            collected = await asyncio.to_thread(self.store.collect_garbage, key, known)
        except OSError as error:
            run.log.error("failed to collect garbage", error=str(error))
            return
        if collected:
            _trace(run, GARBAGE_COLLECTION_SUCCEEDED, f"garbage collected {collected} artifacts")

    async def _renew(
        self, run: Run[T], plan: Plan, fetcher: Fetcher, revision: Revision, stored: Artifact | None
    ) -> _Outcome:
        progress = None
        if stored is None or stored.revision != revision.text:
            message = f"new upstream revision '{revision.text}'"
            progress = f"building artifact: {message}"
            if stored is not None:
                run.fact(ARTIFACT_OUTDATED, "True", NEW_REVISION, message)
        async with run.step("fetching", fails_as=plan.failure_reason, condition=FETCH_FAILED, progress=progress):
            if progress:
                await run.publish()
            async with fetcher.fetch(revision) as fetched:
                artifact = await self._publish(run, plan, fetched)
        run.clear(ARTIFACT_OUTDATED)
        return _Outcome(artifact, fetched.about)

    async def _publish(self, run: Run[T], plan: Plan, fetched: Fetched) -> Artifact:
        """What is wrong with the remote is seen here too, since files are read as they are packed: that is the step of
        our caller. What is wrong with the storage isn't the remote's fault."""
        try:
            return await asyncio.to_thread(_store, self.store, _artifact_key(run), plan, fetched)
        except (OSError, ArtifactError) as error:
            run.clear(FETCH_FAILED)
            message = f"unable to archive artifact to storage: {error}"
            async with run.step("archiving", fails_as=ARCHIVE_OPERATION_FAILED, condition=STORAGE_OPERATION_FAILED):
                raise NotReady(ARCHIVE_OPERATION_FAILED, message) from error
        except TooManyPatterns as error:
            run.clear(FETCH_FAILED)
            message = f"failed to load source ignore patterns from repository: {error}"
            async with run.step("reading ignore patterns", fails_as=_IGNORE_ERROR):
                raise NotReady(_IGNORE_ERROR, message) from error

    def _settled(self, run: Run[T], plan: Plan, outcome: _Outcome) -> Done:
        artifact = outcome.artifact
        if self.confirmations is not None:
            self.confirmations.confirm(artifact)
        run.set_status(artifact=msgspec.to_builtins(artifact), **plan.observed)
        message = f"stored artifact for revision '{artifact.revision}'"
        run.fact(ARTIFACT_IN_STORAGE, "True", SUCCEEDED, message)
        run.annotate(revision=artifact.revision, digest=artifact.digest)
        _tell(run, outcome)
        return Done(message, reason=SUCCEEDED, revision=artifact.revision)


def _artifact_key(run: Run[T]) -> ArtifactKey:
    return ArtifactKey(run.key.kind, run.key.namespace, run.key.name)


def _store(store: ArtifactStore, key: ArtifactKey, plan: Plan, fetched: Fetched) -> Artifact:
    ignore = ignore_rules(fetched.entries, plan.ignore)
    revision = fetched.revision
    return store.publish(key, NewArtifact(revision.text, revision.file_name, fetched.entries, ignore))


async def _building(run: Run[T], progress: str) -> None:
    """There is nothing stored, for this reason."""
    run.clear(ARTIFACT_IN_STORAGE)
    async with run.step("looking into the storage", fails_as=STAT_OPERATION_FAILED, progress=progress):
        run.log.debug(progress)


def _trace(run: Run[T], reason: str, message: str) -> None:
    run.log.info(message)
    run.event("trace", reason, message)


def _tell_unchanged(run: Run[T], plan: Plan, revision: Revision) -> None:
    """In the log always; as an event only where somebody changed or asked for something, so that idling is silent."""
    message = f"no changes since last reconciliation: observed revision '{revision.text}'"
    run.log.info(message)
    if run.causes & {Cause.GENERATION, Cause.REQUEST}:
        run.event("trace", plan.unchanged_reason, message)


def _tell(run: Run[T], outcome: _Outcome) -> None:
    """An event for a new artifact, or for the end of a failure."""
    before: Manifest = run.manifest.get("status") or {}
    known = run.object.status.artifact
    new = known is None or known.digest != outcome.artifact.digest
    if not new and not any((condition_of(before, kind) or {}).get("status") == "True" for kind in _FAILURES):
        return
    message = f"stored artifact for {outcome.about}"
    run.event("info", NEW_ARTIFACT if new else SUCCEEDED, message)
    run.log.info(message)
