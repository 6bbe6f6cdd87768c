"""A real Kubernetes for tests and examples: etcd, kube-apiserver and kube-controller-manager on loopback.

    python e2e/real_cluster.py DIRECTORY

runs one in the foreground, until a signal; DIRECTORY/kubeconfig leads to it. The binaries come from KUBEBUILDER_ASSETS
or from `make e2e-binaries`; there is no kubelet, so `afflux simulate` makes Pods ready.
"""

import argparse
import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from ssl import create_default_context

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from afflux.net.tls import Authority, write_private

BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager")
TOKEN = "real-cluster-token"
BENCH_TOKEN = "real-cluster-token-of-afflux"
"""Another administrator's, named ``afflux``, so that its requests can be told from others."""
DEFAULT_ASSETS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "afflux/e2e/1.36.3/bin"


def assets() -> Path | None:
    """The folder of the binaries, or None where one is missing."""
    return None if missing() else _folder()


def missing() -> str:
    """What is missing and how to come by it; empty where all binaries are there."""
    absent = [name for name in BINARIES if not (_folder() / name).is_file()]
    if not absent:
        return ""
    if os.environ.get("KUBEBUILDER_ASSETS"):
        advice = "put them there, or unset KUBEBUILDER_ASSETS and let `make e2e-binaries` build them"
    else:
        advice = "`make e2e-binaries` builds them (Go 1.26+), or set KUBEBUILDER_ASSETS to a folder that has them"
    return f"{_folder()} lacks {', '.join(absent)}: {advice}"


def _folder() -> Path:
    return Path(os.environ.get("KUBEBUILDER_ASSETS") or DEFAULT_ASSETS)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class RealCluster:
    """Use as a context manager: entered, ``kubeconfig`` leads to a ready API server."""

    def __init__(self, work: Path, folder: Path, *, record: bool = False, audit: bool = False) -> None:
        self.work, self._assets, self._record, self._audit = work, folder, record, audit
        self.kubeconfig = work / "kubeconfig"
        self.audit_log = work / "audit.log"
        """With ``record``: each write of the user ``afflux``, with its body. With ``audit``: who did what, and when."""
        self.users = {TOKEN: "admin", BENCH_TOKEN: "afflux"}
        """Administrators by their tokens; more may be added before the cluster starts."""
        self.port, self._etcd, self._peer = _free_port(), _free_port(), _free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "RealCluster":
        self.work.mkdir(parents=True, exist_ok=True)
        try:
            self._write_files()
            self.start_etcd()
            self.start_api_server()
            self.start_controller_manager()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(list(self.processes)):
            self.stop(name)

    def stop(self, name: str, *, kill: bool = False) -> None:
        """Ends one of the processes."""
        process = self.processes.pop(name)
        process.kill() if kill else process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def pause(self, name: str) -> None:
        """Stops one of the processes where it is; ``resume`` lets it go on."""
        self.processes[name].send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Lets a paused process go on."""
        self.processes[name].send_signal(signal.SIGCONT)

    def snapshot(self) -> None:
        """Keeps what etcd holds now, for ``restore``."""
        self.stop("etcd")
        shutil.copytree(self.work / "etcd", self.work / "etcd-snapshot")
        self.start_etcd()
        self._until_ready("kube-apiserver")

    def restore(self) -> None:
        """Everything is stopped, etcd gets what the snapshot holds, and everything is started again."""
        for name in reversed(list(self.processes)):
            self.stop(name)
        shutil.rmtree(self.work / "etcd")
        shutil.copytree(self.work / "etcd-snapshot", self.work / "etcd")
        self.start_etcd()
        self.start_api_server()
        self.start_controller_manager()
        self.start_simulation()

    def rotate_certificate(self) -> None:
        """Gives the API server a new certificate of the same authority; it reads the file by itself."""
        authority = Authority.load_or_create(self.work)
        write_private(self.work / "server.pem", authority.server_pem(["127.0.0.1", "localhost"]))

    def start_etcd(self) -> None:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd, self._peer))
        listen = [f"--listen-client-urls={client}", f"--advertise-client-urls={client}"]
        peers = [f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"]
        peers.append(f"--initial-cluster=default={peer}")
        self._spawn("etcd", f"--data-dir={self.work / 'etcd'}", "--unsafe-no-fsync", *listen, *peers)

    def start_api_server(self) -> None:
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--tls-cert-file={self.work / 'server.pem'}",
            f"--tls-private-key-file={self.work / 'server.pem'}",
            f"--cert-dir={self.work / 'certs'}",
            f"--token-auth-file={self.work / 'tokens.csv'}",
            f"--client-ca-file={self.work / 'ca.crt'}",
            f"--service-account-key-file={self.work / 'sa.pem'}",
            f"--service-account-signing-key-file={self.work / 'sa.pem'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
            "--allow-privileged",
            *self._audit_options(),
        )
        self._until_ready("kube-apiserver")

    def _audit_options(self) -> list[str]:
        if not self._record and not self._audit:
            return []
        writes = {"level": "Request", "users": ["afflux"], "verbs": ["create", "update", "patch", "delete"]}
        rules = [{**writes, "omitStages": ["RequestReceived"]}, {"level": "None"}]
        if self._audit:
            rules = [{"level": "Metadata", "omitStages": ["RequestReceived", "ResponseStarted"]}]
        policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}
        (self.work / "audit-policy.json").write_text(json.dumps(policy))
        files = [f"--audit-policy-file={self.work / 'audit-policy.json'}", f"--audit-log-path={self.audit_log}"]
        return [*files, f"--audit-log-mode={'blocking' if self._audit else 'batch'}"]

    def start_controller_manager(self) -> None:
        self._spawn(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--service-account-private-key-file={self.work / 'sa.pem'}",
            f"--root-ca-file={self.work / 'ca.crt'}",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=1000",
            "--kube-api-burst=2000",
            "--concurrent-deployment-syncs=20",
        )

    def start_simulation(self) -> None:
        """What stands for a kubelet."""
        command = [str(Path(sys.executable).parent / "afflux"), "simulate", "--kubeconfig", str(self.kubeconfig)]
        self._start("simulate", command)

    def _write_files(self) -> None:
        authority = Authority.load_or_create(self.work)
        write_private(self.work / "server.pem", authority.server_pem(["127.0.0.1", "localhost"]))
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        write_private(self.work / "sa.pem", key.private_bytes(*pem))
        tokens = [f'{token},{user},{user},"system:masters"\n' for token, user in self.users.items()]
        write_private(self.work / "tokens.csv", "".join(tokens).encode())
        self.kubeconfig_with(TOKEN, self.kubeconfig)

    def kubeconfig_with(self, token: str, path: Path) -> Path:
        """A kubeconfig of its own for another token."""
        authority = Authority.load_or_create(self.work)
        trusted = base64.b64encode(authority.ca_pem).decode()
        cluster = {"server": f"https://127.0.0.1:{self.port}", "certificate-authority-data": trusted}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "real",
            "clusters": [{"name": "real", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": "real", "context": {"cluster": "real", "user": "admin"}}],
        }
        write_private(path, json.dumps(config).encode())
        return path

    def _spawn(self, name: str, *arguments: str) -> None:
        self._start(name, [str(self._assets / name), *arguments])

    def _start(self, name: str, command: list[str]) -> None:
        with (self.work / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def _until_ready(self, name: str, timeout: float = 120.0) -> None:
        trust = create_default_context(cafile=str(self.work / "ca.crt"))
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}/readyz", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        deadline = time.monotonic() + timeout
        while True:
            try:
                with urllib.request.urlopen(request, context=trust, timeout=5) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            if self.processes[name].poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{name} is not ready:\n{(self.work / f'{name}.log').read_text()[-3000:]}")
            time.sleep(0.1)


def main() -> None:
    """A cluster of one's own, until a signal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="for state, logs and the kubeconfig")
    directory = parser.parse_args().directory.absolute()
    folder = assets()
    if folder is None:
        sys.exit(f"error: {missing()}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), RealCluster(directory, folder) as cluster:
        print(f"export KUBECONFIG={cluster.kubeconfig}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
        for number in (signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C must not leave processes behind
            signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main()
