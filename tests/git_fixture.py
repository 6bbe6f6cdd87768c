"""Real Git repositories and a real smart-HTTP server for tests."""

import os
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from afflux.app.git_server import Authorize, SmartHttp

PERSON = {f"GIT_{role}_{what}": "someone@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(directory: Path, *arguments: str, check: bool = True) -> str:
    """Runs the git program as a user would, without anything of the user who runs the tests; returns its output."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        **PERSON,
    }
    done = subprocess.run(["git", *arguments], cwd=directory, env=environment, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise AssertionError(f"git {' '.join(arguments)}: {done.stderr}")
    return done.stdout.strip()


@dataclass
class Upstream:
    """A bare repository and a work tree that pushes to it through the file system."""

    bare: Path
    work: Path

    @classmethod
    def create(cls, root: Path, branch: str = "main") -> "Upstream":
        """An empty repository ``repo.git`` below ``root``."""
        bare, work = root / "repo.git", root / "work"
        root.mkdir(parents=True, exist_ok=True)
        git(root, "init", "--quiet", "--bare", f"--initial-branch={branch}", str(bare))
        git(root, "init", "--quiet", f"--initial-branch={branch}", str(work))
        git(work, "remote", "add", "origin", str(bare))
        return cls(bare, work)

    def write(self, files: dict[str, str | bytes | None]) -> None:
        """Writes files of the work tree; None removes one."""
        for name, content in files.items():
            path = self.work / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: dict[str, str | bytes | None], message: str = "Change", push: bool = True) -> str:
        """Commits files and pushes the branch; returns the commit's id."""
        self.write(files)
        git(self.work, "add", "--all", "--force")
        git(self.work, "commit", "--quiet", "--allow-empty", "-m", message)
        if push:
            git(self.work, "push", "--quiet", "--force", "origin", "HEAD")
        return git(self.work, "rev-parse", "HEAD")


@dataclass
class ServedRepository:
    """A repository on a server of its own. ``requests`` are the paths that were asked for, in order."""

    upstream: Upstream
    url: str
    requests: list[str] = field(default_factory=list)
    runner: web.AppRunner | None = None

    async def stop(self) -> None:
        """The server goes away; its address answers nothing any more."""
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None


def anyone(authorization: str) -> bool:
    """Lets everybody in."""
    return True


def only(expected: str) -> Authorize:
    """Lets in who sends exactly this header."""
    return lambda authorization: authorization == expected


@asynccontextmanager
async def serve(
    upstream: Upstream, authorize: Authorize = anyone, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ServedRepository]:
    """The repository over smart HTTP(S) on the loopback interface."""
    served = ServedRepository(upstream, "")
    repository = SmartHttp(upstream.bare, authorize)

    @web.middleware
    async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
        served.requests.append(f"{request.method} {request.path}")
        return await handler(request)

    runner = web.AppRunner(repository.application(record), shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    served.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/{upstream.bare.name}"
    served.runner = runner
    try:
        yield served
    finally:
        await served.stop()
