"""The road that all sources share: resolve, fetch, pack, publish; and the end of it when nothing has moved.

A source's own module gives a ``Plan``; what is written into conditions, events and logs is that of Flux's source-
controller.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from afflux.api.condition_types import ARTIFACT_IN_STORAGE, ARTIFACT_OUTDATED, FETCH_FAILED, STORAGE_OPERATION_FAILED
from afflux.api.meta import Artifact
from afflux.api.reasons import (
    ARCHIVE_OPERATION_FAILED,
    ARTIFACT_VERIFICATION_FAILED,
    NEW_ARTIFACT,
    NEW_REVISION,
    STAT_OPERATION_FAILED,
    SUCCEEDED,
)
from afflux.artifacts.errors import ArtifactError, ArtifactMissing, ArtifactTorn
from afflux.artifacts.store import ArtifactKey, ArtifactStore, NewArtifact
from afflux.objects.manifest import Json, Manifest
from afflux.runtime.conditions import condition_of
from afflux.runtime.ends import Done, NotReady
from afflux.runtime.reconciler import Run
from afflux.sources.fetcher import Fetched, Fetcher, Revision
from afflux.sources.ignore import TooManyPatterns, ignore_rules

_IGNORE_ERROR = "SourceIgnoreError"

ABNORMAL = (STORAGE_OPERATION_FAILED, FETCH_FAILED, ARTIFACT_OUTDATED)
"""What is wrong with a source while it is there, in the order in which Ready takes its message from it."""


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
    """How one object's source is followed in one run.

    ``failure_reason`` is given for what goes wrong at the remote unless the error has a reason of its own; ``observed``
    are the status fields that say what an artifact is made with, and ``as_observed`` whether they are so already.
    """

    fetcher: Fetcher
    failure_reason: str
    ignore: str | None
    observed: Mapping[str, Json]
    as_observed: bool


class _Outcome(NamedTuple):
    artifact: Artifact
    about: str
    """What was stored, in people's words."""


@dataclass(frozen=True, slots=True)
class SourceRoad:
    """Follows sources into one store."""

    store: ArtifactStore

    async def follow(self, run: Run[T], plan: Plan) -> Done:
        """Makes the stored artifact that of the source's revision. What did not move is not fetched again."""
        key = ArtifactKey(run.key.kind, run.key.namespace, run.key.name)
        stored = await self._stored(run, key)
        async with run.step("resolving the revision", fails_as=plan.failure_reason, condition=FETCH_FAILED):
            revision = await plan.fetcher.resolve()
        if stored is not None and stored.revision == revision.text and plan.as_observed:
            run.log.info(f"no changes since last reconciliation: observed revision '{revision.text}'")
            outcome = _Outcome(stored, f"commit '{revision.text}'")
        else:
            outcome = await self._renew(run, key, plan, revision)
        return self._settled(run, plan, outcome)

    async def remove(self, run: Run[T]) -> Done:
        """Removes all that is stored for an object."""
        key = ArtifactKey(run.key.kind, run.key.namespace, run.key.name)
        await asyncio.to_thread(self.store.remove, key)
        return Done("removed the artifacts")

    async def _stored(self, run: Run[T], key: ArtifactKey) -> Artifact | None:
        """The artifact of status if its file is there and whole; superseded files go."""
        known = run.object.status.artifact
        await self._collect(run, key, known)
        if known is None:
            return None
        try:
            await asyncio.to_thread(self.store.verify, known)
        except ArtifactMissing:
            pass
        except ArtifactTorn as error:
            run.event("error", ARTIFACT_VERIFICATION_FAILED, f"failed to verify artifact: {error}")
        except (ArtifactError, OSError) as error:
            raise NotReady(STAT_OPERATION_FAILED, f"failed to read artifact: {error}") from error
        else:
            return self.store.at_current_address(known)
        run.log.info("building artifact: disappeared from storage")
        run.set_status(artifact=None)
        run.clear(ARTIFACT_IN_STORAGE)
        return None

    async def _collect(self, run: Run[T], key: ArtifactKey, known: Artifact | None) -> None:
        try:
            collected = await asyncio.to_thread(self.store.collect_garbage, key, known)
        except OSError as error:
            run.log.error("failed to collect garbage", error=str(error))
            return
        if collected:
            run.log.info(f"garbage collected {collected} artifacts")

    async def _renew(self, run: Run[T], key: ArtifactKey, plan: Plan, revision: Revision) -> _Outcome:
        message = f"new upstream revision '{revision.text}'"
        run.fact(ARTIFACT_OUTDATED, "True", NEW_REVISION, message)
        progress = f"building artifact: {message}"
        async with run.step("fetching", fails_as=plan.failure_reason, condition=FETCH_FAILED, progress=progress):
            await run.publish()
            async with plan.fetcher.fetch(revision) as fetched:
                artifact = await self._publish(run, key, plan, fetched)
        run.clear(ARTIFACT_OUTDATED)
        return _Outcome(artifact, fetched.about)

    async def _publish(self, run: Run[T], key: ArtifactKey, plan: Plan, fetched: Fetched) -> Artifact:
        try:
            artifact = await asyncio.to_thread(_store, self.store, key, plan, fetched)
        except (OSError, ArtifactError) as error:
            message = f"unable to archive artifact to storage: {error}"
            run.fact(STORAGE_OPERATION_FAILED, "True", ARCHIVE_OPERATION_FAILED, message)
            raise NotReady(ARCHIVE_OPERATION_FAILED, message) from error
        except TooManyPatterns as error:
            raise NotReady(_IGNORE_ERROR, str(error)) from error
        run.clear(STORAGE_OPERATION_FAILED)
        return artifact

    def _settled(self, run: Run[T], plan: Plan, outcome: _Outcome) -> Done:
        artifact = outcome.artifact
        run.set_status(artifact=msgspec.to_builtins(artifact), **plan.observed)
        message = f"stored artifact for revision '{artifact.revision}'"
        run.fact(ARTIFACT_IN_STORAGE, "True", SUCCEEDED, message)
        run.annotate(revision=artifact.revision, digest=artifact.digest)
        _tell(run, outcome)
        return Done(message, reason=SUCCEEDED, revision=artifact.revision)


def _store(store: ArtifactStore, key: ArtifactKey, plan: Plan, fetched: Fetched) -> Artifact:
    ignore = ignore_rules(fetched.entries, plan.ignore)
    revision = fetched.revision
    return store.publish(key, NewArtifact(revision.text, revision.file_name, fetched.entries, ignore))


def _tell(run: Run[T], outcome: _Outcome) -> None:
    """An event for a new artifact, or for the end of a failure."""
    before: Manifest = run.manifest.get("status") or {}
    known = run.object.status.artifact
    new = known is None or known.digest != outcome.artifact.digest
    if not new and not any((condition_of(before, kind) or {}).get("status") == "True" for kind in ABNORMAL):
        return
    message = f"stored artifact for {outcome.about}"
    run.event("info", NEW_ARTIFACT if new else SUCCEEDED, message)
    run.log.info(message)
