"""A real control plane in a process of its own, reached over HTTPS as any API server is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass
class ClusterProcess:
    """A running ``afflux cluster``. It dies with its parent; ``stop`` ends it earlier."""

    process: subprocess.Popen[bytes]
    kubeconfig: Path
    log: Path

    def stop(self, *, kill: bool = False) -> int:
        """End it, with SIGTERM or (``kill``) SIGKILL; its exit code."""
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        return self.process.wait(timeout=15)

    def __enter__(self) -> ClusterProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()
        if self.process.stdin is not None:
            self.process.stdin.close()


def start_cluster(
    directory: Path, *options: str, data_dir: Path | None = None, simulation_delay: float = 0.0, timeout: float = 60.0
) -> ClusterProcess:
    """Start a control plane and wait until it answers. Its kubeconfig and log are in ``directory``.

    Without ``data_dir`` its state is in memory only.
    """
    directory.mkdir(parents=True, exist_ok=True)
    kubeconfig, log = directory / "kubeconfig", directory / "cluster.log"
    kubeconfig.unlink(missing_ok=True)
    command = [sys.executable, "-m", "afflux", "cluster", "--exit-with-stdin", "--kubeconfig-out", str(kubeconfig)]
    command += ["--simulation-delay", str(simulation_delay), *options]
    if data_dir is not None:
        command += ["--data-dir", str(data_dir)]
    process = _spawn(command, log)
    deadline = time.monotonic() + timeout
    while not kubeconfig.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"the control plane did not start:\n{log.read_text()}")
        time.sleep(0.02)
    return ClusterProcess(process, kubeconfig, log)


def _spawn(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    environment = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment, start_new_session=True
        )
