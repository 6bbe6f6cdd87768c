"""The embedded Git server, driven by the real git."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from afflux.app.git_server import GitServer, ServerLimits, SmartHttp
from afflux.remotes.credentials import BasicAuth
from git_fixture import Upstream, git

TOKEN = "s3cret-token"


class Pushes(list[list[str]]):
    """What the server told."""

    async def __call__(self, names: list[str]) -> None:
        self.append(names)


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream.create(tmp_path / "upstream")


@pytest.fixture
def pushes() -> Pushes:
    return Pushes()


@pytest.fixture
async def server(upstream: Upstream, pushes: Pushes) -> AsyncIterator[GitServer]:
    server = GitServer(upstream.bare, TOKEN, on_push=pushes)
    await server.start()
    yield server
    await server.stop()


async def run_git(directory: Path, *arguments: str, check: bool = True) -> str:
    return await asyncio.to_thread(git, directory, *arguments, check=check)


async def test_a_clone_and_a_push_work_and_the_push_is_told(
    server: GitServer, upstream: Upstream, pushes: Pushes, tmp_path: Path
) -> None:
    upstream.commit({"a.txt": "1\n"})
    await run_git(tmp_path, "clone", "--quiet", server.clone_url, "clone")
    clone = tmp_path / "clone"
    (clone / "b.txt").write_text("2\n")
    await run_git(clone, "add", "--all")
    await run_git(clone, "commit", "--quiet", "-m", "second")
    await run_git(clone, "push", "--quiet")
    assert pushes == [["refs/heads/main"]]
    assert git(upstream.bare, "rev-parse", "main") == git(clone, "rev-parse", "HEAD")


async def test_a_large_push_arrives_whole(server: GitServer, pushes: Pushes, upstream: Upstream) -> None:
    upstream.commit({f"d{n}/f.txt": f"{n}\n" * 2000 for n in range(300)}, push=False)
    await run_git(upstream.work, "push", "--quiet", server.clone_url, "HEAD:refs/heads/big")
    assert pushes == [["refs/heads/big"]]
    git(upstream.bare, "fsck", "--strict")


async def test_forced_pushes_and_deletions_are_told(server: GitServer, upstream: Upstream, pushes: Pushes) -> None:
    upstream.commit({"a.txt": "1\n"})
    upstream.commit({"a.txt": "2\n"})
    git(upstream.work, "reset", "--quiet", "--hard", "HEAD~1")
    await run_git(upstream.work, "push", "--quiet", "--force", server.clone_url, "HEAD:main")
    await run_git(upstream.work, "push", "--quiet", server.clone_url, "HEAD:other")
    await run_git(upstream.work, "push", "--quiet", server.clone_url, ":other")
    assert pushes == [["refs/heads/main"], ["refs/heads/other"], ["refs/heads/other"]]


async def test_a_push_that_is_refused_is_not_told(server: GitServer, upstream: Upstream, pushes: Pushes) -> None:
    upstream.commit({"a.txt": "1\n"})
    git(upstream.work, "commit", "--quiet", "--allow-empty", "--amend", "-m", "other")
    with pytest.raises(AssertionError, match="rejected"):
        await run_git(upstream.work, "push", "--quiet", server.clone_url, "HEAD:main")
    assert pushes == []


async def test_hooks_are_not_run(server: GitServer, upstream: Upstream, tmp_path: Path) -> None:
    hook = upstream.bare / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    upstream.commit({"a.txt": "1\n"}, push=False)
    await run_git(upstream.work, "push", "--quiet", server.clone_url, "HEAD:main")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("user", ["", "git:wrong@", f"{TOKEN}@"])
async def test_without_the_token_nothing_is_served(server: GitServer, user: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"Authentication failed|could not read"):
        await run_git(tmp_path, "ls-remote", server.url.replace("://", f"://{user}"))


async def test_another_host_name_is_refused(server: GitServer) -> None:
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": BasicAuth("git", TOKEN).authorization}
        foreign = {**headers, "Host": "evil.example.com"}
        async with session.get(f"{server.url}/info/refs?service=git-upload-pack", headers=foreign) as answer:
            assert answer.status == 421
        async with session.get(f"{server.url}/info/refs?service=git-shell", headers=headers) as answer:
            assert answer.status == 403
        async with session.get(f"{server.url}/../../etc/passwd", headers=headers) as answer:
            assert answer.status == 404


async def test_the_port_is_kept_across_a_restart(upstream: Upstream) -> None:
    first = GitServer(upstream.bare, TOKEN)
    url = await first.start()
    await first.stop()
    second = GitServer(upstream.bare, TOKEN, port=first.port)
    try:
        assert await second.start() == url
    finally:
        await second.stop()


async def test_an_empty_token_is_refused(upstream: Upstream) -> None:
    with pytest.raises(ValueError, match="empty"):
        GitServer(upstream.bare, "")


async def test_a_client_that_goes_away_disturbs_nobody(
    server: GitServer, upstream: Upstream, pushes: Pushes, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.commit({f"f{n}": random.Random(n).randbytes(50_000) for n in range(40)})
    for service, body in (("git-upload-pack", b"0014command=ls-refs\n"), ("git-receive-pack", b"00a5" + b"0" * 40)):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        authorization = BasicAuth("git", TOKEN).authorization
        head = f"POST /repo.git/{service} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: 5000\r\n"
        writer.write(f"{head}Authorization: {authorization}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.transport.abort()
    await run_git(upstream.work, "push", "--quiet", server.clone_url, "HEAD:refs/heads/other")
    assert pushes == [["refs/heads/other"]]
    assert "Traceback" not in caplog.text


async def test_a_push_that_is_too_large_is_refused_whole(upstream: Upstream, pushes: Pushes) -> None:
    upstream.commit({"big": random.Random(1).randbytes(300_000)}, push=False)
    handler = SmartHttp(upstream.bare, lambda _: True, pushes, ServerLimits(push_bytes=100_000))
    runner = web.AppRunner(handler.application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/repo.git"
        with pytest.raises(AssertionError, match=r"413|hung up|unexpected disconnect"):
            await run_git(upstream.work, "push", "--quiet", url, "HEAD:main")
        assert git(upstream.bare, "for-each-ref") == ""
        assert pushes == []
    finally:
        await runner.cleanup()
