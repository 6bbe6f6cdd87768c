"""After a failover: nothing is built from what an earlier leader fetched until its source was asked again."""

from pathlib import Path
from uuid import uuid4

import msgspec

from afflux.api.kinds import GIT_REPOSITORY
from afflux.api.meta import Artifact
from afflux.artifacts.confirmations import PATIENCE, Confirmations
from afflux.kube.client import KubeClient, Target
from fleet import CONFIG_MAP, Fleet, fleet
from waiting import eventually

FILES = {"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def artifact_of(one: Fleet) -> Artifact:
    source = await one.client.get(Target(GIT_REPOSITORY.gvk, one.namespace, "fleet"))
    return msgspec.convert(source["status"]["artifact"], Artifact)


async def test_an_unconfirmed_source_is_waited_for_in_silence_and_confirming_it_wakes(
    kube_client: KubeClient, tmp_path: Path
) -> None:
    confirmations = Confirmations({"gitrepository"}, Clock())
    confirmations.begin()
    async with fleet(kube_client, f"unsure-{uuid4().hex[:8]}", tmp_path, confirmations=confirmations) as one:
        revision = await one.commit(FILES)
        await one.kustomization("apps")

        async def waits() -> bool:
            return bool(confirmations._bells)

        await eventually(waits)
        assert "conditions" not in await one.status("apps")
        assert await one.find(CONFIG_MAP, "a") is None
        confirmations.confirm(await artifact_of(one))
        await one.ready("apps", revision=revision)


async def test_a_suspended_source_is_taken_as_its_status_says(kube_client: KubeClient, tmp_path: Path) -> None:
    """Nobody will ask it anew; the artifact's digest is checked as ever."""
    confirmations = Confirmations({"gitrepository"}, Clock())
    confirmations.begin()
    async with fleet(kube_client, f"unsure-{uuid4().hex[:8]}", tmp_path, confirmations=confirmations) as one:
        target = Target(GIT_REPOSITORY.gvk, one.namespace, "fleet")
        await one.client.patch(target, {"spec": {"suspend": True}})
        revision = await one.commit(FILES)
        await one.kustomization("apps")
        await one.ready("apps", revision=revision)


async def test_a_source_that_stays_unconfirmed_is_told(kube_client: KubeClient, tmp_path: Path) -> None:
    clock = Clock()
    confirmations = Confirmations({"gitrepository"}, clock)
    confirmations.begin()
    clock.now = PATIENCE
    async with fleet(kube_client, f"unsure-{uuid4().hex[:8]}", tmp_path, confirmations=confirmations) as one:
        revision = await one.commit(FILES)
        await one.kustomization("apps")
        ready = await one.failing("apps", reason="ArtifactFailed")
        assert ready["message"].startswith("Source is not ready, artifact not fetched yet by this leader, retrying in")
        confirmations.confirm(await artifact_of(one))
        await one.ready("apps", revision=revision)
