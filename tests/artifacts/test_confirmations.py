"""What is handed out before its source was looked at."""

from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from afflux.api.meta import Artifact
from afflux.artifacts.archive import File
from afflux.artifacts.confirmations import PATIENCE, Confirmations
from afflux.artifacts.errors import ArtifactUnconfirmed
from afflux.artifacts.server import ArtifactServer
from afflux.artifacts.store import ArtifactKey, ArtifactStore, NewArtifact
from afflux.artifacts.unpacked import UnpackedArtifacts

KEY = ArtifactKey("GitRepository", "apps", "web")


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Bell:
    rung: list[str] = field(default_factory=list)

    def __call__(self) -> None:
        self.rung.append("x")


def published(store: ArtifactStore, revision: str = "1") -> Artifact:
    entries = [File("a.yaml", False, lambda: b"a: 1\n")]
    return store.publish(KEY, NewArtifact(f"main@sha1:{revision}", f"{revision}.tar.gz", entries))


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts", "http://artifacts.test")


async def test_consumers_in_the_process_get_only_what_is_confirmed(tmp_path: Path, store: ArtifactStore) -> None:
    confirmations = Confirmations({"gitrepository"})
    trees = UnpackedArtifacts(tmp_path / "unpacked", store, confirmations=confirmations)
    artifact = published(store)
    with pytest.raises(ArtifactUnconfirmed, match="not fetched anew yet by this leader"):
        await trees.directory(artifact)
    confirmations.confirm(artifact)
    assert (await trees.directory(artifact) / "a.yaml").read_bytes() == b"a: 1\n"


async def test_the_server_answers_503_for_what_is_withheld(store: ArtifactStore) -> None:
    confirmations = Confirmations({"gitrepository"})
    artifact = published(store)
    leads = [False]
    server = ArtifactServer(store)

    def withheld(path: str) -> str | None:
        if not leads[0]:
            return "not the leader"
        return None if not path or confirmations.is_confirmed(path) else "not fetched anew"

    server.withheld = withheld
    await server.start()

    async def status(path: str) -> int:
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{server.port}/{path}") as answer:
            return answer.status

    try:
        assert (await status(""), await status(artifact.path)) == (503, 503)
        leads[0] = True
        assert (await status(""), await status(artifact.path)) == (200, 503)
        confirmations.confirm(artifact)
        assert await status(artifact.path) == 200
        assert await status("gitrepository/apps/web/other.tar.gz") == 503
    finally:
        await server.stop()


def test_a_waiter_is_rung_once_and_by_its_last_bell(store: ArtifactStore) -> None:
    confirmations = Confirmations({"gitrepository"})
    artifact, bell, other = published(store), Bell(), Bell()
    confirmations.ring(artifact, "one", other)
    confirmations.ring(artifact, "one", bell)
    confirmations.ring(artifact, "two", bell)
    confirmations.confirm(published(store, "2"))
    confirmations.confirm(artifact)
    assert (bell.rung, other.rung) == (["x", "x"], [])


def test_artifacts_of_other_kinds_are_for_others_to_vouch_for(store: ArtifactStore) -> None:
    confirmations = Confirmations({"gitrepository"})
    assert confirmations.is_confirmed("ocirepository/apps/web/1.tar.gz")
    assert not confirmations.is_confirmed("gitrepository/apps/web/1.tar.gz")


def test_a_source_that_is_gone_is_forgotten(store: ArtifactStore) -> None:
    confirmations = Confirmations({"gitrepository"})
    artifact = published(store)
    confirmations.confirm(artifact)
    confirmations.forget(KEY.directory)
    assert not confirmations.is_confirmed(artifact.path)


def test_it_is_early_for_a_while_after_the_beginning() -> None:
    clock = Clock()
    confirmations = Confirmations({"gitrepository"}, clock)
    assert not confirmations.is_early
    confirmations.begin()
    assert confirmations.is_early
    clock.now = PATIENCE
    assert not confirmations.is_early
