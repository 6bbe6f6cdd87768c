"""Owners that wrote through different versions of a kind, each row as a real 1.36 server answers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from controlplane_client import Api
from test_crds import CRDS, serve

from afflux.controlplane.control_plane import ControlPlane, Settings

SCALERS = "/apis/autoscaling/{}/namespaces/default/horizontalpodautoscalers"
THINGS = "/apis/example.com/{}/namespaces/default/things"
EVENTS = "/api/v1/namespaces/default/events"
NEW_EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"


@pytest.fixture
async def plane() -> AsyncIterator[ControlPlane]:
    """Nobody but the tests' own managers writes."""
    async with ControlPlane(settings=Settings(simulation_delay=None)) as running:
        yield running


def scaler(version: str, **spec: Any) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
    return {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 3, **spec},
    }


def cpu(percent: int) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]}


def definition(*versions: str) -> dict[str, Any]:
    """``v1`` is stored; only ``v2`` knows ``b``."""
    shared = {"a": {"type": "string"}, "l": {"type": "array", "items": {"type": "string"}}}
    declared = {"v1": shared, "v2": {**shared, "b": {"type": "string"}}}
    names = {"plural": "things", "kind": "Thing"}
    listed = [
        {
            "name": name,
            "served": True,
            "storage": name == "v1",
            "schema": {
                "openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": {"type": "object", "properties": declared[name]}},
                }
            },
        }
        for name in versions
    ]
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": listed}
    return {"metadata": {"name": "things.example.com"}, "spec": spec}


def thing(version: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"example.com/{version}", "kind": "Thing", "metadata": {"name": "t"}, "spec": spec}


def owners(reply: Any) -> dict[str, Any]:
    return {
        entry["manager"]: entry["fieldsV1"].get("f:spec") for entry in reply.json["metadata"].get("managedFields") or ()
    }


async def test_a_field_is_compared_at_the_version_of_its_owner(api: Api) -> None:
    old, new = SCALERS.format("v1"), SCALERS.format("v2")
    assert (await api.apply(f"{old}/h", scaler("v1", targetCPUUtilizationPercentage=50), "m1")).status == 201
    refused = await api.apply(f"{new}/h", scaler("v2", **cpu(60)), "m2")
    assert (refused.status, refused.json["message"]) == (
        409,
        'Apply failed with 1 conflict: conflict with "m1": .spec.targetCPUUtilizationPercentage',
    )
    forced = await api.apply(f"{new}/h", scaler("v2", **cpu(60)), "m2", "force=true")
    assert owners(forced)["m1"] == {"f:scaleTargetRef": {}, "f:maxReplicas": {}}
    refused = await api.apply(f"{old}/h", scaler("v1", targetCPUUtilizationPercentage=70), "m1")
    assert refused.json["message"] == 'Apply failed with 1 conflict: conflict with "m2": .spec.metrics'
    patched = await api.patch(f"{old}/h?fieldManager=u", {"spec": {"targetCPUUtilizationPercentage": 90}})
    assert owners(patched)["u"] == {"f:targetCPUUtilizationPercentage": {}}
    assert "f:metrics" not in owners(patched)["m2"]


async def test_what_the_stored_version_does_not_know_is_lost(api: Api) -> None:
    await serve(api, definition("v1", "v2"))
    made = await api.post(THINGS.format("v2"), thing("v2", a="1", b="2"))
    assert (made.status, made.json["spec"]) == (201, {"a": "1"})
    assert (await api.get(f"{THINGS.format('v1')}/t")).json["spec"] == {"a": "1"}


async def test_an_object_that_an_owner_cannot_see_is_not_applied(api: Api) -> None:
    await serve(api, definition("v1", "v2"))
    assert (await api.apply(f"{THINGS.format('v1')}/t", thing("v1", a="1", l=["x"]), "m1")).status == 201
    refused = await api.apply(f"{THINGS.format('v2')}/t", thing("v2", a="1", b="b"), "m2", "force=true")
    assert (refused.status, refused.json["message"]) == (
        500,
        "failed to convert new object: .spec.b: field not declared in schema",
    )
    taken = await api.apply(f"{THINGS.format('v2')}/t", thing("v2", l=["y"]), "m2", "force=true")
    assert owners(taken) == {"m1": {"f:a": {}}, "m2": {"f:l": {}}}


async def test_owners_at_a_version_that_is_gone_stand_in_the_way_of_an_apply_and_fall_to_an_update(api: Api) -> None:
    await serve(api, definition("v1", "v2"))
    place = f"{THINGS.format('v1')}/t"
    assert (await api.apply(f"{THINGS.format('v2')}/t", thing("v2", a="1"), "m2")).status == 201
    live = (await api.get(f"{CRDS}/things.example.com")).json
    live["spec"]["versions"] = definition("v1")["spec"]["versions"]
    assert (await api.put(f"{CRDS}/things.example.com", live)).status == 200
    refused = await api.apply(place, thing("v1", l=["x"]), "m1")
    assert (refused.status, refused.json["message"]) == (
        500,
        "request to convert CR to an invalid group/version: example.com/v2",
    )
    patched = await api.patch(f"{place}?fieldManager=u", {"spec": {"a": "2"}})
    assert (patched.json["spec"], owners(patched)) == ({"a": "2"}, {})
    assert (await api.apply(place, thing("v1", l=["x"]), "m1")).status == 200


async def test_an_event_stays_as_it_was_made_through_its_newer_version(api: Api) -> None:
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"},
        "reportingComponent": "tests",
        "message": "hi",
        "count": 1,
    }
    assert (await api.post(EVENTS, event)).status == 201
    assert (await api.get(f"{NEW_EVENTS}/e")).json["reportingController"] == "tests"
    refused = await api.patch(f"{NEW_EVENTS}/e", {"deprecatedCount": 2})
    assert (refused.status, refused.json["message"]) == (
        422,
        'Event "e" is invalid: count: Invalid value: 2: field is immutable',
    )
    series = {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}}
    assert (await api.patch(f"{NEW_EVENTS}/e", series)).status == 200
    assert (await api.patch(f"{EVENTS}/e", {"count": 3})).json["count"] == 3
