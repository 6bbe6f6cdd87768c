"""Waiting for health and for dependencies: by events, without holding anybody up."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from afflux.api.kinds import GIT_REPOSITORY
from afflux.kube.client import KubeClient, Target
from afflux.lang.duration import parse_duration
from afflux.objects.manifest import Json, Manifest
from afflux.runtime.conditions import condition_of
from afflux.runtime.ends import Cause
from fleet import CONFIG_MAP, Fleet, fleet
from waiting import eventually


def config(name: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  a: b\n"


def slow(name: str) -> str:
    """An object that is ready when the test says so: nothing reconciles it."""
    return f"""apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: {name}
spec:
  url: https://example.com/{name}
  interval: 10m
"""


@pytest.fixture
async def here(kube_client: KubeClient, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet(kube_client, f"health-{uuid4().hex[:8]}", tmp_path) as one:
        yield one


async def report(here: Fleet, name: str, **conditions: str) -> None:
    """Writes the status of a slow object."""
    target = Target(GIT_REPOSITORY.gvk, here.namespace, name)
    live = await here.client.get(target)
    moment = "2026-01-01T00:00:00Z"
    rest = {"reason": "Test", "lastTransitionTime": moment}
    listed = [{"type": t, "status": s, "message": f"{t} says the test", **rest} for t, s in conditions.items()]
    status = {"observedGeneration": live["metadata"]["generation"], "conditions": listed}
    await here.client.patch(target, {"status": status}, subresource="status", field_manager="test")


async def waiting(here: Fleet, name: str, revision: str) -> Manifest:
    """Waits until a Kustomization waits for health; its status."""

    async def probe() -> Manifest | None:
        status = await here.status(name)
        healthy = condition_of(status, "Healthy") or {}
        assert healthy.get("status") == "Unknown" and revision in healthy.get("message", ""), status.get("conditions")
        return status

    return await eventually(probe)


async def test_everything_applied_is_waited_for(here: Fleet) -> None:
    revision = await here.commit({"one.yaml": config("one"), "slow.yaml": slow("slow")})
    await here.kustomization("apps", wait=True, timeout="5m")
    status = await waiting(here, "apps", revision)
    assert (condition_of(status, "Ready") or {})["status"] == "Unknown"
    assert (condition_of(status, "Reconciling") or {})["message"] == (
        f"Running health checks for revision {revision} with a timeout of 5m0s"
    )
    assert await here.inventory("apps") == ["_one__ConfigMap", "_slow_source.toolkit.fluxcd.io_GitRepository"]
    here.ahead = timedelta(seconds=7)
    await report(here, "slow", Ready="True")
    done = await here.ready("apps", revision=revision)
    said = (condition_of(done, "Healthy") or {})["message"]
    assert said.startswith("Health check passed in ")
    assert 7 <= parse_duration(said.rpartition(" ")[2]) < 12
    assert 7 <= parse_duration(done["history"][0]["lastReconciledDuration"]) < 12

    async def told() -> bool:
        lines = here.said("apps", "Reconciliation finished in ")
        assert lines, "nothing was told"
        return 7 <= parse_duration(lines[-1]["msg"].removeprefix("Reconciliation finished in ").partition(",")[0]) < 12

    assert await eventually(told)


async def test_a_fix_overtakes_a_wait_at_once(here: Fleet) -> None:
    first = await here.commit({"slow.yaml": slow("slow")})
    await here.kustomization("apps", wait=True, timeout="5m")
    await waiting(here, "apps", first)
    second = await here.commit({"one.yaml": config("one")})
    await here.ready("apps", revision=second)
    assert await here.inventory("apps") == ["_one__ConfigMap"]


async def test_a_stalled_object_fails_the_check_at_once_and_says_why(here: Fleet) -> None:
    revision = await here.commit({"slow.yaml": slow("slow")})
    await here.kustomization("apps", wait=True, timeout="5m")
    await waiting(here, "apps", revision)
    await report(here, "slow", Ready="False", Stalled="True")
    condition = await here.failing("apps", reason="HealthCheckFailed")
    first, *reasons = condition["message"].splitlines()
    assert first.startswith("health check failed after ")
    assert first.endswith(
        f"failed early due to stalled resources: [GitRepository/{here.namespace}/slow status: 'Failed']"
    )
    assert reasons == [f"GitRepository/{here.namespace}/slow: Stalled says the test"]
    status = await here.status("apps")
    assert status["history"][0]["lastReconciledStatus"] == "HealthCheckFailed"
    assert (condition_of(status, "Healthy") or {})["status"] == "False"


async def test_a_wait_ends_at_its_timeout(here: Fleet) -> None:
    revision = await here.commit({"slow.yaml": slow("slow")})
    await here.kustomization("apps", wait=True, timeout="5m")
    await waiting(here, "apps", revision)
    here.ahead = timedelta(minutes=5, seconds=1)
    here.wake("apps", Cause.RETRY)
    condition = await here.failing("apps", reason="HealthCheckFailed")
    first, reason = condition["message"].splitlines()
    assert first.startswith("health check failed after 5m")
    subject = f"GitRepository/{here.namespace}/slow"
    assert first.endswith(f"timeout waiting for: [{subject} status: 'InProgress']")
    assert reason.startswith(f"{subject}: ")


async def test_a_foreign_object_is_checked_by_name(here: Fleet) -> None:
    checks: Json = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "foreign", "namespace": here.namespace}]
    revision = await here.commit({"one.yaml": config("one")})
    await here.kustomization("apps", healthChecks=checks, timeout="5m")
    await waiting(here, "apps", revision)
    metadata = {"name": "foreign", "namespace": here.namespace}
    await here.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    await here.ready("apps", revision=revision)


async def test_expressions_decide_what_healthy_is(here: Fleet) -> None:
    judge: Json = [
        {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "current": "status.conditions.exists(c, c.type == 'Proven' && c.status == 'True')",
        }
    ]
    revision = await here.commit({"slow.yaml": slow("slow")})
    await here.kustomization("apps", wait=True, timeout="5m", healthCheckExprs=judge)
    await waiting(here, "apps", revision)
    await report(here, "slow", Proven="True")
    await here.ready("apps", revision=revision)


async def test_a_wrong_expression_stalls(here: Fleet) -> None:
    await here.commit({"one.yaml": config("one")})
    judge: Json = [{"apiVersion": "v1", "kind": "ConfigMap", "current": "1 +"}]
    await here.kustomization("apps", wait=True, healthCheckExprs=judge)
    await here.failing("apps", reason="InvalidCELExpression")
    assert (condition_of(await here.status("apps"), "Stalled") or {})["status"] == "True"


async def test_a_dependent_follows_its_dependency_by_events(here: Fleet) -> None:
    revision = await here.commit({"infra/slow.yaml": slow("slow"), "apps/one.yaml": config("one")})
    await here.kustomization("apps", path="./apps", dependsOn=[{"name": "infra"}])
    condition = await here.failing("apps", reason="DependencyNotReady")
    assert condition["message"].startswith(f"dependency '{here.namespace}/infra' not found: ")
    await here.kustomization("infra", path="./infra", wait=True, timeout="5m")
    await waiting(here, "infra", revision)
    assert await here.find(CONFIG_MAP, "one") is None
    await report(here, "slow", Ready="True")
    await here.ready("apps", revision=revision)


async def test_a_chain_follows_a_commit_link_by_link(here: Fleet) -> None:
    links = [f"link-{position}" for position in range(5)]
    for position, link in enumerate(links):
        depends: Json = [{"name": links[position - 1]}] if position else []
        await here.kustomization(link, path=f"./{link}", dependsOn=depends)
    for round_ in range(2):
        revision = await here.commit({f"{link}/one.yaml": config(f"{link}-{round_}") for link in links})
        await here.ready(links[-1], revision=revision)
        assert await here.find(CONFIG_MAP, f"{links[-1]}-{round_}") is not None
