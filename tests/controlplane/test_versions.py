"""One object at several versions, and subresources of custom kinds."""

from typing import Any

from waiting import eventually

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
V1, V2 = (f"/apis/example.com/{version}/namespaces/default/gadgets" for version in ("v1", "v2"))
MERGE = "application/merge-patch+json"


def version(name: str, storage: bool, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    spec = {"type": "object", "properties": fields}
    status = {"type": "object", "properties": {"replicas": {"type": "integer"}, "selector": {"type": "string"}}}
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        **more,
    }


GADGET: dict[str, Any] = {"apiVersion": "example.com/v2", "kind": "Gadget", "metadata": {"name": "g"}, "spec": {}}


async def served(api: Any) -> None:
    old = {"replicas": {"type": "integer"}, "only1": {"type": "string"}}
    new = {"replicas": {"type": "integer"}, "size": {"type": "integer", "default": 7}}
    versions = [version("v1", False, old, deprecated=True), version("v2", True, new | old)]
    names = {"plural": "gadgets", "kind": "Gadget"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions}
    made = await api.post(CRDS, {"metadata": {"name": "gadgets.example.com"}, "spec": spec})
    assert made.status == 201, made.text

    async def there() -> bool:
        return (await api.get(V2)).status == 200

    await eventually(there)


async def test_an_object_is_seen_through_each_versions_schema(api: Any) -> None:
    await served(api)
    made = await api.post(V1, {"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g"},
                               "spec": {"only1": "x"}})  # fmt: skip
    assert made.status == 201, made.text
    assert made.headers["Warning"] == '299 - "example.com/v1 Gadget is deprecated; use example.com/v2 Gadget"'
    assert (made.json["apiVersion"], made.json["spec"]) == ("example.com/v1", {"only1": "x"})
    seen = (await api.get(f"{V2}/g")).json
    assert (seen["apiVersion"], seen["spec"]["only1"]) == ("example.com/v2", "x")
    patched = await api.patch(f"{V2}/g", {"spec": {"size": 9}})
    assert patched.json["spec"] == {"only1": "x", "size": 9}
    assert (await api.get(f"{V1}/g")).json["spec"] == {"only1": "x"}
    assert [item["apiVersion"] for item in (await api.get(V1)).json["items"]] == ["example.com/v1"]


async def test_versions_are_listed_best_first(api: Any) -> None:
    await served(api)
    group = (await api.get("/apis/example.com")).json
    assert [each["version"] for each in group["versions"]] == ["v2", "v1"]


async def test_a_custom_resource_can_be_scaled(api: Any) -> None:
    await served(api)
    await api.post(V2, GADGET)
    absent = await api.get(f"{V2}/g/scale")
    assert absent.status == 500
    assert absent.json["details"]["causes"] == [{"message": 'the spec replicas field ".spec.replicas" does not exist'}]
    scaled = await api.request("PATCH", f"{V2}/g/scale", {"spec": {"replicas": 4}}, Content_Type=MERGE)
    assert scaled.json["spec"] == {"replicas": 4}
    live = (await api.get(f"{V2}/g")).json
    assert (live["spec"]["replicas"], live["metadata"]["generation"]) == (4, 2)
    await api.patch(f"{V2}/g/status", {"status": {"replicas": 4, "selector": "a=b"}})
    assert (await api.get(f"{V2}/g/scale")).json["status"] == {"replicas": 4, "selector": "a=b"}


async def test_a_put_of_a_custom_resource_needs_its_version(api: Any) -> None:
    await served(api)
    made = (await api.post(V2, GADGET)).json
    refused = await api.put(f"{V2}/g", {**GADGET, "spec": {"size": 1}})
    assert refused.status == 422
    assert "metadata.resourceVersion: Invalid value: 0: must be specified for an update" in refused.json["message"]
    made["spec"]["size"] = 1
    assert (await api.put(f"{V2}/g", made)).json["metadata"]["generation"] == 2
    assert (await api.put(f"{V2}/g", made)).status == 409


async def test_watches_of_a_kind_end_with_it(api: Any) -> None:
    await served(api)
    async with api.watch(f"{V2}?watch=1") as events:
        await api.delete(f"{CRDS}/gadgets.example.com")
        assert [event async for event in events] == []
    assert (await api.get(V2)).status == 404


async def test_events_are_one_object_in_two_groups(api: Any) -> None:
    event = {"metadata": {"name": "e"}, "involvedObject": {"kind": "ConfigMap", "namespace": "default", "name": "l0"},
             "reason": "R", "message": "m", "source": {"component": "me"}, "count": 2, "type": "Normal"}  # fmt: skip
    assert (await api.post("/api/v1/namespaces/default/events", event)).status == 201
    other = (await api.get("/apis/events.k8s.io/v1/namespaces/default/events/e")).json
    assert (other["note"], other["regarding"]["name"], other["deprecatedCount"]) == ("m", "l0", 2)
    found = await api.get("/api/v1/events?fieldSelector=involvedObject.name%3Dl0,involvedObject.kind%3DConfigMap")
    assert [item["metadata"]["name"] for item in found.json["items"]] == ["e"]


async def test_scalers_keep_at_v1_what_only_v2_can_say(api: Any) -> None:
    v1, v2 = (f"/apis/autoscaling/{version}/namespaces/default/horizontalpodautoscalers" for version in ("v1", "v2"))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
    memory = {
        "type": "Resource",
        "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 60}},
    }
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
    body = {"metadata": {"name": "h"}, "spec": {"maxReplicas": 3, "scaleTargetRef": target, "metrics": [cpu, memory]}}
    assert (await api.post(v2, body)).status == 201
    seen = (await api.get(f"{v1}/h")).json
    assert seen["spec"]["targetCPUUtilizationPercentage"] == 50
    assert seen["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"] == (
        '[{"type":"Resource","resource":{"name":"memory","targetAverageUtilization":60}}]'
    )
    patched = await api.patch(f"{v1}/h", {"spec": {"targetCPUUtilizationPercentage": 70}})
    assert patched.status == 200, patched.text
    targets = {
        metric["resource"]["name"]: metric["resource"]["target"]["averageUtilization"]
        for metric in (await api.get(f"{v2}/h")).json["spec"]["metrics"]
    }
    assert targets == {"cpu": 70, "memory": 60}
