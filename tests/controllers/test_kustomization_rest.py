"""A Kustomization at rest: looked after at each interval, and nothing is asked of the server for it."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from afflux.kube.client import KubeClient, Target
from afflux.runtime.ends import Cause
from fleet import CONFIG_MAP, Fleet, fleet, requests_of
from waiting import eventually

FILES = {"one.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: one\ndata:\n  a: b\n"}
FINISHED = "Reconciliation finished"


@pytest.fixture
async def here(kube_client: KubeClient, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet(kube_client, f"rest-{uuid4().hex[:8]}", tmp_path) as one:
        yield one


async def asked_in_a_run(here: Fleet) -> list[str]:
    """What one run at the interval asks of the server about the applied object."""
    with requests_of(here.client) as asked:
        runs = len(here.said("apps", FINISHED))
        here.wake("apps", Cause.INTERVAL)

        async def ran() -> bool:
            return len(here.said("apps", FINISHED)) > runs

        await eventually(ran)
    return [line for line in asked if line.endswith("/configmaps/one")]


async def until_silent(here: Fleet) -> None:
    async def silent() -> bool:
        return not await asked_in_a_run(here)

    await eventually(silent)


async def test_what_nobody_has_touched_is_not_even_read(here: Fleet) -> None:
    await here.kustomization("apps", wait=True)
    await here.ready("apps", revision=await here.commit(FILES))
    await until_silent(here)
    before = await here.status("apps")
    applies = len(here.said("apps", "server-side apply completed"))
    assert not await asked_in_a_run(here)
    assert not await asked_in_a_run(here)
    assert len(here.said("apps", "server-side apply completed")) <= applies + 1
    assert await here.status("apps") == before


async def test_a_commit_ends_the_rest(here: Fleet) -> None:
    await here.kustomization("apps")
    await here.ready("apps", revision=await here.commit(FILES))
    await until_silent(here)
    await here.ready("apps", revision=await here.commit({"one.yaml": FILES["one.yaml"].replace("a: b", "a: c")}))
    assert (await here.client.get(Target(CONFIG_MAP, here.namespace, "one")))["data"] == {"a": "c"}


async def test_what_a_commit_takes_away_and_the_next_one_brings_back_is_there(here: Fleet) -> None:
    await here.kustomization("apps")
    await here.ready("apps", revision=await here.commit(FILES))
    await until_silent(here)
    await here.ready("apps", revision=await here.commit({"one.yaml": ""}))
    assert await here.find(CONFIG_MAP, "one") is None
    await here.ready("apps", revision=await here.commit(FILES))
    assert await here.find(CONFIG_MAP, "one") is not None


async def test_a_status_that_somebody_edits_at_rest_is_put_right(here: Fleet) -> None:
    await here.kustomization("apps")
    await here.ready("apps", revision=await here.commit(FILES))
    await until_silent(here)
    before = (await here.status("apps"))["inventory"]
    await here.client.patch(here.target("apps"), {"status": {"inventory": None}}, subresource="status")

    async def put_right() -> bool:
        await asked_in_a_run(here)
        return (await here.status("apps")).get("inventory") == before

    await eventually(put_right)


async def test_what_a_run_depends_on_is_looked_at_each_time(here: Fleet) -> None:
    variables = Target(CONFIG_MAP, here.namespace, "variables")
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "variables", "namespace": here.namespace}}
    await here.client.create({**manifest, "data": {"value": "first"}})
    substitute = {"substituteFrom": [{"kind": "ConfigMap", "name": "variables"}]}
    await here.kustomization("apps", postBuild=substitute)
    await here.ready("apps", revision=await here.commit({"one.yaml": FILES["one.yaml"].replace("a: b", "a: ${value}")}))
    await until_silent(here)
    await here.client.patch(variables, {"data": {"value": "second"}})
    await asked_in_a_run(here)
    assert (await here.client.get(Target(CONFIG_MAP, here.namespace, "one")))["data"] == {"a": "second"}


async def test_what_somebody_changes_is_put_back_and_left_in_peace_again(here: Fleet) -> None:
    await here.kustomization("apps")
    await here.ready("apps", revision=await here.commit(FILES))
    await until_silent(here)
    target = Target(CONFIG_MAP, here.namespace, "one")
    await here.client.patch(target, {"data": {"a": "changed"}})

    async def put_back() -> bool:
        await asked_in_a_run(here)
        return bool((await here.client.get(target))["data"]["a"] == "b")

    await eventually(put_back)
    await until_silent(here)
    assert (await here.client.get(target))["data"] == {"a": "b"}


async def test_a_request_looks_at_everything_with_a_dry_run(here: Fleet) -> None:
    await here.kustomization("apps")
    await here.ready("apps", revision=await here.commit(FILES))
    await until_silent(here)
    with requests_of(here.client) as asked:
        await here.request("apps", "now")

        async def handled() -> bool:
            return (await here.status("apps")).get("lastHandledReconcileAt") == "now"

        await eventually(handled)
    assert "dry-run" in [line.split()[0] for line in asked if line.endswith("/configmaps/one")]
