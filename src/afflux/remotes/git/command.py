"""The ``git`` program, run so that nothing of the user's and nothing of a repository's decides what it does.

Options and credentials reach it as a configuration file in memory (a private file elsewhere than on Linux): never in
arguments, never in the environment. A time limit or a cancellation kills its whole process group.
"""

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from afflux.remotes.git.errors import GitError, GitTimedOut

_OUTPUT_LIMIT = 1 << 20

_SETTINGS = """
[core]
\thooksPath = /dev/null
\taskPass =
\tfsmonitor = false
[credential]
\thelper =
[protocol]
\tallow = never
[protocol "http"]
\tallow = always
[protocol "https"]
\tallow = always
[http]
\tfollowRedirects = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[fetch]
\tunpackLimit = 1
\trecurseSubmodules = false
\twriteCommitGraph = false
[pack]
\tthreads = 2
[safe]
\tdirectory = *
"""


class GitMissing(GitError):
    """There is no ``git`` program on this machine."""


@dataclass(frozen=True)
class Completed:
    """How a call ended. Output is bounded: what is past the limit is dropped."""

    code: int
    output: bytes
    errors: str


def clean_environment() -> dict[str, str]:
    """The environment of every call: no configuration of the user's or the system's, no prompts, English messages."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
    }


def header_setting(url: str, header: str) -> str:
    """Configuration that sends ``header`` to ``url`` and below, and nowhere else."""
    return f"[http {_quoted(url)}]\n\textraHeader = {_quoted(header)}\n"


def authorities_setting(path: Path) -> str:
    """Configuration that trusts the certificates in the file ``path``."""
    return f"[http]\n\tsslCAInfo = {_quoted(str(path))}\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


async def run_git(
    directory: Path,
    arguments: Sequence[str],
    *,
    settings: str = "",
    timeout: float = 60.0,
    file_limit: int | None = None,
) -> Completed:
    """Runs ``git`` on the bare repository ``directory``. No shell is involved in building its arguments.

    ``timeout`` is in seconds (``GitTimedOut``); ``file_limit`` is the size in bytes that no file may grow past (the
    call then ends by a signal: a negative code). Exit codes are the caller's to judge.
    """
    with _configuration(_SETTINGS + settings) as (path, descriptors):
        environment = clean_environment() | {"GIT_DIR": str(directory)}
        command = ["git", "-c", f"include.path={path}", *arguments]
        return await _run(_limited(command, file_limit), environment, descriptors, timeout)


def _limited(command: list[str], file_limit: int | None) -> list[str]:
    if file_limit is None:
        return command
    blocks = max(1, file_limit // 512)
    return ["/bin/sh", "-c", f'ulimit -f {blocks} && exec "$@"', "sh", *command]


async def _run(command: list[str], environment: Mapping[str, str], keep: Sequence[int], timeout: float) -> Completed:
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            pass_fds=keep,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise GitMissing("the git program is not installed or not on the PATH") from None
    try:
        async with asyncio.timeout(timeout):
            output, errors = await asyncio.gather(_bounded(process.stdout), _bounded(process.stderr))
            code = await process.wait()
    except TimeoutError:
        raise GitTimedOut(f"git did not finish within {timeout:g}s") from None
    finally:
        await kill_group(process)
    return Completed(code, output, errors.decode("utf-8", "replace"))


async def _bounded(stream: asyncio.StreamReader | None) -> bytes:
    """What the stream holds, up to the limit; the rest is read and dropped so that the writer never blocks."""
    kept = bytearray()
    while stream is not None and (chunk := await stream.read(1 << 16)):
        kept += chunk[: _OUTPUT_LIMIT - len(kept)]
    return bytes(kept)


async def kill_group(process: asyncio.subprocess.Process) -> None:
    """Ends a process that leads its own session, with all that it started, and waits for it."""
    if process.returncode is not None:
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    await process.wait()


@contextmanager
def _configuration(text: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A configuration file that git and its children can read: its path, and the descriptors that they must inherit."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("afflux-git")
        try:
            os.write(descriptor, text.encode())
            yield f"/dev/fd/{descriptor}", (descriptor,)
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile("w", prefix="afflux-git-", suffix=".config") as file:
        file.write(text)
        file.flush()
        yield file.name, ()
