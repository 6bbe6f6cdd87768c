"""What a real 1.36 server was recorded to answer, our server answers, but for a list with reasons.

The recordings are of clients at work (kubectl, Helm), and of requests sent one by one. Each is replayed in its order
against a new server: what was recorded on some state is asked of the same state.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "controlplane")]

from controlplane_client import Api, client_of  # noqa: E402
from recordings_exceptions import EXCEPTIONS, Allowed  # noqa: E402
from replay import Replay  # noqa: E402
from replay_apply_requests import APPLIES, custom_resource_steps  # noqa: E402
from replay_differences import Difference  # noqa: E402
from replay_merges import merge_differences  # noqa: E402
from replay_recording import exchanges, unpacked  # noqa: E402
from replay_requests import OBJECTS, Step  # noqa: E402
from replay_titled import Titled, TitledReplay, applied_answers, titled_answers  # noqa: E402
from replay_watches import Watches  # noqa: E402

from afflux.app.simulation_client import RemoteAccess  # noqa: E402
from afflux.controlplane.control_plane import ControlPlane, Settings  # noqa: E402
from afflux.controlplane.simulation import Part, Simulation  # noqa: E402
from afflux.kube.client import KubeClient  # noqa: E402
from afflux.kube.config import load_config  # noqa: E402

pytestmark = pytest.mark.embedded_only("compares the embedded plane with what real servers were recorded to answer")
Answered = tuple[str, list[Difference]]
"""A request, and how its answer differs."""


@dataclass(frozen=True)
class Subject:
    """A server with a client and, in a file, its kubeconfig."""

    api: Api
    kubeconfig: Path


@pytest.fixture(scope="session")
def observed(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked archive."""
    return unpacked(shared, tmp_path_factory.mktemp("observed"))


@pytest.fixture
def recordings(observed: Path) -> Path:
    return observed / "recordings"


@contextlib.asynccontextmanager
async def serving(directory: Path, *, controllers: bool, nodes: bool = False) -> AsyncIterator[Subject]:
    """A server as the recorded one was: with a controller manager (or not), with or without nodes."""
    settings = Settings(simulation_delay=0.0 if nodes else None, enforce_rbac=True)
    async with ControlPlane(settings=settings) as plane, client_of(plane) as api:
        kubeconfig = directory / "kubeconfig"
        kubeconfig.write_text(plane.kubeconfig)
        client = KubeClient.connect(load_config(kubeconfig, None))
        simulation = Simulation(lambda manager: RemoteAccess(client, manager), 0.0, parts={Part.CONTROLLERS})
        running = asyncio.create_task(simulation.run()) if controllers else None
        yield Subject(api, kubeconfig)
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        await client.close()


def refuse_differences(recording: str, answered: Iterable[Answered]) -> None:
    """Fails with what no exception covers; exceptions that cover nothing any more fail, too."""
    wrong, used, requests, equal = [], set(), 0, 0
    for request, found in answered:
        requests += 1
        equal += not found
        for difference in found:
            covering = [each for each in EXCEPTIONS if each.covers(recording, request, difference)]
            used.update(covering)
            if not covering:
                wrong.append(f"{request}\n    {difference}")
    print(f"{recording}: {requests} requests, {equal} equal, {requests - equal} with differences")
    assert not wrong, "\n".join([f"{len(wrong)} differences", *wrong[:400]])
    expected = [each for each in EXCEPTIONS if each.recording == recording and not each.sometimes]
    idle = [each.reason for each in expected if each not in used]
    assert not idle, f"exceptions that except nothing: {idle}"


@pytest.mark.parametrize("recording", ["real-1.33.json", "real2-1.33.json", "real-1.27.json", "helm-real.json"])
async def test_clients_get_the_recorded_answers(recording: str, recordings: Path, tmp_path: Path) -> None:
    of_helm = recording.startswith("helm")
    async with serving(tmp_path, controllers=not of_helm, nodes=of_helm) as subject:
        replay = Replay(subject.api.session, subject.api.address, subject.api.token, subject.kubeconfig)
        compared = await replay.run(exchanges(recordings / recording))
    refuse_differences(
        recording, ((f"{each.exchange.command} | {each.exchange.request}", each.differences) for each in compared)
    )


async def _replayed(subject: Subject, steps: list[Step], answers: list[Titled]) -> list[Answered]:
    replay = TitledReplay(subject.api.session, subject.api.address, subject.api.token)
    return [(f"{step.title} | {step.request}", found) for step, found in await replay.run(steps, answers)]


async def test_requests_about_objects_get_the_recorded_answers(recordings: Path, tmp_path: Path) -> None:
    async with serving(tmp_path, controllers=False) as subject:
        answered = await _replayed(subject, OBJECTS, titled_answers(recordings / "misc-real.txt"))
    refuse_differences("misc-real.txt", answered)


async def test_server_side_applies_get_the_recorded_answers(recordings: Path, tmp_path: Path) -> None:
    async with serving(tmp_path, controllers=True) as subject:
        answered = await _replayed(subject, APPLIES, applied_answers(recordings / "ssa-real.json"))
    refuse_differences("ssa-real.json", answered)


async def test_custom_resources_get_the_recorded_answers(observed: Path, tmp_path: Path) -> None:
    steps = custom_resource_steps(observed / "widget.yaml")
    async with serving(tmp_path, controllers=False) as subject:
        answered = await _replayed(subject, steps, titled_answers(observed / "recordings" / "crd-real.txt"))
    refuse_differences("crd-real.txt", answered)


async def test_strategic_merge_patches_have_the_recorded_results(recordings: Path, tmp_path: Path) -> None:
    async with serving(tmp_path, controllers=False) as subject:
        api = subject.api
        answered = await merge_differences(api.session, api.address, api.token, recordings / "smp.txt")
    refuse_differences("smp.txt", answered)


async def test_watches_show_the_recorded_events(recordings: Path, tmp_path: Path) -> None:
    async with serving(tmp_path, controllers=False) as subject:
        answered = await Watches(subject.api.session, subject.api.address, subject.api.token).compare(
            recordings / "watch-real.txt"
        )
    refuse_differences("watch-real.txt", answered)


def test_every_exception_says_why() -> None:
    assert all(isinstance(each, Allowed) and len(each.reason.split()) > 3 for each in EXCEPTIONS)
