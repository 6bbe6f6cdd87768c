"""A hundred checks of what clients notice, against our control plane or a real one (``--cluster``).

``AFFLUX_CONFORMANCE_KUBECONFIG`` names a cluster's kubeconfig to check as the real one instead of one that is started
(the checks create and delete what they need; no other kind there may be called widget). ``AFFLUX_KUBECTLS=all`` runs
them with every kubectl that is found on the machine (``kubectl.1.27``, ``kubectl-1.30``, ...), else only with the one
of the development environment. A server whose nodes have no kubelet can't answer what only a kubelet knows: such a
check says what is printed instead.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from checks import CHECKS, Check, Http, Shell, Watched, deployment  # noqa: E402

from cluster_option import GIVEN, Cluster, Kind  # noqa: E402


def _kubectls() -> list[Path]:
    development = Path(sys.executable).parent / "kubectl"
    found = [development] if development.exists() else []
    if os.environ.get("AFFLUX_KUBECTLS") == "all" and (installed := shutil.which("kubectl", path=_outer_path())):
        found += sorted(
            path for path in Path(installed).resolve().parent.glob("kubectl[.-]1.*") if os.access(path, os.X_OK)
        )
    return found


def _outer_path() -> str:
    own = str(Path(sys.executable).parent)
    return os.pathsep.join(part for part in os.environ.get("PATH", "").split(os.pathsep) if part != own)


def _minor(kubectl: Path) -> str:
    found = re.search(r"(1\.\d+)$", kubectl.name)
    return found[1] if found else "development"


@dataclass
class Subject:
    """The cluster and the client under test."""

    kubeconfig: Path
    kubectl: Path
    directory: Path
    has_kubelets: bool = True
    seen: dict[str, str] = field(default_factory=dict)

    def shell(self, script: str) -> tuple[int, str]:
        environment = {
            **os.environ,
            "PATH": f"{self.directory / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "KUBECONFIG": str(self.kubeconfig),
            "HOME": str(self.directory),
        }
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.directory, env=environment, capture_output=True, text=True, timeout=90
        )
        return done.returncode, done.stdout + done.stderr

    def connection(self) -> tuple[http.client.HTTPSConnection, dict[str, str]]:
        config = yaml.safe_load(self.kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
        context = ssl.create_default_context(cadata=ca)
        headers = {"User-Agent": "checks/1.0"}
        if "token" in user:
            headers["Authorization"] = f"Bearer {user['token']}"
        else:
            _load_client_certificate(context, user, self.directory)
        address = urllib.parse.urlsplit(cluster["server"])
        return http.client.HTTPSConnection(address.netloc, context=context, timeout=30), headers


def _load_client_certificate(context: ssl.SSLContext, user: dict[str, str], directory: Path) -> None:
    certificate = directory / "client.pem"
    parts = [base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")]
    certificate.write_bytes(b"\n".join(parts))
    context.load_cert_chain(certificate)


@pytest.fixture(scope="module", params=_kubectls(), ids=_minor)
def subject(
    request: pytest.FixtureRequest, cluster: Cluster, cluster_kind: Kind, tmp_path_factory: pytest.TempPathFactory
) -> Subject:
    directory = tmp_path_factory.mktemp("checks")
    (directory / "bin").mkdir()
    (directory / "bin" / "kubectl").symlink_to(request.param)
    shutil.copy(HERE / "widget.yaml", directory)
    (directory / "deployment.json").write_text(json.dumps(deployment()))
    has_kubelets = cluster_kind == "embedded" or GIVEN in os.environ
    return Subject(cluster.kubeconfig, request.param, directory, has_kubelets)


def _run_shell(subject: Subject, check: Shell) -> None:
    if _minor(subject.kubectl) in check.unsupported:
        pytest.skip(f"kubectl {_minor(subject.kubectl)} fails this on a real server too")
    code, output = subject.shell(check.script)
    if check.without_kubelet and not subject.has_kubelets:
        assert code != 0, output
        assert re.search(check.without_kubelet, output), output
        return
    assert code == check.code, output
    assert re.search(check.expect, output, re.MULTILINE), output


def _run_http(subject: Subject, check: Http) -> None:
    method, path = check.request.split(" ", 1)
    connection, headers = subject.connection()
    headers |= {"Accept": check.accept}
    body = None
    if check.body is not None:
        body = json.dumps(check.body, separators=(",", ":"))
        headers["Content-Type"] = check.content_type
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    text = response.read().decode() + "".join(f" HDR{each}" for each in response.msg.get_all("Warning", []))
    assert response.status == check.status, text
    expect = check.expect.replace("SAME", subject.seen.get("version", ""))
    assert re.search(expect, text, re.DOTALL), text
    if found := re.search(r'"resourceVersion":"(\d+)"', text):
        subject.seen["version"] = found[1]


def _run_watch(subject: Subject, check: Watched) -> None:
    connection, headers = subject.connection()
    connection.request("GET", check.path + "&timeoutSeconds=4", headers=headers)
    response = connection.getresponse()
    worker = threading.Thread(target=subject.shell, args=(check.meanwhile,))
    worker.start()
    text = ""
    while not re.search(check.expect, text, re.DOTALL):
        line = response.readline().decode()
        assert line, text
        text += line
    worker.join()
    connection.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"{check.number:03}-{check.says.replace(' ', '_')}")
def test_a_client_notices_no_difference(subject: Subject, check: Check) -> None:
    match check:
        case Shell():
            _run_shell(subject, check)
        case Http():
            _run_http(subject, check)
        case Watched():
            _run_watch(subject, check)
