"""A GitRepository's runs, against the real git behind a real server: what is stored, and what is told."""

import base64
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
import structlog
from structlog.testing import capture_logs

from afflux.api.git_repository import GitRepository
from afflux.api.kinds import decode_as
from afflux.artifacts.store import ArtifactStore
from afflux.artifacts.unpacked import UnpackedArtifacts
from afflux.controllers.git_credentials import InvalidSecret, access_of
from afflux.controllers.git_repository import RULES, GitRepositoryReconciler
from afflux.controllers.source import SourceRoad
from afflux.kube.client import KubeClient
from afflux.kube.config import parse_config
from afflux.net.http import HttpSession
from afflux.net.tls import Authority
from afflux.objects.identity import ref_of
from afflux.objects.manifest import Json, Manifest
from afflux.remotes.credentials import BasicAuth, BearerToken
from afflux.remotes.git.mirror import Mirrors
from afflux.remotes.git.remote import parse_remote
from afflux.runtime.conditions import condition_of
from afflux.runtime.ends import Cause
from afflux.runtime.outcome import RecordedEvent, RunLog, Settlement, settle
from afflux.runtime.reconciler import Run
from git_fixture import Upstream, anyone, git, serve

NOWHERE = """
apiVersion: v1
kind: Config
clusters: [{name: x, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: x, user: {}}]
contexts: [{name: x, context: {cluster: x, user: x}}]
current-context: x
"""


ARTIFACT = {
    "digest": "sha256:" + "0" * 64,
    "path": "gitrepository/flux-system/app/0.tar.gz",
    "url": "http://artifacts.example.com/gitrepository/flux-system/app/0.tar.gz",
    "revision": "main@sha1:0",
    "lastUpdateTime": "2026-01-01T00:00:00Z",
}


@dataclass
class Driver:
    """Runs the reconciler as the runtime does, and keeps the object's status between runs."""

    reconciler: GitRepositoryReconciler
    store: ArtifactStore
    manifest: Manifest = field(default_factory=dict)
    causes: frozenset[Cause] = frozenset({Cause.INTERVAL})
    published: list[Manifest] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def status(self) -> Manifest:
        return cast(Manifest, self.manifest.setdefault("status", {"observedGeneration": -1}))

    def condition(self, kind: str) -> tuple[str, str, str] | None:
        """Status, reason and message."""
        found = condition_of(self.status, kind)
        return found and (found["status"], found["reason"], found["message"])

    async def run(self, **spec: Json) -> Settlement:
        """One run, with these fields of spec changed before."""
        if spec:
            self.manifest["spec"] = {**self.manifest["spec"], **spec}
            self.manifest["metadata"]["generation"] += 1
        run: Run[GitRepository] = Run(
            object=decode_as(GitRepository, self.manifest),
            manifest=self.manifest,
            key=ref_of(self.manifest),
            causes=self.causes,
            log=structlog.get_logger(),
            clock=lambda: datetime.now(UTC),
            publisher=self._publish,
        )
        with capture_logs() as captured:
            try:
                end = await self.reconciler.reconcile(run)
            except Exception as error:
                end = run.failed_by(error)  # type: ignore[assignment]
        self.lines = [line["event"] for line in captured if line["log_level"] != "debug"]
        settlement = settle(self.status, run.log_so_far(end), RULES, datetime.now(UTC))
        self.manifest["status"] = settlement.status
        return settlement

    async def _publish(self, log: RunLog[GitRepository]) -> None:
        self.published.append(settle(self.status, log, RULES, datetime.now(UTC)).status)


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream.create(tmp_path / "upstream")


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[Driver]:
    store = ArtifactStore(tmp_path / "store", "artifacts.example.com")
    client = KubeClient.connect(parse_config(NOWHERE))
    async with HttpSession() as http:
        reconciler = GitRepositoryReconciler(client, SourceRoad(store), Mirrors(tmp_path / "mirrors"), http)
        yield Driver(reconciler, store)
    await client.close()


def follow(driver: Driver, url: str, **spec: Json) -> None:
    """The object that the driver runs from now on."""
    driver.manifest = {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": "app", "namespace": "flux-system", "generation": 1},
        "spec": {"url": url, "interval": "1m", "ref": {"branch": "main"}, **spec},
    }


def events(settlement: Settlement) -> list[tuple[str, str, str]]:
    return [(event.severity, event.reason, event.message) for event in settlement.events]


async def test_a_commit_is_stored_and_told(driver: Driver, upstream: Upstream) -> None:
    commit = upstream.commit({"a.yaml": "1\n", "logo.png": "x"}, "Add a\n\nand more")
    async with serve(upstream) as served:
        follow(driver, served.url)
        settlement = await driver.run()
    revision = f"main@sha1:{commit}"
    stored = f"stored artifact for revision '{revision}'"
    assert driver.condition("Ready") == ("True", "Succeeded", stored)
    assert driver.condition("ArtifactInStorage") == ("True", "Succeeded", stored)
    assert [c["type"] for c in driver.status["conditions"]] == ["Ready", "ArtifactInStorage"]
    artifact = driver.status["artifact"]
    assert artifact["revision"] == revision
    assert artifact["path"] == f"gitrepository/flux-system/app/{commit}.tar.gz"
    assert artifact["url"] == f"http://artifacts.example.com/{artifact['path']}"
    assert driver.status["observedGeneration"] == 1
    metadata = {"revision": revision, "digest": artifact["digest"]}
    assert settlement.events == (RecordedEvent("info", "NewArtifact", "stored artifact for commit 'Add a'", metadata),)
    assert driver.lines == ["stored artifact for commit 'Add a'"]
    finished = settlement.log_lines[0]
    assert finished.message.startswith("Reconciliation finished in ")
    assert finished.message.endswith(", next run in 1m0s")
    assert finished.fields == {"revision": revision}
    [under_way] = driver.published
    message = f"building artifact: new upstream revision '{revision}'"
    assert condition_of(under_way, "ArtifactOutdated") is None
    progress = condition_of(under_way, "Reconciling")
    assert progress is not None
    assert (progress["reason"], progress["message"]) == ("Progressing", message)


async def test_nothing_is_fetched_or_told_when_nothing_moved(driver: Driver, upstream: Upstream) -> None:
    commit = upstream.commit({"a.yaml": "1\n"})
    async with serve(upstream) as served:
        follow(driver, served.url)
        await driver.run()
        before = dict(driver.status)
        driver.published.clear()
        served.requests.clear()
        settlement = await driver.run()
        assert served.requests == ["GET /repo.git/info/refs", "POST /repo.git/git-upload-pack"]
    assert driver.status == before
    assert settlement.events == ()
    assert driver.published == []
    assert driver.lines == [f"no changes since last reconciliation: observed revision 'main@sha1:{commit}'"]


async def test_another_ignore_makes_another_artifact_of_the_same_commit(driver: Driver, upstream: Upstream) -> None:
    upstream.commit({"a.yaml": "1\n", "b.yaml": "2\n"}, "Both")
    async with serve(upstream) as served:
        follow(driver, served.url)
        await driver.run()
        before = driver.status["artifact"]
        driver.published.clear()
        settlement = await driver.run(ignore="b.yaml")
        assert driver.published == []
        assert driver.status["observedIgnore"] == "b.yaml"
        assert driver.status["artifact"]["revision"] == before["revision"]
        assert driver.status["artifact"]["digest"] != before["digest"]
        assert events(settlement) == [("info", "NewArtifact", "stored artifact for commit 'Both'")]
        await driver.run(ignore=None)
        assert "observedIgnore" not in driver.status
        assert driver.status["artifact"]["digest"] == before["digest"]


@pytest.mark.parametrize("damage", ["gone", "torn"])
async def test_an_artifact_that_vanished_or_was_torn_is_made_anew(
    driver: Driver, upstream: Upstream, damage: str
) -> None:
    upstream.commit({"a.yaml": "1\n"}, "One")
    async with serve(upstream) as served:
        follow(driver, served.url)
        await driver.run()
        before = driver.status["artifact"]
        path = driver.store.root / before["path"]
        if damage == "gone":
            path.unlink()
        else:
            path.write_bytes(b"torn")
        settlement = await driver.run()
    assert driver.status["artifact"]["digest"] == before["digest"]
    driver.store.verify(decode_as(GitRepository, driver.manifest).status.artifact)  # type: ignore[arg-type]
    told = [(reason, message[:40]) for kind, reason, message in events(settlement) if kind == "error"]
    verified = ("ArtifactVerificationFailed", "failed to verify integrity of artifact: ")
    assert told == ([] if damage == "gone" else [verified])
    rebuilt = driver.published[-1]
    assert condition_of(rebuilt, "ArtifactOutdated") is None
    assert (condition_of(rebuilt, "Ready") or {})["status"] == "Unknown"
    assert "artifact" not in rebuilt


async def test_an_artifact_that_is_superseded_is_called_outdated_meanwhile(driver: Driver, upstream: Upstream) -> None:
    upstream.commit({"a.yaml": "1\n"})
    async with serve(upstream) as served:
        follow(driver, served.url)
        await driver.run()
        driver.published.clear()
        commit = upstream.commit({"a.yaml": "2\n"})
        await driver.run()
    [under_way] = driver.published
    outdated = condition_of(under_way, "ArtifactOutdated")
    assert outdated is not None
    assert (outdated["reason"], outdated["message"]) == ("NewRevision", f"new upstream revision 'main@sha1:{commit}'")
    assert driver.condition("ArtifactOutdated") is None


async def test_a_look_that_somebody_asked_for_is_told_and_so_is_collected_garbage(
    driver: Driver, upstream: Upstream
) -> None:
    commit = upstream.commit({"a.yaml": "1\n"})
    async with serve(upstream) as served:
        follow(driver, served.url)
        await driver.run()
        old = driver.store.root / "gitrepository/flux-system/app/old.tar.gz"
        old.touch()
        os.utime(old, (0, 0))
        driver.causes = frozenset({Cause.REQUEST})
        settlement = await driver.run()
    assert list(settlement.events) == [
        RecordedEvent("trace", "GarbageCollectionSucceeded", "garbage collected 1 artifacts", {}),
        RecordedEvent(
            "trace",
            "GitOperationSucceeded",
            f"no changes since last reconciliation: observed revision 'main@sha1:{commit}'",
            {},
        ),
    ]
    assert driver.lines == [event.message for event in settlement.events]


async def test_an_empty_repository_is_waited_for(driver: Driver, upstream: Upstream) -> None:
    async with serve(upstream) as served:
        follow(driver, served.url)
        settlement = await driver.run()
        assert driver.condition("Ready") == ("False", "EmptyGitRepository", "git repository is empty")
        assert driver.condition("FetchFailed") == ("True", "EmptyGitRepository", "git repository is empty")
        assert driver.condition("Reconciling") is not None
        assert events(settlement) == [("error", "EmptyGitRepository", "git repository is empty")]
        upstream.commit({"a.yaml": "1\n"})
        await driver.run()
    assert driver.condition("FetchFailed") is None
    assert driver.condition("Ready") is not None
    assert driver.condition("Ready")[0] == "True"  # type: ignore[index]


async def test_a_failure_keeps_the_artifact_and_its_end_is_told(driver: Driver, upstream: Upstream) -> None:
    upstream.commit({"a.yaml": "1\n"})
    async with serve(upstream) as served:
        follow(driver, served.url)
        await driver.run()
        artifact = driver.status["artifact"]
        await driver.run(ref={"branch": "nope"})
        message = (
            "failed to checkout and determine revision: "
            f"unable to list remote for '{served.url}': couldn't find remote ref \"refs/heads/nope\""
        )
        assert driver.condition("Ready") == ("False", "GitOperationFailed", message)
        assert driver.condition("FetchFailed") == ("True", "GitOperationFailed", message)
        assert driver.condition("ArtifactInStorage") is not None
        assert driver.status["artifact"] == artifact
        assert driver.status["observedGeneration"] == 1
        settlement = await driver.run(ref={"branch": "main"})
    assert events(settlement) == [("info", "Succeeded", f"stored artifact for commit '{artifact['revision']}'")]
    assert [c["type"] for c in driver.status["conditions"]] == ["Ready", "ArtifactInStorage"]


async def test_a_server_that_is_down_is_named_and_what_was_stored_stays(driver: Driver, upstream: Upstream) -> None:
    upstream.commit({"a.yaml": "1\n"})
    async with serve(upstream) as served:
        follow(driver, served.url)
        await driver.run()
        await served.stop()
        await driver.run()
    assert driver.condition("Ready") is not None
    assert "connection refused" in driver.condition("Ready")[2]  # type: ignore[index]
    assert driver.status["artifact"]["revision"].startswith("main@sha1:")


async def test_a_forced_push_is_followed(driver: Driver, upstream: Upstream, tmp_path: Path) -> None:
    upstream.commit({"a.yaml": "1\n"})
    upstream.commit({"a.yaml": "2\n"})
    async with serve(upstream) as served:
        follow(driver, served.url)
        await driver.run()
        git(upstream.work, "reset", "--quiet", "--hard", "HEAD~1")
        forced = upstream.commit({"b.yaml": "3\n"}, "Forced")
        settlement = await driver.run()
    assert driver.status["artifact"]["revision"] == f"main@sha1:{forced}"
    assert events(settlement) == [("info", "NewArtifact", "stored artifact for commit 'Forced'")]
    artifact = decode_as(GitRepository, driver.manifest).status.artifact
    assert artifact is not None
    directory = await UnpackedArtifacts(tmp_path / "unpacked", driver.store).directory(artifact)
    assert {path.name: path.read_text() for path in directory.iterdir()} == {"a.yaml": "1\n", "b.yaml": "3\n"}


async def test_a_bad_password_in_the_url_is_never_shown(driver: Driver, upstream: Upstream) -> None:
    async with serve(upstream, lambda header: False) as served:
        follow(driver, served.url.replace("://", "://me:s3cret@"))
        settlement = await driver.run()
    condition = driver.condition("Ready")
    assert condition is not None
    assert condition[1] == "GitOperationFailed"
    assert condition[2].endswith("authentication failed: the server refuses the credentials (HTTP 401)")
    assert "s3cret" not in f"{driver.status} {settlement}"


async def test_a_self_signed_certificate_is_named(driver: Driver, upstream: Upstream) -> None:
    async with serve(upstream, anyone, Authority.create().server_context(["127.0.0.1"])) as served:
        follow(driver, served.url)
        await driver.run()
    assert driver.condition("Ready") is not None
    assert "TLS: " in driver.condition("Ready")[2]  # type: ignore[index]
    assert "self-signed certificate" in driver.condition("Ready")[2]  # type: ignore[index]


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        ({"url": "http://"}, "URLInvalid", "failed to parse url: the URL names no host"),
        ({"url": "http://h/x", "ref": {"branch": "--upload-pack=x y"}}, "GitOperationFailed", "spec.ref: "),
        ({"url": "http://h/x", "ref": {"commit": "abc"}}, "GitOperationFailed", "spec.ref: 'abc' is not a full"),
    ],
)
async def test_what_only_a_person_can_mend_stalls(driver: Driver, spec: Manifest, reason: str, words: str) -> None:
    follow(driver, **spec)
    settlement = await driver.run()
    stalled = driver.condition("Stalled")
    assert stalled is not None
    assert stalled[1] == reason
    assert words in stalled[2]
    assert driver.condition("FetchFailed") == ("True", *stalled[1:])
    assert settlement.requeue is None


async def test_the_storage_is_looked_at_before_the_url_and_the_credentials(driver: Driver) -> None:
    follow(driver, "http://")
    driver.manifest["status"] = {"artifact": ARTIFACT, "observedGeneration": 1}
    await driver.run()
    assert "artifact" not in driver.status
    follow(driver, "https://git.example.com/x", secretRef={"name": "unreachable"})
    await driver.run()
    assert (condition_of(driver.status, "Reconciling") or {})["message"] == "building artifact"
    assert (condition_of(driver.status, "FetchFailed") or {})["reason"] == "AuthenticationFailed"


async def test_an_unwritable_store_is_a_storage_failure(driver: Driver, upstream: Upstream) -> None:
    upstream.commit({"a.yaml": "1\n"})
    driver.store.root.mkdir(parents=True, exist_ok=True)
    (driver.store.root / "gitrepository").write_text("in the way")
    async with serve(upstream) as served:
        follow(driver, served.url)
        await driver.run()
        failed = driver.condition("StorageOperationFailed")
        assert failed is not None
        assert failed[:2] == ("True", "ArchiveOperationFailed")
        assert driver.condition("Ready") == ("False", *failed[1:])
        assert driver.condition("FetchFailed") is None
        (driver.store.root / "gitrepository").unlink()
        await driver.run()
    assert [c["type"] for c in driver.status["conditions"]] == ["Ready", "ArtifactInStorage"]


async def test_finalizing_removes_what_was_stored(driver: Driver, upstream: Upstream) -> None:
    upstream.commit({"a.yaml": "1\n"})
    async with serve(upstream) as served:
        follow(driver, served.url)
        await driver.run()
    run: Run[GitRepository] = Run(
        object=decode_as(GitRepository, driver.manifest),
        manifest=driver.manifest,
        key=ref_of(driver.manifest),
        causes=frozenset(),
        log=structlog.get_logger(),
        clock=lambda: datetime.now(UTC),
        publisher=driver._publish,
    )
    await driver.reconciler.finalize(run)
    assert not (driver.store.root / "gitrepository/flux-system/app").exists()


def secret(**data: str) -> Manifest:
    return {"data": {key.replace("__", "."): base64.b64encode(value.encode()).decode() for key, value in data.items()}}


PLAIN = parse_remote("https://h/x")


def test_secrets_are_read_as_flux_reads_them() -> None:
    assert access_of(secret(username="a", password="b"), PLAIN).credentials == BasicAuth("a", "b")
    assert access_of(secret(username="a", password="b", bearerToken="t"), PLAIN).credentials == BearerToken("t")
    assert access_of({}, PLAIN).credentials is None
    authority = Authority.create().ca_pem.decode()
    trust = access_of(secret(ca__crt=authority, caFile="ignored"), PLAIN).trust
    assert trust is not None
    assert trust.pem.decode() == authority


def test_what_a_secret_lacks_is_taken_from_the_url() -> None:
    remote = parse_remote("https://me:old@h/x")
    assert access_of(secret(password="new"), remote).credentials == BasicAuth("me", "new")
    assert access_of(secret(username="you"), remote).credentials == BasicAuth("you", "old")
    assert access_of({}, remote).credentials == BasicAuth("me", "old")
    with pytest.raises(InvalidSecret, match="basic auth and bearer token cannot be set at the same time"):
        access_of(secret(bearerToken="t"), remote)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"password": "s3cret"}, "invalid 'https' auth option: 'password' requires 'username' to be set"),
        ({"username": "a", "password": "s3cret\n"}, "password holds a line break"),
        ({"ca__crt": "s3cret"}, "ca.crt: no certificate"),
        ({"tls__crt": "s3cret", "tls__key": "s3cret"}, "tls.crt, tls.key: not supported"),
        ({"githubAppID": "1"}, "has github app data but provider is not set to github"),
    ],
)
def test_secrets_that_can_not_be_used_are_named_by_their_key(data: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidSecret, match=words) as caught:
        access_of(secret(**data), PLAIN)
    assert "s3cret" not in str(caught.value)


def test_a_secret_that_is_not_base64_is_named_by_its_key() -> None:
    with pytest.raises(InvalidSecret, match="username is not base64"):
        access_of({"data": {"username": "s3cret!"}}, PLAIN)
