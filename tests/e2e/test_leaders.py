"""Two replicas with Leases on a real kube-apiserver, whose audit log says who wrote what, and when."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from afflux.api.kinds import GIT_REPOSITORY, KUSTOMIZATION
from afflux.app.git_server import GitServer
from afflux.app.root_objects import Root, namespace, root_objects
from afflux.kube.client import KubeClient, Target
from afflux.kube.config import load_config
from afflux.kube.errors import NotFound
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Manifest
from git_fixture import Upstream
from link import Link
from process_fleet import free_port
from real_cluster import RealCluster, assets, missing
from replicas import SHORT, Replica, Write, assert_never_two, terms, timeouts, writes
from waiting import eventually, let_pass

pytestmark = [pytest.mark.e2e, pytest.mark.real_only, pytest.mark.timeout(400)]

TOKEN = "a-token-for-tests"
USERS = ("first", "second")
LEASE = GroupVersionKind("coordination.k8s.io", "v1", "Lease")
ROOT = Target(GIT_REPOSITORY.gvk, "flux-system", "flux-system")


def content(number: int) -> dict[str, str | bytes | None]:
    """A repository with many objects, all of which each commit changes."""
    return {
        f"{name}.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: default\n"
        f'data:\n  commit: "{number}"\n'
        for name in ("alpha", *(f"beta-{each}" for each in range(40)))
    }


class Scene:
    """A real cluster, a Git server, and the two replicas."""

    def __init__(self, work: Path, cluster: RealCluster, client: KubeClient) -> None:
        self.work, self.cluster, self.client = work, cluster, client
        self.upstream = Upstream.create(work / "git")
        self.git = GitServer(self.upstream.bare, TOKEN, port=free_port())
        self.replicas: list[Replica] = []
        self._commits = 0

    def replica(self, name: str, port: int = 0, times: dict[str, str] = SHORT, *flags: str) -> Replica:
        """A replica that is the user of the same name; ``port``: where it thinks that the API server is."""
        token = next(token for token, user in self.cluster.users.items() if user == name)
        path = self.work / f"{name}.kubeconfig"
        self.cluster.kubeconfig_with(token, path)
        path.write_text(path.read_text().replace(str(self.cluster.port), str(port or self.cluster.port)))
        replica = Replica(name, self.work, path, times, *flags)
        self.replicas.append(replica)
        return replica

    async def push(self) -> str:
        """One commit more."""
        self._commits += 1
        return await asyncio.to_thread(self.upstream.commit, content(self._commits))

    async def apply_root(self) -> None:
        """What a person applies, once the CRDs are there."""
        root = Root(self.git.url, "main", "./", "git", TOKEN, interval="1s")
        for manifest in [namespace(), *root_objects(root)]:
            await self.client.apply(manifest, field_manager="a-person")

    async def applied(self, commit: str, timeout: float = 120.0) -> None:
        """Waits until a commit is applied and all is well."""

        async def probe() -> bool:
            status = (await self.client.get(Target(KUSTOMIZATION.gvk, "flux-system", "flux-system"))).get("status", {})
            assert status.get("lastAppliedRevision", "").endswith(commit), status
            return True

        await eventually(probe, timeout)

    async def keep_pushing(self, stop: asyncio.Event) -> None:
        """Gives whoever leads something to write all the time."""
        while not stop.is_set():
            await self.push()
            await asyncio.sleep(0.3)

    async def artifact_path(self) -> str:
        """The path of the artifact that status names."""
        return str((await self.client.get(ROOT))["status"]["artifact"]["path"])

    async def holder(self) -> Manifest:
        """The spec of the Lease."""
        lease = await self.client.get(Target(LEASE, "flux-system", "source-controller-leader-election"))
        spec: Manifest = lease["spec"]
        return spec

    def writes(self) -> list[Write]:
        """What the replicas wrote."""
        return writes(self.cluster.audit_log, USERS)

    def assert_in_turns(self, *users: str) -> None:
        """Each of these users wrote, in this order, and never two at a time."""
        found = self.writes()
        assert_never_two(found)
        assert tuple(user for user, _ in terms(found)) == users, terms(found)


@asynccontextmanager
async def scene_in(work: Path) -> AsyncIterator[Scene]:
    folder = assets()
    assert folder is not None, missing()
    cluster = RealCluster(work / "real", folder, audit=True)
    cluster.users |= {f"token-of-{user}": user for user in USERS}
    with cluster:
        client = KubeClient.connect(load_config(cluster.kubeconfig))
        scene = Scene(work, cluster, client)
        await scene.push()
        await scene.git.start()
        try:
            yield scene
        finally:
            for replica in scene.replicas:
                await replica.kill()
            await scene.git.stop()
            await client.close()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene_in(tmp_path) as scene:
        yield scene


async def started(scene: Scene, port: int = 0, times: dict[str, str] = SHORT) -> tuple[Replica, Replica]:
    """The first replica leads and has applied something; the second stands by."""
    first = await scene.replica("first", port, times).start()
    await first.leads()
    await scene.apply_root()
    await scene.applied(await scene.push())
    second = await scene.replica("second", 0, times).start()
    await second.stands_by()
    return first, second


@asynccontextmanager
async def busy(scene: Scene) -> AsyncIterator[None]:
    """Commits come all the time."""
    stop = asyncio.Event()
    pushing = asyncio.create_task(scene.keep_pushing(stop))
    try:
        yield
    finally:
        stop.set()
        await pushing


async def test_a_killed_leaders_work_is_taken_up_with_what_git_has_now(scene: Scene) -> None:
    first = await scene.replica("first").start()
    await first.leads()
    await scene.apply_root()
    await scene.applied(await scene.push())
    path = await scene.artifact_path()
    assert (await first.artifact(path))[0] == 200
    second = scene.replica("second")
    shutil.copytree(first.data / "artifacts", second.data / "artifacts")  # a volume that outlives its Pod
    await second.start()
    assert str((await scene.holder())["holderIdentity"]) in await second.stands_by()
    assert await second.artifact(path) == (503, "not the leader\n")
    assert (await second.artifact(""))[0] == 503

    await scene.git.stop()
    commit = await scene.push()
    await first.kill()
    await second.leads()
    assert (await second.artifact(""))[0] == 200
    assert await second.artifact(path) == (503, "not fetched anew yet by this leader\n")
    await asyncio.to_thread(let_pass, 3)  # time in which a stale artifact would be applied, or served
    assert await second.artifact(path) == (503, "not fetched anew yet by this leader\n")
    kustomization = await scene.client.get(Target(KUSTOMIZATION.gvk, "flux-system", "flux-system"))
    ready = [c["status"] for c in kustomization["status"]["conditions"] if c["type"] == "Ready"]
    assert ready == ["True"]

    await scene.git.start()
    await scene.applied(commit)
    assert (await second.artifact(await scene.artifact_path()))[0] == 200
    scene.assert_in_turns("first", "second")


async def test_an_artifact_that_is_still_current_is_served_once_its_source_was_asked(scene: Scene) -> None:
    first, second = scene.replica("first"), scene.replica("second")
    await first.start()
    await first.leads()
    await scene.apply_root()
    await scene.applied(await scene.push())
    path = await scene.artifact_path()
    shutil.copytree(first.data / "artifacts", second.data / "artifacts")
    await second.start()
    await second.stands_by()
    await first.kill()
    await second.leads()

    async def served() -> bool:
        return (await second.artifact(path))[0] == 200

    await eventually(served, 60)
    assert await scene.artifact_path() == path
    await scene.applied(await scene.push())
    scene.assert_in_turns("first", "second")


async def test_a_leader_that_is_cut_off_stops_before_another_one_begins(scene: Scene) -> None:
    async with Link(scene.cluster.port) as link:
        first, second = await started(scene, link.port)
        async with busy(scene):
            await asyncio.to_thread(let_pass, 3)
            link.cut()
            await second.leads()
            assert await first.ended(60) == 1
            link.mend()
        assert "no longer the leader" in first.said().splitlines()[-1]
        await scene.applied(await scene.push())
        scene.assert_in_turns("first", "second")


async def test_a_leader_that_was_paused_for_forty_seconds_writes_nothing_afterwards(scene: Scene) -> None:
    first, second = await started(scene, times={})
    async with busy(scene):
        await asyncio.to_thread(let_pass, 3)
        first.send(signal.SIGSTOP)
        await asyncio.to_thread(let_pass, 40)
        first.send(signal.SIGCONT)
        assert await first.ended(60) == 1
        await second.leads()
    assert "paused for too long" in first.said().splitlines()[-1]
    await scene.applied(await scene.push())
    scene.assert_in_turns("first", "second")


async def test_pauses_in_the_midst_of_writing_never_make_two_writers(scene: Scene) -> None:
    leading, standing_by = await started(scene)
    expected = [leading.name]
    async with busy(scene):
        for seconds in (1.37, 0.71, 0.29):
            await asyncio.to_thread(let_pass, seconds)
            leading.send(signal.SIGSTOP)
            await standing_by.leads()
            await asyncio.to_thread(let_pass, 1.0)
            leading.send(signal.SIGCONT)
            assert await leading.ended(60) == 1
            leading, standing_by = standing_by, await leading.start()
            await standing_by.stands_by()
            expected.append(leading.name)
    await scene.applied(await scene.push())
    scene.assert_in_turns(*expected)


async def test_a_leader_that_stops_in_order_hands_over_at_once(scene: Scene) -> None:
    first, second = await started(scene, times={})
    async with busy(scene):
        await asyncio.to_thread(let_pass, 2)
        first.send(signal.SIGTERM)
        assert await first.ended() == 0
        await second.leads(30)  # the Lease would have lasted for 35 s
    await scene.applied(await scene.push())
    scene.assert_in_turns("first", "second")


async def test_the_server_is_told_to_be_done_before_the_lease_ends(scene: Scene) -> None:
    first = await scene.replica("first", 0, {}).start()
    await first.leads()
    await scene.apply_root()
    await scene.applied(await scene.push())
    found = [write for write in scene.writes() if write.uri != "/api/v1/namespaces"]  # made for the Leases, beforehand
    granted = timeouts(found)
    assert len(granted) == len(found) > 0
    assert all(0 < seconds < 35 for seconds in granted), granted
    assert [write for write in found if write.code >= 500] == []


async def test_whoever_comes_back_to_its_data_directory_need_not_wait(scene: Scene) -> None:
    first = await scene.replica("first", 0, {}).start()
    await first.leads()
    await scene.apply_root()
    await first.kill()
    await first.start()
    await first.leads(30)
    await scene.applied(await scene.push())


async def test_a_lease_that_somebody_else_took_ends_the_process(scene: Scene) -> None:
    first = await scene.replica("first").start()
    await first.leads()
    target = Target(LEASE, "flux-system", "kustomize-controller-leader-election")
    spec: dict[str, Any] = {"holderIdentity": "kustomize-controller-7d9f_b2", "leaseDurationSeconds": 35}
    await scene.client.patch(target, {"spec": spec})
    assert await first.ended(60) == 1
    last = first.said().splitlines()[-1]
    assert "the Lease flux-system/kustomize-controller-leader-election is held by kustomize-controller-7d9f_b2" in last
    with pytest.raises(NotFound):
        await scene.client.get(Target(GroupVersionKind("", "v1", "ConfigMap"), "default", "alpha"))
