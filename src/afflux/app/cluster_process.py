"""The embedded control plane as a process of its own, from the parent's side."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

_READY_WITHIN = 30.0
_STOPPED_WITHIN = 10.0


class ClusterFailed(Exception):
    """The control plane did not become ready, or ended; the message carries its last words."""


class ClusterProcess:
    """`afflux cluster` as a child that dies with its parent (it reads a pipe that the parent holds).

    Use as an async context manager: entered, ``kubeconfig`` exists and the API server answers.
    """

    def __init__(self, data_dir: Path, kubeconfig: Path, log: Path, pod_logs: Mapping[str, Path]) -> None:
        self.kubeconfig = kubeconfig
        self._log = log
        self._command = [sys.executable, "-m", "afflux", "cluster", "--exit-with-stdin"]
        self._command += ["--data-dir", str(data_dir), "--kubeconfig-out", str(kubeconfig)]
        for pod, file in pod_logs.items():
            self._command += ["--pod-log", f"{pod}={file}"]
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> "ClusterProcess":
        self.kubeconfig.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log
            )
        try:
            await self._until_ready()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def ended(self) -> None:
        """Waits until the control plane ends by itself, which it never should; raises ``ClusterFailed``."""
        assert self._process is not None
        code = await self._process.wait()
        raise ClusterFailed(f"the control plane ended with {code}; its last words: {self._last_words()}")

    async def _until_ready(self) -> None:
        """The kubeconfig appears, atomically, when the API server is ready."""
        assert self._process is not None
        deadline = asyncio.get_running_loop().time() + _READY_WITHIN
        while not self.kubeconfig.exists():
            if self._process.returncode is not None:
                await self.ended()
            if asyncio.get_running_loop().time() > deadline:
                raise ClusterFailed(f"the control plane is not ready after {_READY_WITHIN:g} s: {self._last_words()}")
            await asyncio.sleep(0.01)

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), _STOPPED_WITHIN)
        except TimeoutError:
            process.kill()
            await process.wait()

    def _last_words(self) -> str:
        try:
            lines = self._log.read_text(errors="replace").splitlines()
        except OSError:
            return "(none)"
        return "\n".join(lines[-5:]) or "(none)"
