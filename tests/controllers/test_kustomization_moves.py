"""A commit that touches nothing of a Kustomization: nothing is built, read or applied; its status moves, later."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from afflux.kube.client import KubeClient
from afflux.runtime.ends import Cause
from fleet import Fleet, fleet, requests_of
from waiting import eventually


def config(name: str, value: str = "b") -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  a: {value}\n"


FILES = {"one/one.yaml": config("one"), "two/two.yaml": config("two")}


@pytest.fixture
async def here(kube_client: KubeClient, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet(kube_client, f"moves-{uuid4().hex[:8]}", tmp_path) as one:
        yield one


async def both(here: Fleet, **spec: object) -> str:
    """Two Kustomizations, ``one`` and ``two``, both applied; the revision."""
    revision = await here.commit(FILES)
    for name in ("one", "two"):
        await here.kustomization(name, path=f"./{name}", **spec)
    for name in ("one", "two"):
        await here.ready(name, revision=revision)
    return revision


async def test_a_commit_is_applied_where_it_touches_something_and_only_told_elsewhere(
    here: Fleet, kube_client: KubeClient
) -> None:
    before = await both(here)
    with requests_of(kube_client) as asked:
        revision = await here.commit({**FILES, "two/two.yaml": config("two", "changed")})
        await here.ready("two", revision=revision)
        assert (await here.status("one"))["lastAppliedRevision"] == before
        here.ahead = timedelta(seconds=26)
        here.wake("one", Cause.SOURCE)
        await here.ready("one", revision=revision)
    assert not [line for line in asked if line.endswith("/configmaps/one")]
    moved = [line for line in asked if line == f"patch {one_of(asked)}"]
    assert len(moved) == 1
    [entry] = (await here.status("one"))["history"]
    assert entry["metadata"]["revision"] == revision


def one_of(asked: list[str]) -> str:
    return next(line.partition(" ")[2] for line in asked if line.endswith("/kustomizations/one/status"))


async def test_commits_in_a_row_are_one_write_where_they_touch_nothing(here: Fleet, kube_client: KubeClient) -> None:
    await both(here)
    with requests_of(kube_client) as asked:
        for value in ("first", "second", "third"):
            revision = await here.commit({**FILES, "two/two.yaml": config("two", value)})
            await here.ready("two", revision=revision)
        here.ahead = timedelta(seconds=26)
        here.wake("one", Cause.SOURCE)
        await here.ready("one", revision=revision)
    assert len([line for line in asked if line.endswith("/kustomizations/one/status")]) == 1


async def test_who_is_depended_on_moves_at_once(here: Fleet) -> None:
    await here.commit(FILES)
    await here.kustomization("one", path="./one")
    await here.kustomization("two", path="./two", dependsOn=[{"name": "one"}])
    revision = await here.commit({**FILES, "two/two.yaml": config("two", "changed")})
    await here.ready("two", revision=revision)
    assert (await here.status("one"))["lastAppliedRevision"] == revision


async def test_a_link_that_a_commit_does_not_touch_keeps_the_order_and_stays_ready(
    here: Fleet, kube_client: KubeClient
) -> None:
    def files(value: str) -> dict[str, str]:
        return {
            "first/f.yaml": config("first", value),
            "middle/m.yaml": config("middle"),
            "last/l.yaml": config("last", value),
        }

    await here.commit(files("one"))
    for name, before in (("first", ""), ("middle", "first"), ("last", "middle")):
        depends = {"dependsOn": [{"name": before}]} if before else {}
        await here.kustomization(name, path=f"./{name}", wait=True, **depends)
    revision = await here.commit(files("one") | {"first/more.yaml": config("more")})
    await here.ready("last", revision=revision)
    before_commit = await here.status("middle")
    told = len(here.said("middle", "Dependencies do not meet"))
    with requests_of(kube_client) as asked:
        revision = await here.commit(files("two") | {"first/more.yaml": config("more")})
        await here.ready("last", revision=revision)
    middle = await here.status("middle")
    assert middle["lastAppliedRevision"] == revision
    ready = [c["lastTransitionTime"] for s in (before_commit, middle) for c in s["conditions"] if c["type"] == "Ready"]
    assert ready[0] == ready[1]
    assert len(here.said("middle", "Dependencies do not meet")) == told
    applied = [line.rpartition("/")[2] for line in asked if line.startswith("apply ")]
    assert applied == ["first", "last"]
    assert not [line for line in asked if line.endswith("/configmaps/middle")]


async def test_a_request_looks_at_everything_whatever_a_commit_touches(here: Fleet, kube_client: KubeClient) -> None:
    await both(here)
    revision = await here.commit({**FILES, "two/two.yaml": config("two", "changed")})
    await here.ready("two", revision=revision)
    with requests_of(kube_client) as asked:
        await here.request("one", "now")
        await here.ready("one", revision=revision)
    assert [line for line in asked if line.startswith("dry-run") and line.endswith("/configmaps/one")]


async def test_commits_that_touch_nothing_do_not_put_off_the_intervals_check(
    here: Fleet, kube_client: KubeClient
) -> None:
    await both(here, interval="1m")
    here.ahead = timedelta(seconds=61)
    with requests_of(kube_client) as asked:
        revision = await here.commit({**FILES, "two/two.yaml": config("two", "changed")})
        await here.ready("one", revision=revision)
    assert [line for line in asked if line.endswith("/configmaps/one")]


async def test_a_file_that_is_added_beside_is_seen(here: Fleet) -> None:
    await both(here)
    revision = await here.commit({**FILES, "one/more.yaml": config("more")})
    await here.ready("one", revision=revision)
    assert await here.inventory("one") == ["_more__ConfigMap", "_one__ConfigMap"]


async def test_a_wait_that_is_soon_over_is_not_written_of(here: Fleet, kube_client: KubeClient) -> None:
    web = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 0\n  selector:\n"
        "    matchLabels: {app: web}\n  template:\n    metadata:\n      labels: {app: web}\n    spec:\n"
        "      containers: [{name: web, image: 'nginx:1'}]\n"
    )
    revision = await here.commit({"web.yaml": web})
    with requests_of(kube_client) as asked:
        await here.kustomization("apps", wait=True)
        status = await here.ready("apps", revision=revision)
    assert len([line for line in asked if line.endswith("/kustomizations/apps/status")]) == 2
    assert status["inventory"]["entries"]

    async def told() -> bool:
        return bool(here.said("apps", "Reconciliation finished in "))

    await eventually(told)
