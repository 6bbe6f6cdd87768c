"""The walk-through as code: `afflux up`, a clone to push from, and the real kubectl to look with.

Only the standard library is used, and nothing of Afflux is imported: this is what a person does at a terminal.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
APP = "applications/01-sample-app.yaml"
AFFLUX = str(Path(sys.executable).parent / "afflux")
KUBECTL = str(Path(sys.executable).parent / "kubectl")


class Failed(Exception):
    """Something that should have been seen was not."""


def poll(probe: Callable[[], Any], what: str, timeout: float = 60.0) -> Any:
    """Asks until the answer is truthy; fails with the last answer when time is up."""
    deadline = time.monotonic() + timeout
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Failed(f"not seen within {timeout:g} s: {what}")
        time.sleep(0.1)


class Walkthrough:
    """One run in a folder of its own; nothing outside ``work`` is touched."""

    title = "afflux up: control plane, Git server, controllers"

    def __init__(self, work: Path) -> None:
        self.work = work
        self.data, self.clone = work / "data", work / "clone"
        self.up: subprocess.Popen[str] | None = None
        self.said: dict[str, str] = {}
        home = work / "home"
        home.mkdir(parents=True, exist_ok=True)
        person = {
            f"GIT_{who}_{what}": "demo@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "PYTHONPATH") if name in os.environ}
        self.environment = {**kept, **person, "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}

    # -- the process ------------------------------------------------------------------------------------------------

    def start(self, *options: str, source: str | None = None) -> None:
        """Starts `afflux up` (in a session of its own) and reads what it says when it is ready; "" for no SOURCE."""
        if source is None:
            source = str(self.work / "source")
            if not Path(source).exists():
                shutil.copytree(HERE / "repository", source)
        command = [
            AFFLUX,
            "up",
            *([source] if source else []),
            "--data-dir",
            str(self.data),
            "--output",
            "json",
            *options,
        ]
        self.log = (self.work / "up.log").open("a")
        self.up = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, text=True, env=self.environment, start_new_session=True
        )
        assert self.up.stdout is not None
        line = self.up.stdout.readline()
        if not line:
            raise Failed(f"afflux up ended before it was ready:\n{self.tail()}")
        self.said = json.loads(line)
        self.environment["KUBECONFIG"] = self.said["kubeconfig"]

    def tail(self) -> str:
        """The last lines that `afflux up` wrote."""
        return "\n".join((self.work / "up.log").read_text().splitlines()[-15:])

    def stop(self) -> int:
        """Ctrl-C; the exit code. Fails when processes are left."""
        assert self.up is not None
        os.killpg(self.up.pid, signal.SIGINT)
        code = self.up.wait(timeout=30)
        poll(lambda: not self.processes(), "no process left", 10)
        return code

    def kill(self) -> None:
        """kill -9 of the whole process tree."""
        assert self.up is not None
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.up.wait(timeout=10)
        poll(lambda: not self.processes(), "no process left", 10)

    def processes(self) -> list[int]:
        """Every living process that `afflux up` started, itself included."""
        session = self.up.pid if self.up else -1
        return [pid for pid in _processes() if _session(pid) == session]

    # -- git ---------------------------------------------------------------------------------------------------------

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        return self._run(["git", *arguments], cwd=cwd or self.clone)

    def clone_repository(self) -> None:
        """Clones the embedded repository the first time; later it takes over the (possibly new) URL."""
        if self.clone.exists():
            self.git("remote", "set-url", "origin", self.said["cloneURL"])
            return
        self.git("clone", "--quiet", self.said["cloneURL"], str(self.clone), cwd=self.work)

    def commit(self, message: str, edit: Callable[[str], str]) -> str:
        """Edits the sample app and commits; returns the commit's hash."""
        path = self.clone / APP
        path.write_text(edit(path.read_text()))
        self.git("commit", "--quiet", "--all", "--message", message)
        return self.git("rev-parse", "HEAD")

    def push(self, message: str, edit: Callable[[str], str]) -> str:
        """Edits the sample app, commits, pushes; returns the commit's hash."""
        commit = self.commit(message, edit)
        self.git("push", "--quiet", "origin", "HEAD")
        return commit

    # -- kubectl -----------------------------------------------------------------------------------------------------

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        return self._run([KUBECTL, *arguments], check=check)

    def get(self, *arguments: str) -> dict[str, Any]:
        """An object, or an empty dict where it isn't there."""
        output = self.kubectl("get", *arguments, "--output", "json", "--ignore-not-found")
        return json.loads(output) if output else {}

    def ready(self, kind: str, name: str) -> dict[str, str]:
        """The Ready condition of a Flux object in flux-system, with the revision it applied or stored."""
        found = self.get(kind, name, "--namespace", "flux-system")
        status = found.get("status", {})
        conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
        revision = status.get("lastAppliedRevision") or status.get("artifact", {}).get("revision", "")
        return {**conditions.get("Ready", {"status": "", "message": ""}), "revision": revision}

    def applied(self, commit: str, name: str = "apps", timeout: float = 60) -> None:
        """Waits until a Kustomization applied a commit and is Ready."""

        def probe() -> bool:
            ready = self.ready("kustomization", name)
            return ready["status"] == "True" and ready["revision"].endswith(commit)

        poll(
            probe, f"Kustomization {name} is Ready at {commit[:12]} (now: {self.ready('kustomization', name)})", timeout
        )

    def refused(self, *words: str, name: str = "apps", timeout: float = 60) -> str:
        """Waits until a Kustomization is not Ready with all of ``words`` in its message; returns the message."""
        seen: dict[str, str] = {}

        def probe() -> bool:
            seen.update(self.ready("kustomization", name))
            return seen["status"] == "False" and all(word in seen["message"] for word in words)

        try:
            poll(probe, "", timeout)
        except Failed:
            raise Failed(f"the message should say {words}; it says: {seen}") from None
        return seen["message"]

    def pod(self, controller: str) -> str:
        """The name of a controller's Pod."""
        found = self.get("pods", "--namespace", "flux-system", "--selector", f"app={controller}")
        names = [item["metadata"]["name"] for item in found["items"]]
        if not names:
            raise Failed(f"no Pod stands for {controller}")
        return str(names[0])

    def logs_command(self, controller: str) -> list[str]:
        """What shows a controller's log: `kubectl logs` of its Pod."""
        return [KUBECTL, "--namespace", "flux-system", "logs", "--follow", self.pod(controller), "--since=1m"]

    @contextlib.contextmanager
    def following_logs(self, controller: str) -> Iterator[Callable[..., str]]:
        """Follows a controller's log of the last minute; yields a wait for a line."""
        process = subprocess.Popen(
            self.logs_command(controller), stdout=subprocess.PIPE, text=True, env=self.environment
        )
        lines: list[str] = []

        def read_each() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)

        reader = threading.Thread(target=read_each, daemon=True)
        reader.start()

        def line_with(*words: str) -> str:
            def probe() -> str:
                return next((line for line in list(lines) if all(word in line for word in words)), "")

            return str(poll(probe, f"a log line with {words}", 30))

        try:
            yield line_with
        finally:
            process.terminate()
            process.wait(timeout=10)
            reader.join(timeout=10)

    def _run(self, command: list[str], cwd: Path | None = None, check: bool = True) -> str:
        done = subprocess.run(
            command, cwd=cwd or self.work, env=self.environment, capture_output=True, text=True, timeout=120
        )
        if check and done.returncode != 0:
            raise Failed(f"{' '.join(command[:3])} ended with {done.returncode}: {done.stderr.strip()[-800:]}")
        return done.stdout.strip()


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _session(pid: int) -> int:
    """The session of a living process; -1 for one that is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1
    return -1 if fields[0] == "Z" else int(fields[3])
