"""Git remotes: what is sent, to whom, and what strange servers can do."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from afflux.net.http import HttpSession
from afflux.remotes.credentials import BasicAuth, InvalidTrust, Trust
from afflux.remotes.git.command import GitMissing, header_setting, run_git
from afflux.remotes.git.errors import GitTimedOut, InvalidUrl, RemoteUnreachable, RepositoryNotFound
from afflux.remotes.git.mirror import Mirrors
from afflux.remotes.git.packet_lines import FLUSH, MalformedPackets, packet, packets
from afflux.remotes.git.references import list_references
from afflux.remotes.git.remote import parse_remote
from git_fixture import Upstream, git, only, serve

ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
COMMIT, TAG = "1" * 40, "2" * 40


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    async with HttpSession() as session:
        yield session


@asynccontextmanager
async def server(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/repo.git"
    finally:
        await runner.cleanup()


def answering(body: bytes, content_type: str = ADVERTISEMENT, status: int = 200):  # type: ignore[no-untyped-def]
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type, status=status)

    return handler


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ssh://git@example.com/x", "scheme 'ssh' is not supported"),
        ("ext::sh -c id", "scheme"),
        ("file:///etc", "scheme 'file' is not supported"),
        ("http:///x", "names no host"),
        ("http://a b/x", "blank"),
        ("http://example.com/x\n[core]", "control character"),
        ("http://example.com/x?a=b", "query"),
        ("http://[::1/x", "can't be parsed"),
        ("http://example.com:99999/x", "can't be parsed"),
    ],
)
def test_urls_that_can_not_be_used_are_refused(url: str, words: str) -> None:
    with pytest.raises(InvalidUrl, match=words):
        parse_remote(url)


def test_user_info_moves_from_the_url_to_the_credentials() -> None:
    remote = parse_remote("https://me:p%40ss@Example.com:8443/a/b.git/")
    assert remote.url == "https://example.com:8443/a/b.git"
    assert remote.credentials == BasicAuth("me", "p@ss")
    assert parse_remote("https://me:x@h/a", BasicAuth("other", "y")).credentials == BasicAuth("other", "y")


async def test_an_old_server_is_understood(http: HttpSession) -> None:
    lines = [
        f"{COMMIT} HEAD\0multi_ack symref=HEAD:refs/heads/main\n",
        f"{COMMIT} refs/heads/main\n",
        f"{TAG} refs/tags/v1\n",
        f"{COMMIT} refs/tags/v1^{{}}\n",
    ]
    body = packet(b"# service=git-upload-pack\n") + FLUSH + b"".join(packet(line.encode()) for line in lines) + FLUSH
    async with server(answering(body)) as url:
        listing = await list_references(http, parse_remote(url), ["refs/tags/v1"])
    found = {name: reference.commit for name, reference in listing.references.items()}
    assert found == {"HEAD": COMMIT, "refs/heads/main": COMMIT, "refs/tags/v1": COMMIT}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html>s3cret page</html>", "text/html"),
        (b"", ADVERTISEMENT),
        (b"zzzz", ADVERTISEMENT),
        (b"ffff short", ADVERTISEMENT),
        (b"0003", ADVERTISEMENT),
        (packet(b"# service=git-upload-pack\n") + FLUSH + packet(b"nonsense refs/heads/main\n"), ADVERTISEMENT),
    ],
)
async def test_an_answer_that_is_not_gits_is_refused_and_not_repeated(
    http: HttpSession, body: bytes, content_type: str
) -> None:
    async with server(answering(body, content_type)) as url:
        with pytest.raises(RemoteUnreachable) as caught:
            await list_references(http, parse_remote(url), ["refs/heads/main"])
    assert "does not answer as a" in str(caught.value)
    assert "s3cret" not in str(caught.value)


async def test_what_a_failing_server_says_is_not_repeated(http: HttpSession) -> None:
    for status, error in ((404, RepositoryNotFound), (500, RemoteUnreachable)):
        async with server(answering(b"s3cret body", "text/plain", status)) as url:
            with pytest.raises(error) as caught:
                await list_references(http, parse_remote(url), [])
        assert "s3cret" not in str(caught.value)


async def test_a_server_that_hangs_is_given_up(http: HttpSession) -> None:
    release = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    async with server(handler) as url:
        with pytest.raises(GitTimedOut, match=r"within 0\.2s"):
            await list_references(http, parse_remote(url, timeout=0.2), [])
        release.set()


async def test_credentials_do_not_follow_a_redirect_to_another_host(http: HttpSession) -> None:
    seen: list[str | None] = []

    async def thief(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(status=404)

    async with server(thief) as other:

        async def handler(request: web.Request) -> web.Response:
            raise web.HTTPFound(f"{other}/info/refs?service=git-upload-pack")

        async with server(handler) as url:
            with pytest.raises(RemoteUnreachable, match="where the credentials are not sent"):
                await list_references(http, parse_remote(url, BasicAuth("me", "s3cret")), [])
    assert seen == [None]


async def test_a_repository_that_moved_is_followed_by_the_fetch_too(http: HttpSession, tmp_path: Path) -> None:
    upstream = Upstream.create(tmp_path / "upstream")
    commit = upstream.commit({"a": "1"})
    async with serve(upstream) as served:

        async def handler(request: web.Request) -> web.Response:
            raise web.HTTPMovedPermanently(f"{served.url}/info/refs?{request.query_string}")

        async with server(handler) as old:
            remote = parse_remote(old)
            listing = await list_references(http, remote, ["refs/heads/main"])
            assert listing.url == served.url
            mirror = Mirrors(tmp_path / "mirrors").snapshots(remote)
            assert await mirror.fetch(remote, listing.url, ["refs/heads/main"]) == {"refs/heads/main": commit}


SPY = """#!/bin/sh
{ tr '\\0' ' ' < /proc/$$/cmdline; echo; env; } >> "%(log)s"
exec "%(git)s" "$@"
"""


async def test_no_secret_is_in_arguments_environment_or_files(
    http: HttpSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = Upstream.create(tmp_path / "upstream")
    upstream.commit({"a": "1"})
    real = os.popen("command -v git").read().strip()
    spy = tmp_path / "bin" / "git"
    spy.parent.mkdir()
    spy.write_text(SPY % {"log": tmp_path / "spied", "git": real})
    spy.chmod(spy.stat().st_mode | stat.S_IXUSR)
    credentials = BasicAuth("me", "s3cret-password")
    encoded = credentials.authorization.split()[1]
    async with serve(upstream, only(credentials.authorization)) as served:
        monkeypatch.setenv("PATH", f"{spy.parent}:{os.environ['PATH']}")
        monkeypatch.setenv("GIT_TRACE_CURL", str(tmp_path / "trace"))
        remote = parse_remote(served.url, credentials)
        mirror = Mirrors(tmp_path / "mirrors").snapshots(remote)
        await mirror.fetch(remote, remote.url, ["refs/heads/main"])
    spied = (tmp_path / "spied").read_text()
    assert "fetch" in spied
    assert not (tmp_path / "trace").exists()
    kept = [path for path in (tmp_path / "mirrors").rglob("*") if path.is_file()]
    for text in (spied, *(path.read_text(errors="replace") for path in kept)):
        assert "s3cret" not in text
        assert encoded not in text


async def test_the_users_configuration_and_hooks_have_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[alias]\n\tx = !touch " + str(tmp_path / "ran") + "\n[user]\n\tname = me\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_SSL_NO_VERIFY", "1")
    git(tmp_path, "init", "--quiet", "--bare", "r.git")
    assert (await run_git(tmp_path / "r.git", ["config", "user.name"])).output == b""
    assert (await run_git(tmp_path / "r.git", ["x"])).code != 0
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("url", ["file:///etc", "ext::sh -c id", "ssh://localhost/x", "git://localhost/x"])
async def test_git_itself_refuses_other_protocols(tmp_path: Path, url: str) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "r.git")
    done = await run_git(tmp_path / "r.git", ["fetch", "--end-of-options", url, "HEAD"])
    assert done.code != 0
    assert "not allowed" in done.errors


async def test_a_time_limit_ends_git_and_what_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "git"
    slow.write_text(f"#!/bin/sh\nsleep 60 & echo $! > {tmp_path}/child\nwait\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(GitTimedOut):
        await run_git(tmp_path, ["fetch"], timeout=0.5)
    child = int((tmp_path / "child").read_text())
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


async def test_a_missing_git_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitMissing, match="not installed"):
        await run_git(tmp_path, ["version"])


def test_a_header_can_not_break_out_of_its_setting() -> None:
    setting = header_setting("http://h/x", 'Authorization: "\n[core]\n\\')
    assert setting.count("\n") == 2
    assert '\\"\\n[core]\\n\\\\"' in setting


def test_packets_are_read_back() -> None:
    data = packet(b"a\n") + FLUSH + packet(b"b")
    assert list(packets(data)) == [b"a\n", None, b"b"]
    for bad in (b"00", b"0005", b"+123", b"0x10 "):
        with pytest.raises(MalformedPackets):
            list(packets(bad))


@pytest.mark.parametrize("pem", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_bundle_without_certificates_is_refused(pem: bytes) -> None:
    with pytest.raises(InvalidTrust):
        Trust.from_pem(pem)
