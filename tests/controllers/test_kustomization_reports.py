"""What a Kustomization's controller tells: logs, events, and nothing where nothing happened."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from afflux.kube.client import KubeClient, Selection, Target
from afflux.objects.manifest import Json
from fleet import CONFIG_MAP, EVENT, Fleet, fleet
from waiting import eventually


def config(name: str, value: str = "b") -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  a: {value}\n"


@pytest.fixture
async def here(kube_client: KubeClient, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet(kube_client, f"reports-{uuid4().hex[:8]}", tmp_path) as one:
        yield one


async def test_the_log_says_what_fluxs_says(here: Fleet) -> None:
    first = await here.commit({"one.yaml": config("one"), "two.yaml": config("two")})
    await here.kustomization("apps", interval="10m")
    await here.ready("apps", revision=first)
    second = await here.commit({"one.yaml": config("one")})
    await here.ready("apps", revision=second)
    applied = here.said("apps", "server-side apply completed")[-1]
    assert applied["level"] == "info"
    assert applied["controllerKind"] == "Kustomization"
    assert applied["output"] == {f"ConfigMap/{here.namespace}/one": "unchanged"}
    assert applied["revision"] == second
    [collected] = here.said("apps", "garbage collection completed")
    assert collected["msg"] == f"garbage collection completed: ConfigMap/{here.namespace}/two deleted"

    async def finished() -> list[dict[str, Json]]:
        return here.said("apps", "Reconciliation finished in ")[1:]

    line = (await eventually(finished))[-1]
    assert line["msg"].endswith(", next run in 10m0s")
    assert line["revision"] == second


async def test_changes_and_deletions_are_events(here: Fleet) -> None:
    first = await here.commit({"one.yaml": config("one")})
    await here.kustomization("apps")
    await here.ready("apps", revision=first)
    second = await here.commit({"two.yaml": config("two")})
    await here.ready("apps", revision=second)

    async def complete() -> bool:
        events = await here.client.list(EVENT, Selection(here.namespace))
        messages = {event["message"] for event in events.items if event["involvedObject"]["name"] == "apps"}
        return {
            f"ConfigMap/{here.namespace}/{change}" for change in ("one created", "two created", "one deleted")
        } <= messages

    await eventually(complete)


async def test_an_interval_without_drift_writes_nothing(here: Fleet) -> None:
    revision = await here.commit({"one.yaml": config("one")})
    await here.kustomization("apps", interval="500ms", wait=True)
    await here.ready("apps", revision=revision)
    runs = len(here.said("apps", "Reconciliation finished in "))
    before = await here.client.get(here.target("apps"))

    async def three_more() -> bool:
        return len(here.said("apps", "Reconciliation finished in ")) >= runs + 3

    await eventually(three_more)
    assert await here.client.get(here.target("apps")) == before


async def test_drift_is_logged_by_field_without_values(here: Fleet) -> None:
    revision = await here.commit({"one.yaml": config("one", "right")})
    await here.kustomization("apps")
    await here.ready("apps", revision=revision)
    target = Target(CONFIG_MAP, here.namespace, "one")
    await here.client.patch(target, {"data": {"a": "wrong"}}, field_manager="somebody")
    await here.request("apps", "now")

    async def corrected() -> list[dict[str, Json]]:
        return here.said("apps", "drift corrected")

    [line] = await eventually(corrected)
    assert (line["object"], line["fields"]) == (f"ConfigMap/{here.namespace}/one", ["/data/a"])
    assert "wrong" not in str(line) and "right" not in str(line)


async def test_an_interval_with_health_checks_writes_nothing_while_all_is_well(here: Fleet) -> None:
    metadata = {"name": "foreign", "namespace": here.namespace}
    await here.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    checks = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": n, "namespace": here.namespace} for n in ("foreign", "one")
    ]
    revision = await here.commit({"one.yaml": config("one")})
    await here.kustomization("apps", interval="500ms", healthChecks=checks)
    await here.ready("apps", revision=revision)
    runs = len(here.said("apps", "Reconciliation finished in "))
    before = await here.client.get(here.target("apps"))

    async def two_more() -> bool:
        return len(here.said("apps", "Reconciliation finished in ")) >= runs + 2

    await eventually(two_more)
    assert await here.client.get(here.target("apps")) == before
