"""The manifests of deploy/: what the two processes may do is enough, and nothing is asked for that they may not."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from walkthrough import APP, HERE

from afflux.app.git_server import GitServer
from afflux.app.root_objects import Root, root_objects
from afflux.app.source_repository import prepare_source
from afflux.kube.client import KubeClient, Target
from afflux.kube.config import load_config
from afflux.kube.errors import NotFound
from afflux.kube.transport import Request
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Manifest
from cluster_option import Kind, started
from git_fixture import git
from real_cluster import RealCluster, assets, missing
from replicas import BIN, Replica
from waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

DEPLOY = Path(__file__).parents[2] / "deploy"
TOKEN = "a-token-for-tests"
CLUSTER_ROLE = GroupVersionKind("rbac.authorization.k8s.io", "v1", "ClusterRole")
DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")
KUSTOMIZATION = GroupVersionKind("kustomize.toolkit.fluxcd.io", "v1", "Kustomization")
REPOSITORY = GroupVersionKind("source.toolkit.fluxcd.io", "v1", "GitRepository")
LEASE = GroupVersionKind("coordination.k8s.io", "v1", "Lease")
CONTROLLERS = ("source", "kustomize")


def rename(text: str) -> str:
    """The app is nginx-new now, but its selector still says nginx."""
    head, selector, rest = text.partition("  selector:\n    matchLabels:\n      app: nginx\n")
    return head.replace("nginx", "nginx-new") + selector + rest.replace("app: nginx", "app: nginx-new")


def mend(text: str) -> str:
    return text.replace("app: nginx\n  template", "app: nginx-new\n  template")


@pytest.fixture
def kubeconfig(cluster_kind: Kind, tmp_path: Path) -> Iterator[Path]:
    """A cluster that holds people to their roles; a real one writes down who asks for what."""
    if cluster_kind == "embedded":
        with started(cluster_kind, tmp_path / "cluster") as embedded:
            yield embedded.kubeconfig
        return
    folder = assets()
    assert folder is not None, missing()
    with RealCluster(tmp_path / "real", folder, audit=True) as real:
        real.start_simulation()
        yield real.kubeconfig


def refused(work: Path) -> list[str]:
    """What the service accounts asked for and were not allowed to do, by a real server's audit log."""
    audit_log = work / "real/audit.log"
    found = []
    for line in audit_log.read_text().splitlines() if audit_log.exists() else ():
        event = json.loads(line)
        code = (event.get("responseStatus") or {}).get("code")
        if "afflux-" in event["user"]["username"] and code in (401, 403):
            found.append(f"{event['user']['username']} {event['verb']} {event['requestURI']}")
    return found


@pytest.fixture
async def admin(kubeconfig: Path) -> AsyncIterator[KubeClient]:
    client = KubeClient.connect(load_config(kubeconfig))
    await standard_roles(client)
    yield client
    await client.close()


async def standard_roles(client: KubeClient) -> None:
    """What a real cluster is born with."""
    try:
        await client.get(Target(CLUSTER_ROLE, "", "cluster-admin"))
    except NotFound:
        rules = [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
            {"nonResourceURLs": ["*"], "verbs": ["*"]},
        ]
        kind = {"apiVersion": CLUSTER_ROLE.api_version, "kind": CLUSTER_ROLE.kind}
        await client.create({**kind, "metadata": {"name": "cluster-admin"}, "rules": rules})


async def install(client: KubeClient, *, without: str = "") -> None:
    """Applies the manifests as `kubectl apply -k deploy` does."""
    command = [str(BIN / "afflux"), "kustomize", "build", str(DEPLOY)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    for manifest in yaml.safe_load_all(output):
        if not without or without not in manifest["metadata"]["name"]:
            await client.apply(manifest, field_manager="a-person")


async def token_kubeconfig(client: KubeClient, kubeconfig: Path, account: str, path: Path) -> Path:
    """A kubeconfig with a token of a service account and nothing else."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    place = f"/api/v1/namespaces/flux-system/serviceaccounts/{account}/token"
    answer = await client.transport.send(Request("POST", place, body=json.dumps(body).encode()))
    config: dict[str, Any] = yaml.safe_load(kubeconfig.read_text())
    config["users"][0]["user"] = {"token": json.loads(answer)["status"]["token"]}
    path.write_text(yaml.safe_dump(config))
    return path


async def at_work(client: KubeClient, kubeconfig: Path, work: Path, controller: str) -> Replica:
    own = await token_kubeconfig(client, kubeconfig, f"afflux-{controller}", work / f"{controller}.kubeconfig")
    return await Replica(controller, work, own, {}, f"--controllers={controller}").start()


async def root(client: KubeClient, url: str) -> None:
    for manifest in root_objects(Root(url, "main", "./clusters/demo", "git", TOKEN, interval="1s")):
        await client.apply(manifest, field_manager="a-person")


async def ready(client: KubeClient, target: Target, commit: str = "") -> Manifest:
    async def probe() -> Manifest:
        status: Manifest = (await client.get(target)).get("status") or {}
        found = [each for each in status.get("conditions", []) if each["type"] == "Ready"]
        assert found and found[0]["status"] == "True", status
        assert status.get("lastAppliedRevision", commit).endswith(commit), status
        return status

    return await eventually(probe, 90)


async def test_the_walk_through_holds_with_the_two_service_accounts(
    admin: KubeClient, kubeconfig: Path, tmp_path: Path
) -> None:
    source = await prepare_source(str(HERE / "repository"), None, tmp_path / "repository.git")
    assert source.repository is not None
    server = GitServer(source.repository, TOKEN)
    clone_url, clone = await server.start(), tmp_path / "clone"
    await asyncio.to_thread(git, tmp_path, "clone", "-q", clone_url, "clone")

    async def push(edit: Any) -> str:
        (clone / APP).write_text(edit((clone / APP).read_text()))
        for command in (("commit", "-q", "-a", "-m", "Edit"), ("push", "-q", "origin", "HEAD")):
            await asyncio.to_thread(git, clone, *command)
        return await asyncio.to_thread(git, clone, "rev-parse", "HEAD")

    await install(admin)
    replicas = [await at_work(admin, kubeconfig, tmp_path, controller) for controller in CONTROLLERS]
    apps = Target(KUSTOMIZATION, "flux-system", "apps")
    try:
        for replica in replicas:
            await replica.leads()
        await root(admin, server.url)
        await ready(admin, Target(KUSTOMIZATION, "flux-system", "flux-system"))
        await ready(admin, apps)
        await push(rename)

        async def is_refused() -> bool:
            conditions = (await admin.get(apps))["status"]["conditions"]
            return "does not match template" in str(conditions)

        await eventually(is_refused, 60)
        await ready(admin, apps, await push(mend))
        await admin.patch(Target(DEPLOYMENT, "default", "nginx-new"), {"spec": {"replicas": 5}})

        async def put_back() -> bool:
            return bool((await admin.get(Target(DEPLOYMENT, "default", "nginx-new")))["spec"]["replicas"] == 2)

        await eventually(put_back, 60)
        with pytest.raises(NotFound):
            await admin.get(Target(DEPLOYMENT, "default", "nginx"))
    finally:
        for replica in replicas:
            await replica.kill()
        await server.stop()
    for replica in replicas:
        assert "forbidden" not in replica.said().lower()
    assert refused(tmp_path) == []


async def test_a_source_process_needs_nothing_but_its_own_role(
    admin: KubeClient, kubeconfig: Path, tmp_path: Path
) -> None:
    source = await prepare_source(str(HERE / "repository"), None, tmp_path / "repository.git")
    assert source.repository is not None
    server = GitServer(source.repository, TOKEN)
    await server.start()
    await install(admin, without="cluster-admin")
    replica = await at_work(admin, kubeconfig, tmp_path, "source")
    try:
        await replica.leads()
        await root(admin, server.url)
        status = await ready(admin, Target(REPOSITORY, "flux-system", "flux-system"))
        assert (await replica.artifact(status["artifact"]["path"]))[0] == 200
        await admin.delete(Target(REPOSITORY, "flux-system", "flux-system"))

        async def is_gone() -> bool:
            try:
                await admin.get(Target(REPOSITORY, "flux-system", "flux-system"))
            except NotFound:
                return True
            return False

        await eventually(is_gone, 30)
    finally:
        await replica.kill()
        await server.stop()
    assert "forbidden" not in replica.said().lower()
    assert refused(tmp_path) == []


async def test_without_its_role_a_process_says_which_right_is_missing(
    admin: KubeClient, kubeconfig: Path, tmp_path: Path
) -> None:
    await install(admin, without="leader-election")
    replica = await at_work(admin, kubeconfig, tmp_path, "source")
    try:
        assert await replica.ended(30) == 1
        last = replica.said().splitlines()[-1]
        assert 'leases.coordination.k8s.io "source-controller-leader-election" is forbidden' in last
    finally:
        await replica.kill()


def test_no_role_has_a_wildcard_and_cluster_admin_is_bound_in_one_file() -> None:
    """A check of the manifests themselves: no wildcard, and cluster-admin in one place alone."""
    for path in DEPLOY.glob("*rbac.yaml"):
        for manifest in yaml.safe_load_all(path.read_text()):
            rules = manifest.get("rules", [])
            assert "*" not in [word for rule in rules for words in rule.values() for word in words], path
    holders = [path.name for path in DEPLOY.glob("*.yaml") if "name: cluster-admin\n" in path.read_text()]
    assert holders == ["cluster-admin.yaml"]
