"""Who owns replicas after a write to ``/scale``, and whom an apply there meets: as a real 1.36 server answers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from afflux.controlplane.control_plane import ControlPlane, Settings

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
REPLICAS = {"f:spec": {"f:replicas": {}}}


@pytest.fixture
async def plane() -> AsyncIterator[ControlPlane]:
    """Nobody but the tests' own managers writes."""
    async with ControlPlane(settings=Settings(simulation_delay=None)) as running:
        yield running


def deployment(**spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "x"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    whole = {"selector": {"matchLabels": {"a": "x"}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": whole}


async def scale(api: Any, manager: str, replicas: int) -> Any:
    body = {"spec": {"replicas": replicas}}
    return await api.request("PATCH", f"{DEPLOYMENTS}/d/scale?fieldManager={manager}", body, Content_Type=MERGE)


async def apply_scale(api: Any, manager: str, replicas: int, query: str = "") -> Any:
    body = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "d", "namespace": "default"},
        "spec": {"replicas": replicas},
    }
    return await api.request("PATCH", f"{DEPLOYMENTS}/d/scale?fieldManager={manager}{query}", body, Content_Type=APPLY)


async def owners(api: Any) -> list[tuple[str, bool]]:
    """The entries, in order: whose, and whether they hold the replicas and nothing else."""
    entries = (await api.get(f"{DEPLOYMENTS}/d")).json["metadata"]["managedFields"]
    return [(owner(entry), entry["fieldsV1"] == REPLICAS) for entry in entries]


def owner(entry: dict[str, Any]) -> str:
    return "/".join(filter(None, (entry["manager"], entry["operation"], entry.get("subresource"))))


async def test_a_write_that_changes_nothing_gives_an_updater_an_entry_for_the_replicas_alone(api: Any) -> None:
    await api.post(f"{DEPLOYMENTS}?fieldManager=m", deployment(replicas=2))
    before = (await api.get(f"{DEPLOYMENTS}/d")).json["metadata"]
    await scale(api, "h", 2)
    live = (await api.get(f"{DEPLOYMENTS}/d")).json["metadata"]
    assert await owners(api) == [("m/Update", True), ("m/Update", False)]
    assert "time" not in live["managedFields"][0]
    assert "f:replicas" not in live["managedFields"][1]["fieldsV1"]["f:spec"]
    assert live["generation"] == before["generation"]
    assert live["resourceVersion"] != before["resourceVersion"]


async def test_an_applier_keeps_its_entry_through_a_write_that_changes_nothing(api: Any) -> None:
    await api.apply(f"{DEPLOYMENTS}/d", deployment(replicas=2), "m")
    before = (await api.get(f"{DEPLOYMENTS}/d")).json["metadata"]
    await scale(api, "h", 2)
    assert (await api.get(f"{DEPLOYMENTS}/d")).json["metadata"] == before


async def test_of_two_entries_of_an_updater_the_later_one_counts(api: Any) -> None:
    await api.post(f"{DEPLOYMENTS}?fieldManager=m", deployment(replicas=2))
    await scale(api, "h", 2)
    await scale(api, "h", 3)
    assert await owners(api) == [("m/Update", False)]


async def test_zero_replicas_are_nobodys(api: Any) -> None:
    await api.apply(f"{DEPLOYMENTS}/d", deployment(replicas=2), "m")
    await scale(api, "h", 0)
    assert await owners(api) == [("m/Apply", False)]


async def test_an_applied_scale_conflicts_with_who_owns_the_replicas(api: Any) -> None:
    await api.apply(f"{DEPLOYMENTS}/d", deployment(replicas=2), "m")
    refused = await apply_scale(api, "h", 3)
    assert (refused.status, refused.json["message"]) == (
        409,
        'Apply failed with 1 conflict: conflict with "m": .spec.replicas',
    )
    assert (await apply_scale(api, "h", 3, "&force=true")).status == 200
    assert await owners(api) == [("h/Apply/scale", True), ("m/Apply", False)]
