"""The API server fails in all the ways it can: the controllers go on by themselves, lose nothing and delete nothing.

Each fault has a commit in it. Afterwards the cluster is as Git says, what other people wrote is still there, nothing
was deleted that the repository still has, the process never ended, and its log stayed readable.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from afflux.net.tls import Authority
from faulty_server import EmbeddedServer, FaultyServer, RealServer
from process_fleet import Fleet, apply_root, fleet_in
from real_cluster import RealCluster
from recording_proxy import RecordingProxy
from waiting import eventually, let_pass

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

LINES_A_SECOND = 8
"""What a log may grow by while a server is away, and stay readable."""

KINDS = "deployments,configmaps,serviceaccounts,namespaces,gitrepositories,kustomizations"


@pytest.fixture
def server(request: pytest.FixtureRequest, cluster_kind: str) -> FaultyServer:
    """A server of the test's own."""
    return RealServer(request.getfixturevalue("real")) if cluster_kind == "real" else EmbeddedServer()


@pytest.fixture
def embedded() -> FaultyServer:
    """For what a proxy does in any server's place."""
    return EmbeddedServer()


def image(number: int) -> Callable[[str], str]:
    """An edit: the app's image is another one."""
    return lambda text: text.replace(f"image: nginx:1.27.{number - 1}", f"image: nginx:1.27.{number}")


@dataclass
class Site:
    """A fleet that has applied its first commit, and what it was like then."""

    fleet: Fleet
    proxy: RecordingProxy
    pid: int
    uids: dict[str, str]
    began: float
    lines: int

    async def stays_up(self) -> None:
        """Neither liveness nor readiness may depend on the API server: a restart would help nobody."""
        assert self.fleet.processes["run"].returncode is None, self.log()[-3000:]
        for path in ("healthz", "readyz"):
            url = f"http://127.0.0.1:{self.fleet.health}/{path}"
            async with aiohttp.ClientSession() as http, http.get(url) as answer:
                assert answer.status == 200, await answer.text()

    async def somebody_else_writes(self) -> None:
        """An annotation that isn't ours, and a condition that isn't ours in a status that is."""
        # Not as kubectl: what people set by hand is taken over, as in Flux.
        await self.fleet.kubectl("annotate", "deployment", "nginx", "team=web", "--field-manager=team")
        mine = (
            '{"type":"Audited","status":"True","reason":"x","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}'
        )
        patch = f'[{{"op":"add","path":"/status/conditions/-","value":{mine}}}]'
        options = ["--subresource=status", "--type=json", "--patch", patch]
        await self.fleet.kubectl("patch", "kustomization", "apps", "-n", "flux-system", *options)

    async def is_whole(self, commit: str, number: int) -> None:
        """The cluster is as the commit says, and nothing was lost on the way."""
        await self.fleet.applied(commit)
        deployment = await self.fleet.get("deployment", "nginx")
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        assert container["image"] == f"nginx:1.27.{number}"
        assert deployment["spec"]["replicas"] == 2
        assert {key: uid for key, uid in (await uids(self.fleet)).items() if key in self.uids} == self.uids
        assert self.proxy.deletions() == []
        await self.stays_up()
        assert self.fleet.processes["run"].pid == self.pid
        seconds = time.monotonic() - self.began
        assert self.log().count("\n") - self.lines < 50 + LINES_A_SECOND * seconds, self.log()[-5000:]
        assert "internal error" not in self.log()
        assert "Traceback" not in self.log()

    async def keeps_what_others_wrote(self) -> None:
        """What `somebody_else_writes` wrote."""
        assert (await self.fleet.get("deployment", "nginx"))["metadata"]["annotations"]["team"] == "web"
        status = (await self.fleet.get("kustomization", "apps", "-n", "flux-system"))["status"]
        assert "Audited" in [condition["type"] for condition in status["conditions"]]

    def log(self) -> str:
        """What the controllers said."""
        return (self.fleet.work / "run.log").read_text()


async def uids(fleet: Fleet) -> dict[str, str]:
    """Everything that the repository declares, and the root: an object that was made again has another uid."""
    items = (await fleet.get(KINDS, "--all-namespaces"))["items"]
    ours = [one for one in items if "kustomize.toolkit.fluxcd.io/name" in one["metadata"].get("labels", {})]
    names = {f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["uid"] for one in ours}
    assert len(names) >= 5, names
    return names


@asynccontextmanager
async def at_work(work: Path, server: FaultyServer, *, direct: bool = False) -> AsyncIterator[Site]:
    """A site whose first commit is applied, and where somebody else has written, too."""
    async with fleet_in(work, server.start, direct=direct) as (fleet, proxy, git):
        await apply_root(fleet, git)
        await fleet.applied(await fleet.run("git", "rev-parse", "HEAD", cwd=work / "clone"))
        site = Site(fleet, proxy, fleet.processes["run"].pid, await uids(fleet), time.monotonic(), 0)
        site.lines = site.log().count("\n")
        await site.somebody_else_writes()
        yield site


async def test_a_server_that_is_killed_and_restarted(tmp_path: Path, server: FaultyServer) -> None:
    async with at_work(tmp_path, server) as site:
        for number in (1, 2):
            await server.kill(site.fleet)
            commit = await site.fleet.push(f"Image {number}", image(number))
            await asyncio.to_thread(let_pass, 4.0)
            await site.stays_up()
            await server.restart(site.fleet)
            await site.is_whole(commit, number)
        await site.keeps_what_others_wrote()


@pytest.mark.parametrize("how", ["paused", "stopped"])
async def test_a_server_without_its_etcd_for_20_seconds(tmp_path: Path, real: RealCluster, how: str) -> None:
    async with at_work(tmp_path, RealServer(real)) as site:
        if how == "paused":
            real.pause("etcd")
        else:
            await asyncio.to_thread(real.stop, "etcd")
        commit = await site.fleet.push("Image 1", image(1))
        await asyncio.to_thread(let_pass, 20.0)
        await site.stays_up()
        real.resume("etcd") if how == "paused" else real.start_etcd()
        await site.is_whole(commit, 1)
        await site.keeps_what_others_wrote()


async def test_watches_that_are_cut_again_and_again(tmp_path: Path, server: FaultyServer) -> None:
    async with at_work(tmp_path, server) as site:
        cut = 0
        for number in range(1, 6):
            commit = await site.fleet.push(f"Image {number}", image(number))

            async def cut_again(enough: int = 5 * number) -> bool:
                nonlocal cut
                cut += site.proxy.cut_watches()
                return cut >= enough

            await eventually(cut_again, 60, interval=0.3)
        await site.is_whole(commit, 5)
        await site.keeps_what_others_wrote()


async def test_a_server_that_answers_429_for_10_seconds(tmp_path: Path, server: FaultyServer) -> None:
    """Once saying when to come back, and once not."""
    status = {"kind": "Status", "code": 429, "reason": "TooManyRequests", "message": "too many requests"}
    async with at_work(tmp_path, server) as site:
        for number, headers in enumerate(({"Retry-After": "1"}, {}), 1):
            site.proxy.refusal = partial(web.json_response, status, status=429, headers=headers)
            site.proxy.cut_watches()
            commit = await site.fleet.push(f"Image {number}", image(number))
            await asyncio.to_thread(let_pass, 10.0)
            await site.stays_up()
            site.proxy.refusal = None
            await site.is_whole(commit, number)
        await site.keeps_what_others_wrote()


PAGES = {
    "404 of a gateway": (404, "default backend - 404", "text/plain"),
    "404 of a gateway in Go": (404, "404 page not found\n", "text/plain"),
    "page of a login": (200, "<html>sign in</html>", "text/html"),
    "JSON of something else": (200, '{"status": "ok"}', "application/json"),
    "an empty list of nothing": (200, '{"items": []}', "application/json"),
    "502": (502, "bad gateway", "text/plain"),
}


async def test_something_that_answers_in_the_servers_place(tmp_path: Path, embedded: FaultyServer) -> None:
    async with at_work(tmp_path, embedded) as site:
        for number, (status, text, content_type) in enumerate(PAGES.values(), 1):
            site.proxy.refusal = partial(web.Response, status=status, text=text, content_type=content_type)
            site.proxy.cut_watches()
            commit = await site.fleet.push(f"Image {number}", image(number))
            await asyncio.to_thread(let_pass, 2.0)
            await site.stays_up()
            site.proxy.refusal = None
            await site.is_whole(commit, number)
        await site.keeps_what_others_wrote()


async def test_certificates_that_are_rotated(tmp_path: Path, embedded: FaultyServer) -> None:
    """The server's, and then its authority: the next one is named in the kubeconfig before it signs, as people are
    told to do, and alone afterwards."""
    async with at_work(tmp_path, embedded) as site:
        site.proxy.rotate_certificate()
        await site.is_whole(await site.fleet.push("Image 1", image(1)), 1)
        old, new = site.proxy.authority, Authority.create()
        site.proxy.trust(old, new)
        site.proxy.rotate_certificate(new)
        await site.is_whole(await site.fleet.push("Image 2", image(2)), 2)
        site.proxy.trust(new)
        site.proxy.rotate_certificate()
        await site.is_whole(await site.fleet.push("Image 3", image(3)), 3)
        await site.keeps_what_others_wrote()


async def test_a_real_servers_certificate_that_is_rotated(tmp_path: Path, real: RealCluster) -> None:
    async with at_work(tmp_path, RealServer(real), direct=True) as site:
        before = await shown(real)
        real.rotate_certificate()

        async def rotated() -> bool:
            return await shown(real) != before

        await eventually(rotated, 90)
        await site.is_whole(await site.fleet.push("Image 1", image(1)), 1)
        await site.keeps_what_others_wrote()


async def shown(real: RealCluster) -> bytes:
    """The certificate that the API server shows."""
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", real.port, ssl=unverified)
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return certificate


async def test_a_server_that_is_restored_from_an_older_snapshot(tmp_path: Path, server: FaultyServer) -> None:
    async with at_work(tmp_path, server) as site:
        await server.snapshot(site.fleet)
        added = site.fleet.work / "clone/applications/02-late.yaml"
        added.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: late, namespace: default}\n")
        await site.fleet.run("git", "add", "--all", cwd=site.fleet.work / "clone")
        commit = await site.fleet.push("Image 1, and one object more", image(1))
        await site.is_whole(commit, 1)
        lost = (await site.fleet.get("configmap", "late"))["metadata"]["uid"]

        await server.restore(site.fleet)
        restored = time.monotonic()
        await site.is_whole(commit, 1)

        async def applied_again() -> bool:
            return (await site.fleet.get("configmap", "late")).get("metadata", {}).get("uid", lost) != lost

        await eventually(applied_again, 30)
        print(f"what was lost is there again after {time.monotonic() - restored:.1f} s")
        await site.is_whole(await site.fleet.push("Image 2", image(2)), 2)
        await site.keeps_what_others_wrote()
