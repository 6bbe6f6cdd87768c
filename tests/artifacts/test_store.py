"""Artifacts on disk: publishing, verifying, retention, unpacking once, serving."""

import asyncio
import gzip
import os
import tarfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from afflux.api.meta import Artifact
from afflux.artifacts.archive import Directory, Entry, File
from afflux.artifacts.download import Retry, download
from afflux.artifacts.errors import ArtifactError, ArtifactMissing, ArtifactTorn, DownloadFailed
from afflux.artifacts.server import ArtifactServer
from afflux.artifacts.store import ArtifactKey, ArtifactStore, NewArtifact
from afflux.artifacts.unpacked import UnpackedArtifacts
from afflux.net.http import HttpSession, Request

KEY = ArtifactKey("GitRepository", "flux-system", "app")


def files(**contents: str) -> list[Entry]:
    return [File(f"{name}.yaml", False, text.encode) for name, text in sorted(contents.items())]


def published(store: ArtifactStore, name: str = "1", **contents: str) -> Artifact:
    return store.publish(KEY, NewArtifact(f"main@sha1:{name}", f"{name}.tar.gz", files(**contents or {"a": "1"})))


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store", "example.com:1234")


def test_an_artifact_has_its_path_digest_size_and_url(store: ArtifactStore) -> None:
    clocked = ArtifactStore(store.root, "http://host/", clock=lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    artifact = published(clocked)
    path = store.root / "gitrepository/flux-system/app/1.tar.gz"
    assert artifact.path == "gitrepository/flux-system/app/1.tar.gz"
    assert artifact.url == "http://host/gitrepository/flux-system/app/1.tar.gz"
    assert artifact.last_update_time == "2026-01-02T03:04:05Z"
    assert artifact.size == path.stat().st_size
    assert path.stat().st_mode & 0o777 == 0o600
    store.verify(artifact)


def test_an_artifact_moves_to_the_address_that_is_advertised_now(store: ArtifactStore) -> None:
    artifact = published(ArtifactStore(store.root, "old:1"))
    assert not store.owns(artifact)
    assert store.at_current_address(artifact).url == "http://example.com:1234/gitrepository/flux-system/app/1.tar.gz"


def test_a_file_that_changed_or_vanished_is_noticed(store: ArtifactStore) -> None:
    artifact = published(store)
    path = store.path_of(artifact)
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(ArtifactTorn):
        store.verify(artifact)
    path.unlink()
    with pytest.raises(ArtifactMissing):
        store.verify(artifact)
    path.symlink_to("/etc/passwd")
    with pytest.raises(ArtifactMissing):
        store.verify(artifact)


@pytest.mark.parametrize("path", ["../../etc/passwd", "a/b/c/../../../x", "/etc/passwd", "a/b/c/.hidden", "a/b/c"])
def test_a_path_outside_of_the_store_is_not_opened(store: ArtifactStore, path: str) -> None:
    with pytest.raises(ArtifactMissing):
        store.verify(msgspec.structs.replace(published(store), path=path))


def test_a_failed_publication_leaves_nothing_and_the_old_file_stays(store: ArtifactStore) -> None:
    artifact = published(store)

    def fails() -> bytes:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        store.publish(KEY, NewArtifact("r", "1.tar.gz", [File("a", False, fails)]))
    store.verify(artifact)
    assert sorted(os.listdir(store.path_of(artifact).parent)) == ["1.tar.gz", "1.tar.gz.lock"]


def test_superseded_artifacts_go_by_age_and_by_number(store: ArtifactStore) -> None:
    artifacts = [published(store, str(n)) for n in range(5)]
    now = time.time()
    for age, artifact in zip((300, 40, 30, 20, 10), artifacts, strict=True):
        os.utime(store.path_of(artifact), (now - age, now - age))
    assert store.collect_garbage(KEY, artifacts[0]) == 3
    left = {name for name in os.listdir(store.path_of(artifacts[0]).parent) if not name.endswith(".lock")}
    assert left == {"0.tar.gz", "4.tar.gz"}
    os.utime(store.path_of(artifacts[4]), (now - 61, now - 61))
    assert store.collect_garbage(KEY, artifacts[0]) == 1
    assert store.collect_garbage(KEY, artifacts[0]) == 0
    assert sorted(os.listdir(store.path_of(artifacts[0]).parent)) == ["0.tar.gz", "0.tar.gz.lock"]


def test_what_a_killed_process_was_writing_goes_and_counts_for_nothing(store: ArtifactStore) -> None:
    artifact = published(store)
    partial = store.path_of(artifact).with_name(".partial-x")
    partial.write_bytes(b"half")
    assert store.collect_garbage(KEY, artifact) == 0
    assert partial.exists()
    os.utime(partial, (1, 1))
    assert store.collect_garbage(KEY, artifact) == 0
    assert not partial.exists()


def test_removing_takes_everything_of_an_object(store: ArtifactStore) -> None:
    artifact = published(store)
    store.remove(KEY)
    store.remove(KEY)
    assert not store.path_of(artifact).parent.exists()


@pytest.mark.parametrize("name", ["", "..", "a/b", ".x"])
def test_a_key_that_leads_elsewhere_is_refused(store: ArtifactStore, name: str) -> None:
    with pytest.raises(ArtifactError):
        store.publish(ArtifactKey("GitRepository", "ns", name), NewArtifact("r", "1.tar.gz", []))
    with pytest.raises(ArtifactError):
        store.publish(KEY, NewArtifact("r", name, []))


async def test_an_artifact_is_unpacked_once(store: ArtifactStore, tmp_path: Path) -> None:
    artifact = store.at_current_address(published(store, a="1", b="2"))
    unpacked = UnpackedArtifacts(tmp_path / "unpacked", store)
    first, second = await asyncio.gather(unpacked.directory(artifact), unpacked.directory(artifact))
    assert first == second
    assert {path.name: path.read_text() for path in first.iterdir()} == {"a.yaml": "1", "b.yaml": "2"}
    store.remove(KEY)
    assert await unpacked.directory(artifact) == first


async def test_an_artifact_from_before_a_restart_is_found_without_its_address(
    store: ArtifactStore, tmp_path: Path
) -> None:
    artifact = published(ArtifactStore(store.root, "127.0.0.1:1"), a="1")
    async with HttpSession() as http:
        directory = await UnpackedArtifacts(tmp_path / "unpacked", store, http).directory(artifact)
    assert (directory / "a.yaml").read_text() == "1"


async def test_what_a_killed_process_left_is_not_used(store: ArtifactStore, tmp_path: Path) -> None:
    artifact = store.at_current_address(published(store, a="1"))
    place = tmp_path / "unpacked" / artifact.digest.replace(":", "-")
    place.mkdir(parents=True)
    (place / "torn").write_text("half")
    directory = await UnpackedArtifacts(tmp_path / "unpacked", store).directory(artifact)
    assert [path.name for path in directory.iterdir()] == ["a.yaml"]


async def test_a_torn_artifact_is_never_unpacked(store: ArtifactStore, tmp_path: Path) -> None:
    artifact = store.at_current_address(published(store))
    store.path_of(artifact).write_bytes(b"torn")
    with pytest.raises(ArtifactTorn):
        await UnpackedArtifacts(tmp_path / "unpacked", store).directory(artifact)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[ArtifactStore, ArtifactServer]]:
    server = ArtifactServer(ArtifactStore(tmp_path / "store", "unused"))
    await server.start()
    yield ArtifactStore(tmp_path / "store", f"127.0.0.1:{server.port}"), server
    await server.stop()


async def test_the_server_gives_files_ranges_and_heads(served: tuple[ArtifactStore, ArtifactServer]) -> None:
    store, _ = served
    artifact = published(store)
    body = store.path_of(artifact).read_bytes()
    async with HttpSession() as http:
        answer = await http.request(Request("GET", artifact.url))
        assert (answer.status, answer.body) == (200, body)
        assert answer.headers["Content-Type"] == "application/gzip"
        assert "Content-Encoding" not in answer.headers
        part = await http.request(Request("GET", artifact.url, {"Range": "bytes=2-5"}))
        assert (part.status, part.body) == (206, body[2:6])
        head = await http.request(Request("HEAD", artifact.url))
        assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(body)))
        assert (await http.request(Request("GET", f"{store.address}/"))).status == 200


async def test_the_server_gives_nothing_else(served: tuple[ArtifactStore, ArtifactServer], tmp_path: Path) -> None:
    store, _ = served
    artifact = published(store)
    store.path_of(artifact).with_name("link.tar.gz").symlink_to("/etc/passwd")
    refused = [
        "gitrepository/flux-system/app/link.tar.gz",
        "gitrepository/flux-system/app/1.tar.gz.lock",
        "gitrepository/flux-system/app/",
        "gitrepository/flux-system/app/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "gitrepository/flux-system/%2e%2e/app",
    ]
    async with HttpSession() as http:
        for path in refused:
            assert (await http.request(Request("GET", f"{store.address}/{path}"))).status == 404
        assert (await http.request(Request("GET", artifact.url, {"Host": "evil.example.com"}))).status == 421
        assert (await http.request(Request("PUT", artifact.url, body=b"x"))).status == 405


async def test_a_foreign_artifact_is_downloaded_and_checked(
    served: tuple[ArtifactStore, ArtifactServer], tmp_path: Path
) -> None:
    foreign, _ = served
    artifact = published(foreign, a="1")
    mine = ArtifactStore(tmp_path / "mine", "elsewhere")
    async with HttpSession() as http:
        directory = await UnpackedArtifacts(tmp_path / "unpacked", mine, http).directory(artifact)
        assert (directory / "a.yaml").read_text() == "1"
        foreign.path_of(artifact).write_bytes(b"other")
        with pytest.raises(ArtifactTorn):
            await download(artifact, http)
        foreign.path_of(artifact).unlink()
        with pytest.raises(ArtifactMissing):
            await download(artifact, http)


async def test_a_store_that_is_down_is_tried_again_and_named(
    served: tuple[ArtifactStore, ArtifactServer],
) -> None:
    store, server = served
    artifact = published(store)
    await server.stop()
    async with HttpSession() as http:
        with pytest.raises(DownloadFailed, match=r"connection refused \(2 attempts\)"):
            await download(artifact, http, Retry(attempts=2, first=0, longest=0))


def test_the_archive_reads_as_flux_writes_it(store: ArtifactStore) -> None:
    entries: list[Entry] = [Directory("d"), File("d/run.sh", True, lambda: b"#!"), File("z", False, lambda: b"z")]
    artifact = store.publish(KEY, NewArtifact("r", "1.tar.gz", entries))
    data = store.path_of(artifact).read_bytes()
    assert data[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    with gzip.open(store.path_of(artifact)) as plain, tarfile.open(fileobj=plain) as tar:
        seen = [(m.name, m.mode, m.type, m.uid, m.gid, m.uname, m.mtime) for m in tar]
    assert seen == [
        (".", 0o750, tarfile.DIRTYPE, 0, 0, "", 0),
        ("d", 0o750, tarfile.DIRTYPE, 0, 0, "", 0),
        ("d/run.sh", 0o700, tarfile.REGTYPE, 0, 0, "", 0),
        ("z", 0o600, tarfile.REGTYPE, 0, 0, "", 0),
    ]
