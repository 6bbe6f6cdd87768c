"""GitRepositories driven through the embedded control plane: credentials, hostile neighbours, wake-ups, deletion."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from afflux.api.crds import crd
from afflux.api.kinds import GIT_REPOSITORY
from afflux.artifacts.server import ArtifactServer
from afflux.artifacts.store import ArtifactStore
from afflux.controllers.git_repository import RULES, GitRepositoryReconciler
from afflux.controllers.source import SourceRoad
from afflux.kube.client import KubeClient, PatchType, Selection, Target
from afflux.kube.errors import AlreadyExists, NotFound
from afflux.net.http import HttpSession, Request
from afflux.net.tls import Authority
from afflux.objects.identity import GroupVersionKind, ObjectRef
from afflux.objects.manifest import Json, Manifest
from afflux.remotes.credentials import BasicAuth, BearerToken
from afflux.remotes.git.mirror import Mirrors
from afflux.runtime.conditions import condition_of
from afflux.runtime.controller import Controller, Settings
from afflux.runtime.ends import Cause
from afflux.runtime.manager import Manager
from afflux.runtime.triggers import Triggers
from fleet import is_served
from git_fixture import ServedRepository, Upstream, anyone, git, only, serve
from waiting import eventually

NAMESPACE = "git-repositories"
EVENT = GroupVersionKind("", "v1", "Event")
SECRET = "s3cret-password"


@dataclass
class Bench:
    """A source controller at work in a cluster."""

    client: KubeClient
    store: ArtifactStore
    triggers: Triggers
    directory: Path
    stack: AsyncExitStack

    async def upstream(self, name: str, authorize: Json = anyone, tls: Json = None) -> ServedRepository:
        """A new, empty repository on a server of its own."""
        upstream = Upstream.create(self.directory / name)
        return await self.stack.enter_async_context(serve(upstream, authorize, tls))

    async def create(self, name: str, url: str, **spec: Json) -> None:
        """A GitRepository."""
        body = {"url": url, "interval": "1h", "ref": {"branch": "main"}, **spec}
        kind = {"apiVersion": GIT_REPOSITORY.api_version, "kind": GIT_REPOSITORY.kind}
        await self.client.create({**kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": body})

    async def secret(self, name: str, **data: str) -> None:
        """A Secret; ``__`` stands for a dot in a key."""
        encoded = {key.replace("__", "."): base64.b64encode(text.encode()).decode() for key, text in data.items()}
        metadata = {"name": name, "namespace": NAMESPACE}
        await self.client.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded})

    def target(self, name: str) -> Target:
        return Target(GIT_REPOSITORY.gvk, NAMESPACE, name)

    async def status(self, name: str) -> Manifest:
        found: Manifest = (await self.client.get(self.target(name))).get("status") or {}
        return found

    async def ready(self, name: str, *, commit: str) -> Manifest:
        """Waits until this commit is stored and all is well; the status."""

        async def probe() -> Manifest:
            status = await self.status(name)
            ready = condition_of(status, "Ready") or {}
            revision = (status.get("artifact") or {}).get("revision", "")
            assert ready.get("status") == "True" and revision.endswith(commit), ready
            return status

        return await eventually(probe)

    async def failing(self, name: str, reason: str, words: str) -> Manifest:
        """Waits until Ready is false for a reason, with these words; the whole object."""

        async def probe() -> Manifest:
            found = await self.client.get(self.target(name))
            ready = condition_of(found.get("status") or {}, "Ready") or {}
            assert (ready.get("status"), ready.get("reason")) == ("False", reason), ready
            assert words in ready["message"]
            return found

        return await eventually(probe)

    async def events(self, name: str) -> list[Manifest]:
        """The Kubernetes Events about an object."""
        listing = await self.client.list(EVENT, Selection(NAMESPACE))
        return [event for event in listing.items if event["involvedObject"].get("name") == name]

    def wake(self, name: str) -> None:
        """What a push does."""
        key = ObjectRef(GIT_REPOSITORY.group, GIT_REPOSITORY.kind, NAMESPACE, name)
        self.triggers.wake(GIT_REPOSITORY.kind, key, Cause.SOURCE)


@pytest.fixture
async def bench(kube_client: KubeClient, tmp_path: Path) -> AsyncIterator[Bench]:
    client = kube_client
    await client.apply(crd(GIT_REPOSITORY), field_manager="test")
    await eventually(lambda: is_served(client, GIT_REPOSITORY.gvk))
    try:
        await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    except AlreadyExists:
        pass
    triggers = Triggers()
    store = ArtifactStore(tmp_path / "store", "unset")
    server = ArtifactServer(store)
    await server.start()
    store.address = f"http://127.0.0.1:{server.port}"
    async with AsyncExitStack() as stack, HttpSession() as http:
        reconciler = GitRepositoryReconciler(client, SourceRoad(store), Mirrors(tmp_path / "mirrors"), http)
        controller = Controller(GIT_REPOSITORY, reconciler, RULES, client=client)
        manager = Manager(
            controllers=[controller], triggers=triggers, settings=Settings(selection=Selection(NAMESPACE))
        )
        running = asyncio.create_task(manager.run())
        await manager.until_ready()
        yield Bench(client, store, triggers, tmp_path, stack)
        for one in (await client.list(GIT_REPOSITORY.gvk, Selection(NAMESPACE))).items:
            await client.delete(Target.of(one))
        await eventually(lambda: _none_left(client))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    await server.stop()


async def _none_left(client: KubeClient) -> bool:
    return not (await client.list(GIT_REPOSITORY.gvk, Selection(NAMESPACE))).items


async def test_a_commit_becomes_an_artifact_that_others_can_download(bench: Bench) -> None:
    served = await bench.upstream("one")
    commit = served.upstream.commit({"a.yaml": "1\n"}, "First")
    await bench.create("one", served.url)
    status = await bench.ready("one", commit=commit)
    assert status["observedGeneration"] == 1
    assert [c["type"] for c in status["conditions"]] == ["Ready", "ArtifactInStorage"]
    async with HttpSession() as http:
        answer = await http.request(Request("GET", status["artifact"]["url"]))
    assert (answer.status, len(answer.body)) == (200, status["artifact"]["size"])

    async def told() -> bool:
        found = [(e["type"], e["reason"], e["message"]) for e in await bench.events("one")]
        return found == [("Normal", "NewArtifact", "stored artifact for commit 'First'")]

    await eventually(told)
    [event] = await bench.events("one")
    annotations = event["metadata"]["annotations"]
    assert annotations["source.toolkit.fluxcd.io/revision"] == f"main@sha1:{commit}"
    assert annotations["source.toolkit.fluxcd.io/digest"] == status["artifact"]["digest"]


async def test_a_push_that_wakes_is_followed_at_once_and_so_is_a_request(bench: Bench) -> None:
    served = await bench.upstream("woken")
    first = served.upstream.commit({"a.yaml": "1\n"})
    await bench.create("woken", served.url)
    await bench.ready("woken", commit=first)
    second = served.upstream.commit({"a.yaml": "2\n"})
    bench.wake("woken")
    await bench.ready("woken", commit=second)
    git(served.upstream.work, "reset", "--quiet", "--hard", "HEAD~1")
    forced = served.upstream.commit({"b.yaml": "3\n"})
    body = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}}
    await bench.client.patch(bench.target("woken"), body, patch_type=PatchType.MERGE)
    status = await bench.ready("woken", commit=forced)
    assert status["lastHandledReconcileAt"] == "now"


async def test_credentials_come_from_the_secret_and_a_change_of_it_is_seen(bench: Bench) -> None:
    for name, credentials, data in (
        ("basic", BasicAuth("me", SECRET), {"username": "me", "password": SECRET}),
        ("bearer", BearerToken(SECRET), {"bearerToken": SECRET}),
    ):
        served = await bench.upstream(name, only(credentials.authorization))
        commit = served.upstream.commit({"a.yaml": "1\n"})
        await bench.create(name, served.url, secretRef={"name": name})
        found = await bench.failing(name, "AuthenticationFailed", f"failed to get secret '{NAMESPACE}/{name}'")
        assert condition_of(found["status"], "FetchFailed") is not None
        await bench.secret(name, **data)
        bench.wake(name)
        await bench.ready(name, commit=commit)


async def test_a_bad_password_is_nowhere_shown(bench: Bench) -> None:
    served = await bench.upstream("locked", only(BasicAuth("me", "right").authorization))
    served.upstream.commit({"a.yaml": "1\n"})
    await bench.secret("locked", username="me", password=SECRET)
    await bench.create("locked", served.url, secretRef={"name": "locked"})
    found = await bench.failing("locked", "GitOperationFailed", "the server refuses the credentials")

    async def told() -> list[Manifest]:
        return await bench.events("locked")

    events = await eventually(told)
    assert events[0]["type"] == "Warning"
    assert SECRET not in f"{found} {events}"


async def test_a_self_signed_certificate_is_refused_until_its_authority_is_named(bench: Bench) -> None:
    authority = Authority.create()
    served = await bench.upstream("tls", anyone, authority.server_context(["127.0.0.1"]))
    commit = served.upstream.commit({"a.yaml": "1\n"})
    await bench.create("tls", served.url)
    await bench.failing("tls", "GitOperationFailed", "certificate verification failed: self-signed certificate")
    await bench.secret("tls", ca__crt=authority.ca_pem.decode())
    body = {"spec": {"secretRef": {"name": "tls"}}}
    await bench.client.patch(bench.target("tls"), body, patch_type=PatchType.MERGE)
    await bench.ready("tls", commit=commit)


async def test_bad_neighbours_disturb_nobody(bench: Bench) -> None:
    good, empty, down = [await bench.upstream(name) for name in ("good", "empty", "down")]
    commit = good.upstream.commit({"a.yaml": "1\n"})
    await down.stop()
    await bench.create("empty", empty.url)
    await bench.create("down", down.url)
    await bench.create("no-branch", good.url, ref={"branch": "nope"})
    await bench.create("ssh", "ssh://git@example.com/x")
    await bench.create("too-long", good.url, interval="9999999999h")
    for number in range(5):
        await bench.create(f"good-{number}", good.url)
    for number in range(5):
        await bench.ready(f"good-{number}", commit=commit)
    await bench.failing("empty", "EmptyGitRepository", "git repository is empty")
    await bench.failing("down", "GitOperationFailed", "connection refused")
    await bench.failing("no-branch", "GitOperationFailed", 'couldn\'t find remote ref "refs/heads/nope"')
    stalled = await bench.failing("ssh", "UnsupportedField", "spec.url (ssh)")
    assert condition_of(stalled["status"], "Stalled") is not None
    await bench.failing("too-long", "InvalidObject", "interval")
    mended = {"spec": {"interval": "1h"}}
    await bench.client.patch(bench.target("too-long"), mended, patch_type=PatchType.MERGE)
    await bench.ready("too-long", commit=commit)
    late = empty.upstream.commit({"a.yaml": "1\n"})
    bench.wake("empty")
    await bench.ready("empty", commit=late)


async def test_objects_that_name_one_repository_share_one_mirror(bench: Bench) -> None:
    served = await bench.upstream("shared")
    commit = served.upstream.commit({"a.yaml": "1\n"})
    for number in range(4):
        await bench.create(f"shared-{number}", served.url)
    for number in range(4):
        await bench.ready(f"shared-{number}", commit=commit)
    assert len(list((bench.directory / "mirrors").glob("*/*.git"))) == 1
    # One fetch asks three times (capabilities, references, objects), and each object polls with two requests.
    assert len(served.requests) == 4 * 2 + 3


async def test_deletion_removes_the_artifact(bench: Bench) -> None:
    served = await bench.upstream("gone")
    commit = served.upstream.commit({"a.yaml": "1\n"})
    await bench.create("gone", served.url)
    status = await bench.ready("gone", commit=commit)
    path = bench.store.root / status["artifact"]["path"]
    assert path.exists()
    await bench.client.delete(bench.target("gone"))

    async def gone() -> bool:
        try:
            await bench.client.get(bench.target("gone"))
        except NotFound:
            return True
        return False

    await eventually(gone)
    assert not path.parent.exists()


async def test_a_suspended_repository_keeps_its_status(bench: Bench) -> None:
    served = await bench.upstream("idle")
    first = served.upstream.commit({"a.yaml": "1\n"})
    await bench.create("idle", served.url)
    before = await bench.ready("idle", commit=first)
    await bench.client.patch(bench.target("idle"), {"spec": {"suspend": True}}, patch_type=PatchType.MERGE)
    served.upstream.commit({"a.yaml": "2\n"})
    asked = len(served.requests)
    bench.wake("idle")
    await bench.client.patch(bench.target("idle"), {"spec": {"suspend": False}}, patch_type=PatchType.MERGE)
    third = served.upstream.commit({"a.yaml": "3\n"})
    bench.wake("idle")
    after = await bench.ready("idle", commit=third)
    assert len(served.requests) > asked
    assert after["artifact"]["digest"] != before["artifact"]["digest"]
