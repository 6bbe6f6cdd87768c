"""The same walk on a real kube-apiserver: each part that `afflux up` brings along is a process of its own here.

A kube-apiserver with its controller manager, `afflux simulate` in place of nodes, a Git server, and `afflux run`.
"""

import contextlib
import json
import os
import shutil
import signal
import string
import subprocess
import sys
from pathlib import Path

from walkthrough import AFFLUX, HERE, Failed, Walkthrough, poll

REAL_CLUSTER = HERE.parents[1] / "e2e/real_cluster.py"
KINDS = {"source-controller": "GitRepository", "kustomize-controller": "Kustomization"}


class RealWalkthrough(Walkthrough):
    """One run in a folder of its own; nothing outside ``work`` is touched."""

    title = "a real kube-apiserver, afflux simulate, a Git server, afflux run"

    def __init__(self, work: Path) -> None:
        super().__init__(work)
        self.parts: dict[str, subprocess.Popen[str]] = {}
        self.environment["XDG_CACHE_HOME"] = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        if "KUBEBUILDER_ASSETS" in os.environ:
            self.environment["KUBEBUILDER_ASSETS"] = os.environ["KUBEBUILDER_ASSETS"]

    def start(self, *options: str, source: str | None = None) -> None:
        """Starts all parts and creates the root of the sync, as a person would with kubectl."""
        if source is None:
            source = str(self.work / "source")
            shutil.copytree(HERE / "repository", source)
        self._spawn("cluster", sys.executable, str(REAL_CLUSTER), str(self.work / "real"))
        kubeconfig = self._first_line("cluster").partition("=")[2]
        self.environment["KUBECONFIG"] = kubeconfig
        there = ["--kubeconfig", kubeconfig]
        self._spawn("simulate", AFFLUX, "simulate", *there)
        self._spawn("git", sys.executable, str(HERE / "git_server.py"), source, str(self.work / "repository.git"))
        self.said = {**json.loads(self._first_line("git")), "kubeconfig": kubeconfig}
        listeners = [f"--{name}-addr=127.0.0.1:0" for name in ("storage", "metrics", "health")]
        strict = ["--field-validation", "Strict"]
        self._spawn("run", AFFLUX, "run", *there, "--data-dir", str(self.data), *strict, *listeners, *options)
        self.up = self.parts["run"]
        poll(self._definitions_are_there, f"afflux run installs its CRDs:\n{self.tail()}", 60)
        root = string.Template((HERE / "root.yaml").read_text()).substitute(self.said)
        (self.work / "root.yaml").write_text(root)
        self.kubectl("apply", "-f", "root.yaml")

    def stop(self) -> int:
        """Ctrl-C for each part, the last started first; the first exit code that isn't 0. Fails when one is left."""
        codes = []
        for part in reversed(self.parts.values()):
            part.send_signal(signal.SIGINT)
            codes.append(part.wait(timeout=120))
        poll(lambda: not self.processes(), "no process left", 10)
        return next((code for code in codes if code != 0), 0)

    def kill(self) -> None:
        """kill -9 of everything that was started."""
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        for part in self.parts.values():
            part.wait(timeout=10)

    def processes(self) -> list[int]:
        """Every living process of this walk: they inherited its home directory."""
        mark = f"HOME={self.environment['HOME']}".encode()
        return [pid for pid in _processes() if mark in _environment(pid).split(b"\0")]

    def tail(self) -> str:
        """The last lines that each part wrote."""
        return "\n".join(f"{name}: {line}" for name in self.parts for line in self._log(name).splitlines()[-5:])

    def logs_command(self, controller: str) -> list[str]:
        """`afflux logs` stands for `kubectl logs`: `afflux run` is no Pod here, and no kubelet has a log."""
        wanted = ["--kind", KINDS[controller], "--data-dir", str(self.data), "--output", "json"]
        return [AFFLUX, "logs", "--follow", "--since=1m", *wanted]

    def _definitions_are_there(self) -> bool:
        if self.parts["run"].poll() is not None:
            raise Failed(f"afflux run ended:\n{self._log('run')}")
        found = self.get("crds").get("items", [])
        flux = [one for one in found if one["metadata"]["name"].endswith(".toolkit.fluxcd.io")]
        return len(flux) >= len(KINDS) and all("conditions" in one.get("status", {}) for one in flux)

    def _spawn(self, name: str, *command: str) -> None:
        with (self.work / f"{name}.log").open("a") as log:
            self.parts[name] = subprocess.Popen(
                command,
                stdout=subprocess.PIPE if name in ("cluster", "git") else log,
                stderr=log,
                text=True,
                env=self.environment,
                start_new_session=True,
            )

    def _first_line(self, name: str) -> str:
        stdout = self.parts[name].stdout
        assert stdout is not None
        line = stdout.readline().strip()
        if not line:
            raise Failed(f"{name} ended before it was ready:\n{self._log(name)}")
        return line

    def _log(self, name: str) -> str:
        return (self.work / f"{name}.log").read_text()[-3000:]


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _environment(pid: int) -> bytes:
    """What a living process was started with; nothing for one that is gone, a zombie, or somebody else's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
