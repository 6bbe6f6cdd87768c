"""GitRepository: follow a Git repository over HTTP(S) and keep an artifact of what its reference means.

Conditions, reasons, messages and events are those of Flux's source-controller. What is different on purpose: nothing is
fetched for a pinned commit that is stored already, and the end of each run is logged with its revision and duration.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from afflux.api.condition_types import ARTIFACT_IN_STORAGE, FETCH_FAILED, INCLUDE_UNAVAILABLE, SOURCE_VERIFIED
from afflux.api.git_repository import GitRepository, GitRepositoryRef
from afflux.api.reasons import (
    EMPTY_GIT_REPOSITORY,
    FAILED,
    GIT_OPERATION_FAILED,
    GIT_OPERATION_SUCCEEDED,
    SUCCEEDED,
    URL_INVALID,
)
from afflux.controllers.git_credentials import with_access
from afflux.controllers.source import ABNORMAL, Plan, SourceRoad
from afflux.kube.client import KubeClient
from afflux.net.http import HttpSession
from afflux.remotes.git.errors import EmptyRepository, GitError, InvalidReference, InvalidUrl
from afflux.remotes.git.mirror import Mirrors
from afflux.remotes.git.remote import Remote, parse_remote
from afflux.runtime.ends import Done, NotReady, Stalled
from afflux.runtime.reconciler import Reconciler, Run
from afflux.runtime.rules import SOURCE_WORDING, Rules, Wording
from afflux.sources.fetcher import Fetched, Revision
from afflux.sources.git import GitFetcher, Wanted

RULES: Rules[GitRepository] = Rules(
    controller="source-controller",
    annotation_prefix="source.toolkit.fluxcd.io",
    interval_of=lambda repository: repository.spec.interval_seconds,
    abnormal=(*ABNORMAL[:2], INCLUDE_UNAVAILABLE, *ABNORMAL[2:]),
    normal=(ARTIFACT_IN_STORAGE, SOURCE_VERIFIED),
    success_reason=SUCCEEDED,
    failure_reason=FAILED,
    wording=replace(SOURCE_WORDING, finished=Wording().finished),
)


class GitRepositoryReconciler(Reconciler[GitRepository]):
    """One instance serves all GitRepositories of a process."""

    def __init__(self, client: KubeClient, road: SourceRoad, mirrors: Mirrors, http: HttpSession) -> None:
        self._client, self._mirrors, self._http = client, mirrors, http
        self._road = road

    async def reconcile(self, run: Run[GitRepository]) -> Done:
        """Resolves the reference, and fetches and stores what it means where that is new."""
        spec = run.object.spec

        async def fetcher() -> _Explained:
            remote = await self._remote(run)
            return _Explained(GitFetcher(remote, _wanted(spec.ref), self._http, self._mirrors), remote.url)

        plan = Plan(
            fetcher=fetcher,
            failure_reason=GIT_OPERATION_FAILED,
            unchanged_reason=GIT_OPERATION_SUCCEEDED,
            ignore=spec.ignore,
            observed={"observedIgnore": spec.ignore},
            as_observed=spec.ignore == run.object.status.observed_ignore,
        )
        return await self._road.follow(run, plan)

    async def _remote(self, run: Run[GitRepository]) -> Remote:
        spec = run.object.spec
        async with run.step("reading the URL", fails_as=URL_INVALID, condition=FETCH_FAILED):
            try:
                remote = parse_remote(spec.url, timeout=spec.timeout_seconds)
            except InvalidUrl as error:
                raise Stalled(URL_INVALID, f"failed to parse url: {error}") from error
        return await with_access(remote, run, self._client)

    async def finalize(self, run: Run[GitRepository]) -> Done:
        """Removes the artifacts; the mirror stays for others that name the same repository."""
        return await self._road.remove(run)


def _wanted(ref: GitRepositoryRef | None) -> Wanted:
    if ref is None:
        return Wanted()
    return Wanted(branch=ref.branch or None, tag=ref.tag or None, name=ref.name or None, commit=ref.commit or None)


@dataclass(frozen=True, slots=True)
class _Explained:
    """A fetcher whose errors say what was being done, with the reason that Flux gives."""

    inner: GitFetcher
    url: str

    async def resolve(self) -> Revision:
        """What the reference means now."""
        try:
            return await self.inner.resolve()
        except GitError as error:
            raise self._explained(error, "list remote for") from error

    @asynccontextmanager
    async def fetch(self, revision: Revision) -> AsyncIterator[Fetched]:
        """The revision's files."""
        try:
            async with self.inner.fetch(revision) as fetched:
                yield fetched
        except GitError as error:
            raise self._explained(error, "clone") from error

    def _explained(self, error: GitError, doing: str) -> NotReady | Stalled:
        match error:
            case EmptyRepository():
                return NotReady(EMPTY_GIT_REPOSITORY, str(error))
            case InvalidReference():
                return Stalled(GIT_OPERATION_FAILED, f"spec.ref: {error}")
            case _:
                message = f"failed to checkout and determine revision: unable to {doing} '{self.url}': {error}"
                return NotReady(GIT_OPERATION_FAILED, message)
