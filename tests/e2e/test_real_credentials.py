"""Every way to be somebody for a real kube-apiserver, and what happens when it rotates."""

import datetime
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from afflux.kube.client import KubeClient
from afflux.kube.config import ClusterConfig, in_cluster_config, load_config
from afflux.kube.errors import Unauthorized
from afflux.kube.transport import Request
from afflux.net.tls import Authority
from afflux.objects.identity import GroupVersionKind
from link import Link
from real_cluster import RealCluster, assets, missing

pytestmark = [pytest.mark.e2e, pytest.mark.real_only, pytest.mark.timeout(300)]

REVIEW = GroupVersionKind("authentication.k8s.io", "v1", "SelfSubjectReview")

PLUGIN = """
import json, os, pathlib, sys
runs = pathlib.Path(sys.argv[2]); runs.write_text((runs.read_text() if runs.exists() else "") + "x")
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
status = {"token": pathlib.Path(sys.argv[1]).read_text()}
print(json.dumps({"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": status}))
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    folder = assets()
    assert folder is not None, missing()
    cluster = RealCluster(tmp_path_factory.mktemp("credentials") / "real", folder)
    with cluster:
        yield cluster


@asynccontextmanager
async def connected(config: ClusterConfig) -> AsyncIterator[KubeClient]:
    client = KubeClient.connect(config)
    try:
        yield client
    finally:
        await client.close()


async def who(client: KubeClient) -> str:
    """Who the server takes us for."""
    review = await client.create({"apiVersion": REVIEW.api_version, "kind": REVIEW.kind, "metadata": {}})
    return str(review["status"]["userInfo"]["username"])


async def token_of(real: RealCluster, account: str) -> str:
    """A token of a service account in the namespace default, which is made where it is absent."""
    async with connected(load_config(real.kubeconfig)) as admin:
        metadata = {"name": account, "namespace": "default"}
        manifest = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
        await admin.apply(manifest, field_manager="test")
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
        path = f"/api/v1/namespaces/default/serviceaccounts/{account}/token"
        answer = await admin.transport.send(Request("POST", path, body=json.dumps(body).encode()))
        return str(json.loads(answer)["status"]["token"])


def certificate(real: RealCluster, name: str) -> tuple[bytes, bytes]:
    """A client certificate and its key, signed by the authority that the server trusts."""
    authority = Authority.load_or_create(real.work)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(pem), private


def kubeconfig(real: RealCluster, path: Path, user: dict[str, Any], **cluster: Any) -> Path:
    """The cluster's kubeconfig with another user."""
    document = yaml.safe_load(real.kubeconfig.read_text())
    document["users"][0]["user"] = user
    document["clusters"][0]["cluster"] |= cluster
    path.write_text(yaml.safe_dump(document))
    return path


async def test_a_client_certificate_is_followed_as_it_is_replaced_on_disk(real: RealCluster, tmp_path: Path) -> None:
    def issue(name: str) -> None:
        for file, content in zip(("tls.crt", "tls.key"), certificate(real, name), strict=True):
            (tmp_path / file).write_bytes(content)

    issue("jane")
    user = {"client-certificate": "tls.crt", "client-key": "tls.key"}
    config = load_config(kubeconfig(real, tmp_path / "config", user))
    async with connected(config) as client:
        assert await who(client) == "jane"
        issue("joan")
        config.credentials.refused(await config.credentials.current())
        assert await who(client) == "joan"


async def test_a_plugin_is_asked_anew_when_the_server_refuses_its_token(real: RealCluster, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(await token_of(real, "first"))
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "interactiveMode": "Never",
        "command": sys.executable,
        "args": ["-c", PLUGIN, str(tmp_path / "token"), str(tmp_path / "runs")],
    }
    config = load_config(kubeconfig(real, tmp_path / "config", {"exec": plugin}))
    async with connected(config) as client:
        assert await who(client) == "system:serviceaccount:default:first"
        assert await who(client) == "system:serviceaccount:default:first"
        assert (tmp_path / "runs").read_text() == "x"
        async with connected(load_config(real.kubeconfig)) as admin:
            await admin.transport.send(Request("DELETE", "/api/v1/namespaces/default/serviceaccounts/first"))
        (tmp_path / "token").write_text(await token_of(real, "second"))

        async def refused_once() -> str:
            while (found := await who(client)).endswith(":first"):  # the server caches tokens for ten seconds
                pass
            return found

        assert await refused_once() == "system:serviceaccount:default:second"
    assert (tmp_path / "runs").read_text() == "xx"


async def test_a_pods_token_is_read_anew_when_the_server_refuses_it(real: RealCluster, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes((real.work / "ca.crt").read_bytes())
    (tmp_path / "namespace").write_text("default")
    (tmp_path / "token").write_text("not.a.token")
    environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(real.port)}
    async with connected(in_cluster_config(tmp_path, environment)) as client:
        with pytest.raises(Unauthorized):
            await who(client)
        (tmp_path / "token").write_text(await token_of(real, "pod"))
        assert await who(client) == "system:serviceaccount:default:pod"


async def test_the_servers_name_may_be_another_than_its_address(real: RealCluster, tmp_path: Path) -> None:
    """A tunnel to the server: the address is ours, the certificate is for a name."""
    async with Link(real.port) as link:
        user = {"token": await token_of(real, "tunnel")}
        server = f"https://127.0.0.1:{link.port}"
        path = kubeconfig(real, tmp_path / "config", user, server=server, **{"tls-server-name": "localhost"})
        async with connected(load_config(path)) as client:
            assert await who(client) == "system:serviceaccount:default:tunnel"


async def test_files_of_kubeconfig_are_one(real: RealCluster, tmp_path: Path) -> None:
    """The cluster is in one file, the user in another, as people have it."""
    whole = yaml.safe_load(real.kubeconfig.read_text())
    cluster = {name: whole[name] for name in ("clusters", "contexts")}
    user = {"users": [{"name": "admin", "user": {"token": await token_of(real, "merged")}}], "current-context": "real"}
    for name, document in (("cluster", cluster), ("user", user)):
        (tmp_path / name).write_text(yaml.safe_dump(document))
    environment = {"KUBECONFIG": f"{tmp_path / 'cluster'}:{tmp_path / 'user'}"}
    async with connected(load_config(None, None, environment)) as client:
        assert await who(client) == "system:serviceaccount:default:merged"
