"""A Git repository as a source, against the real git behind a real server."""

import asyncio
import os
import random
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from afflux.artifacts.archive import File
from afflux.net.http import HttpSession
from afflux.net.tls import Authority
from afflux.remotes.credentials import BasicAuth, BearerToken, Trust
from afflux.remotes.git.errors import (
    AuthenticationFailed,
    CommitNotFound,
    EmptyRepository,
    GitError,
    InvalidReference,
    ReferenceNotFound,
    RemoteUnreachable,
)
from afflux.remotes.git.mirror import Mirrors
from afflux.remotes.git.remote import parse_remote
from afflux.sources.fetcher import Fetched
from afflux.sources.git import GitFetcher, Wanted
from git_fixture import ServedRepository, Upstream, git, only, serve

MAIN = Wanted(branch="main")


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream.create(tmp_path / "upstream")


@pytest.fixture
def mirrors(tmp_path: Path) -> Mirrors:
    return Mirrors(tmp_path / "mirrors")


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    async with HttpSession() as session:
        yield session


def content(fetched: Fetched) -> dict[str, str]:
    return {entry.path: entry.read().decode() for entry in fetched.entries if isinstance(entry, File)}


async def fetched_files(fetcher: GitFetcher) -> tuple[str, dict[str, str]]:
    async with fetcher.fetch(await fetcher.resolve()) as fetched:
        return fetched.revision.text, content(fetched)


async def test_a_branch_is_resolved_and_fetched(upstream: Upstream, mirrors: Mirrors, http: HttpSession) -> None:
    commit = upstream.commit({"a.yaml": "a: 1\n", "deep/b.yaml": "b: 2\n"}, "First\n\nbody")
    async with serve(upstream) as served:
        fetcher = GitFetcher(parse_remote(served.url), MAIN, http, mirrors)
        revision = await fetcher.resolve()
        assert revision == (f"main@sha1:{commit}", f"{commit}.tar.gz")
        async with fetcher.fetch(revision) as fetched:
            assert fetched.about == "commit 'First'"
            assert [entry.path for entry in fetched.entries] == ["a.yaml", "deep", "deep/b.yaml"]
            assert content(fetched) == {"a.yaml": "a: 1\n", "deep/b.yaml": "b: 2\n"}


async def test_a_commit_that_is_mirrored_is_not_fetched_again(
    upstream: Upstream, mirrors: Mirrors, http: HttpSession
) -> None:
    upstream.commit({"a.yaml": "a: 1\n"})
    async with serve(upstream) as served:
        remote = parse_remote(served.url)
        await fetched_files(GitFetcher(remote, MAIN, http, mirrors))
        served.requests.clear()
        await fetched_files(GitFetcher(remote, MAIN, http, mirrors))
        assert served.requests == ["GET /repo.git/info/refs", "POST /repo.git/git-upload-pack"]


async def test_a_new_commit_and_a_forced_push_are_followed(
    upstream: Upstream, mirrors: Mirrors, http: HttpSession
) -> None:
    upstream.commit({"a.yaml": "a: 1\n"})
    async with serve(upstream) as served:
        fetcher = GitFetcher(parse_remote(served.url), MAIN, http, mirrors)
        assert (await fetched_files(fetcher))[1] == {"a.yaml": "a: 1\n"}
        second = upstream.commit({"b.yaml": "b: 1\n"})
        assert await fetched_files(fetcher) == (f"main@sha1:{second}", {"a.yaml": "a: 1\n", "b.yaml": "b: 1\n"})
        git(upstream.work, "reset", "--quiet", "--hard", "HEAD~1")
        forced = upstream.commit({"c.yaml": "c: 1\n"})
        assert await fetched_files(fetcher) == (f"main@sha1:{forced}", {"a.yaml": "a: 1\n", "c.yaml": "c: 1\n"})


async def test_a_push_between_resolving_and_fetching_gives_the_newer_commit(
    upstream: Upstream, mirrors: Mirrors, http: HttpSession
) -> None:
    upstream.commit({"a.yaml": "1\n"})
    async with serve(upstream) as served:
        fetcher = GitFetcher(parse_remote(served.url), MAIN, http, mirrors)
        revision = await fetcher.resolve()
        newer = upstream.commit({"a.yaml": "2\n"})
        async with fetcher.fetch(revision) as fetched:
            assert fetched.revision.text == f"main@sha1:{newer}"
            assert content(fetched) == {"a.yaml": "2\n"}


async def test_an_annotated_tag_means_its_commit(upstream: Upstream, mirrors: Mirrors, http: HttpSession) -> None:
    commit = upstream.commit({"a.yaml": "1\n"})
    git(upstream.work, "tag", "-a", "v1", "-m", "one")
    git(upstream.work, "push", "--quiet", "origin", "v1")
    upstream.commit({"a.yaml": "2\n"})
    async with serve(upstream) as served:
        tagged = await fetched_files(GitFetcher(parse_remote(served.url), Wanted(tag="v1"), http, mirrors))
        assert tagged == (f"v1@sha1:{commit}", {"a.yaml": "1\n"})
        named = await fetched_files(GitFetcher(parse_remote(served.url), Wanted(name="refs/tags/v1"), http, mirrors))
        assert named == (f"refs/tags/v1@sha1:{commit}", {"a.yaml": "1\n"})


async def test_a_commit_is_found_within_its_branch_only(
    upstream: Upstream, mirrors: Mirrors, http: HttpSession
) -> None:
    old = upstream.commit({"a.yaml": "1\n"})
    upstream.commit({"a.yaml": "2\n"})
    git(upstream.work, "checkout", "--quiet", "-b", "other")
    foreign = upstream.commit({"a.yaml": "3\n"})
    async with serve(upstream) as served:
        remote = parse_remote(served.url)
        within = GitFetcher(remote, Wanted(branch="main", commit=old), http, mirrors)
        assert await fetched_files(within) == (f"main@sha1:{old}", {"a.yaml": "1\n"})
        alone = GitFetcher(remote, Wanted(commit=foreign), http, mirrors)
        assert await fetched_files(alone) == (f"sha1:{foreign}", {"a.yaml": "3\n"})
        with pytest.raises(CommitNotFound, match="is not in main"):
            await fetched_files(GitFetcher(remote, Wanted(branch="main", commit=foreign), http, mirrors))
        with pytest.raises(InvalidReference, match="not a full commit id"):
            await fetched_files(GitFetcher(remote, Wanted(commit="abc"), http, mirrors))


async def test_a_missing_branch_and_an_empty_repository_are_told_apart(
    upstream: Upstream, mirrors: Mirrors, http: HttpSession
) -> None:
    async with serve(upstream) as served:
        fetcher = GitFetcher(parse_remote(served.url), Wanted(branch="nope"), http, mirrors)
        with pytest.raises(EmptyRepository, match="git repository is empty"):
            await fetcher.resolve()
        upstream.commit({"a.yaml": "1\n"})
        with pytest.raises(ReferenceNotFound, match='couldn\'t find remote ref "refs/heads/nope"'):
            await fetcher.resolve()


@pytest.mark.parametrize("name", ["--upload-pack=x", "a..b", "a b", "x.lock", "a//b", "-", "refs"])
async def test_names_that_git_refuses_never_reach_it(name: str, mirrors: Mirrors, http: HttpSession) -> None:
    with pytest.raises(InvalidReference):
        await GitFetcher(parse_remote("http://127.0.0.1:1/x"), Wanted(name=name), http, mirrors).resolve()


async def test_basic_and_bearer_credentials_are_sent(upstream: Upstream, mirrors: Mirrors, http: HttpSession) -> None:
    upstream.commit({"a.yaml": "1\n"})
    for credentials in (BasicAuth("me", "hunter2:x"), BearerToken("tok-e-n")):
        async with serve(upstream, only(credentials.authorization)) as served:
            remote = parse_remote(served.url, credentials)
            assert (await fetched_files(GitFetcher(remote, MAIN, http, mirrors)))[1] == {"a.yaml": "1\n"}


async def test_a_bad_password_is_named_and_never_shown(upstream: Upstream, mirrors: Mirrors, http: HttpSession) -> None:
    upstream.commit({"a.yaml": "1\n"})
    async with serve(upstream, only(BasicAuth("me", "right").authorization)) as served:
        remote = parse_remote(served.url.replace("://", "://me:wrong-secret@"))
        with pytest.raises(AuthenticationFailed) as caught:
            await GitFetcher(remote, MAIN, http, mirrors).resolve()
        assert "authentication failed" in str(caught.value)
        assert "wrong-secret" not in f"{caught.value} {remote!r} {remote.credentials!r}"
        with pytest.raises(AuthenticationFailed, match="authentication required"):
            await GitFetcher(parse_remote(served.url), MAIN, http, mirrors).resolve()


async def test_what_others_may_read_is_not_read_from_their_mirror(
    upstream: Upstream, mirrors: Mirrors, http: HttpSession
) -> None:
    commit = upstream.commit({"a.yaml": "1\n"})
    allowed = BasicAuth("me", "right")
    async with serve(upstream, only(allowed.authorization)) as served:
        await fetched_files(GitFetcher(parse_remote(served.url, allowed), Wanted(commit=commit), http, mirrors))
        for wanted in (MAIN, Wanted(commit=commit)):
            with pytest.raises(AuthenticationFailed):
                await fetched_files(GitFetcher(parse_remote(served.url), wanted, http, mirrors))


async def test_a_certificate_of_our_own_authority_is_trusted_only_when_named(
    upstream: Upstream, mirrors: Mirrors, http: HttpSession
) -> None:
    upstream.commit({"a.yaml": "1\n"})
    authority = Authority.create()
    async with serve(upstream, tls=authority.server_context(["127.0.0.1"])) as served:
        with pytest.raises(RemoteUnreachable, match="certificate verification failed"):
            await GitFetcher(parse_remote(served.url), MAIN, http, mirrors).resolve()
        remote = parse_remote(served.url, trust=Trust.from_pem(authority.ca_pem))
        assert (await fetched_files(GitFetcher(remote, MAIN, http, mirrors)))[1] == {"a.yaml": "1\n"}


async def test_a_server_that_is_down_is_named(
    served_once: ServedRepository, mirrors: Mirrors, http: HttpSession
) -> None:
    fetcher = GitFetcher(parse_remote(served_once.url), MAIN, http, mirrors)
    await fetched_files(fetcher)
    await served_once.stop()
    with pytest.raises(RemoteUnreachable, match="connection refused"):
        await fetcher.resolve()


@pytest.fixture
async def served_once(upstream: Upstream) -> AsyncIterator[ServedRepository]:
    upstream.commit({"a.yaml": "1\n"})
    async with serve(upstream) as served:
        yield served


async def test_fetches_at_the_same_time_are_one(
    served_once: ServedRepository, mirrors: Mirrors, http: HttpSession
) -> None:
    fetchers = [GitFetcher(parse_remote(served_once.url), MAIN, http, mirrors) for _ in range(5)]
    found = await asyncio.gather(*(fetched_files(fetcher) for fetcher in fetchers))
    assert all(files == {"a.yaml": "1\n"} for _, files in found)
    # Five polls of two requests each, and one fetch of three.
    assert len(served_once.requests) == 5 * 2 + 3


async def test_a_mirror_of_many_small_packs_is_packed_anew(
    served_once: ServedRepository, mirrors: Mirrors, http: HttpSession
) -> None:
    remote = parse_remote(served_once.url)
    fetcher = GitFetcher(remote, MAIN, http, mirrors)
    packs = mirrors.snapshots(remote).path / "objects" / "pack"
    most = 0
    for number in range(45):
        served_once.upstream.commit({"a.yaml": f"{number}\n"})
        assert (await fetched_files(fetcher))[1] == {"a.yaml": f"{number}\n"}
        most = max(most, len(list(packs.glob("*.pack"))))
    assert most <= 41
    assert len(list(packs.glob("*.pack"))) < 10


async def test_mirrors_that_nobody_uses_are_removed(
    served_once: ServedRepository, mirrors: Mirrors, http: HttpSession, tmp_path: Path
) -> None:
    remote = parse_remote(served_once.url)
    await fetched_files(GitFetcher(remote, MAIN, http, mirrors))
    again = Mirrors(tmp_path / "mirrors")
    place = again.snapshots(remote).path.parent
    old, new = place / "old.git", place / "new.git"
    old.mkdir()
    new.mkdir()
    os.utime(old, (1, 1))
    again.snapshots(parse_remote("http://example.com/other"))
    assert (old.exists(), new.exists(), again.snapshots(remote).path.exists()) == (False, True, True)


@pytest.mark.parametrize("damage", ["HEAD", "objects", "lock"])
async def test_a_damaged_mirror_is_made_anew(
    damage: str, served_once: ServedRepository, mirrors: Mirrors, http: HttpSession, tmp_path: Path
) -> None:
    remote = parse_remote(served_once.url)
    await fetched_files(GitFetcher(remote, MAIN, http, mirrors))
    path = mirrors.snapshots(remote).path
    if damage == "HEAD":
        (path / "HEAD").write_text("nonsense")
    elif damage == "lock":
        (path / "shallow.lock").write_text("")
    else:
        for pack in (path / "objects" / "pack").iterdir():
            pack.chmod(0o600)
            pack.write_bytes(b"nonsense")
    commit = served_once.upstream.commit({"b.yaml": "2\n"})
    again = Mirrors(tmp_path / "mirrors")
    found = await fetched_files(GitFetcher(remote, MAIN, http, again))
    assert found == (f"main@sha1:{commit}", {"a.yaml": "1\n", "b.yaml": "2\n"})


async def test_what_a_killed_process_started_can_not_disturb_the_next_one(
    served_once: ServedRepository, mirrors: Mirrors, http: HttpSession, tmp_path: Path
) -> None:
    remote = parse_remote(served_once.url)
    await fetched_files(GitFetcher(remote, MAIN, http, mirrors))
    before = mirrors.snapshots(remote).path
    again = Mirrors(tmp_path / "mirrors")
    assert not before.exists()
    served_once.requests.clear()
    assert (await fetched_files(GitFetcher(remote, MAIN, http, again)))[1] == {"a.yaml": "1\n"}
    assert len(served_once.requests) == 2  # the poll alone: the mirror was taken over
    with pytest.raises(GitError):
        await mirrors.snapshots(remote).fetch(remote, remote.url, ["refs/heads/nope"])


async def test_links_are_left_out_and_submodules_are_empty_directories(
    upstream: Upstream, mirrors: Mirrors, http: HttpSession
) -> None:
    commit = upstream.commit({"a.yaml": "1\n"}, push=False)
    (upstream.work / "link").symlink_to("/etc/passwd")
    git(upstream.work, "update-index", "--add", "--cacheinfo", f"160000,{commit},module")
    git(upstream.work, "add", "link")
    git(upstream.work, "commit", "--quiet", "-m", "odd")
    git(upstream.work, "push", "--quiet", "origin", "HEAD")
    async with serve(upstream) as served:
        fetcher = GitFetcher(parse_remote(served.url), MAIN, http, mirrors)
        async with fetcher.fetch(await fetcher.resolve()) as fetched:
            assert [entry.path for entry in fetched.entries] == ["a.yaml", "module"]


async def test_a_size_limit_ends_the_fetch(upstream: Upstream, tmp_path: Path, http: HttpSession) -> None:
    upstream.commit({"big": random.Random(1).randbytes(300_000)})
    async with serve(upstream) as served:
        small = Mirrors(tmp_path / "small", size_limit=100_000)
        with pytest.raises(GitError, match=r"larger than|too large"):
            await fetched_files(GitFetcher(parse_remote(served.url), MAIN, http, small))


def test_ssl_contexts_are_not_in_a_repr() -> None:
    remote = parse_remote("https://example.com/x", BasicAuth("a", "secret"), Trust(b"x", ssl.create_default_context()))
    assert "secret" not in repr(remote)
