"""Refusals that a real 1.36 server was seen to make, in its words."""

import json
from typing import Any

import pytest
from controlplane_client import Api
from test_crds import CRDS, WIDGETS, crd, serve, widget

NAMESPACE = "/api/v1/namespaces/default"
CLAIMS = f"{NAMESPACE}/persistentvolumeclaims"
FORMATS = {
    "ip": ("ipv4", "1.2.3"),
    "mail": ("email", "x"),
    "took": ("duration", "5x"),
    "when": ("date-time", "nope"),
    "link": ("uri", "no uri"),
    "host": ("hostname", "a_b"),
    "id": ("uuid", "12"),
}


def claim(storage: str) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "p"}, "spec": spec}


@pytest.mark.parametrize(
    ("storage", "why"),
    [
        ("1x", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
        ("1KK", "unable to parse quantity's suffix"),
    ],
)
async def test_a_quantity_that_is_none_is_a_bad_request(api: Api, storage: str, why: str) -> None:
    refused = await api.post(CLAIMS, claim(storage))
    assert refused.status == 400
    assert refused.json["message"].endswith(f"cannot be handled as a PersistentVolumeClaim: {why}")


async def test_a_wrong_type_is_named_without_places_in_lists(api: Api) -> None:
    containers = [{"name": "c", "image": 5}]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers}}
    refused = await api.post(f"{NAMESPACE}/pods", pod)
    assert "Go struct field Container.spec.containers.image of type string" in refused.json["message"]


@pytest.mark.parametrize(
    ("path", "selector", "why"),
    [
        (f"{NAMESPACE}/pods", "foo=1", "field label not supported: foo"),
        ("/apis/batch/v1/namespaces/default/jobs", "foo=1", 'field label "foo" not supported for Job'),
        ("/apis/apps/v1/namespaces/default/replicasets", "status.replicas=1", "is not a known field selector"),
        (WIDGETS, "spec.size=1", "field label not supported: spec.size"),
    ],
)
async def test_a_field_that_cannot_select_is_named_as_the_kind_names_it(
    api: Api, path: str, selector: str, why: str
) -> None:
    await serve(api, crd())
    refused = await api.get(f"{path}?fieldSelector={selector}")
    assert refused.status == 400
    assert why in refused.json["message"]


async def test_services_are_selected_by_type_and_address(api: Api) -> None:
    listed = await api.get(f"{NAMESPACE}/services?fieldSelector=spec.type=ClusterIP")
    assert [each["metadata"]["name"] for each in listed.json["items"]] == ["kubernetes"]
    assert (await api.get(f"{NAMESPACE}/services?fieldSelector=spec.clusterIP=None")).json["items"] == []


async def test_formats_are_types_and_rules_wait_for_them(api: Api) -> None:
    properties = {name: {"type": "string", "format": format_} for name, (format_, _) in FORMATS.items()}
    rules = [{"rule": "false", "message": "never"}]
    schema = {"type": "object", "properties": properties, "x-kubernetes-validations": rules}
    await serve(api, crd(spec_schema=schema))
    refused = (await api.post(WIDGETS, widget({name: bad for name, (_, bad) in FORMATS.items()}))).json
    for name, (format_, bad) in FORMATS.items():
        told = f'spec.{name}: Invalid value: "{bad}": spec.{name} in body must be of type {format_}: "{bad}"'
        assert told in refused["message"]
    assert "some validation rules were not checked" in refused["message"]
    assert "never" not in refused["message"]


@pytest.mark.parametrize("good", ["a@b.io", "1 day", "1h30m", "https://a.io/b", "a.b-c.io"])
async def test_formats_take_what_they_are_for(api: Api, good: str) -> None:
    kinds = {"@": "email", "day": "duration", "30m": "duration", "http": "uri", "-c": "hostname"}
    format_ = next(name for mark, name in kinds.items() if mark in good)
    await serve(api, crd(spec_schema={"type": "object", "properties": {"x": {"type": "string", "format": format_}}}))
    assert (await api.post(WIDGETS, widget({"x": good}))).status == 201


async def test_of_what_is_wrong_with_a_text_the_first_is_told(api: Api) -> None:
    short = {"type": "string", "maxLength": 4, "pattern": "^[a-z]+$"}
    either = {"x-kubernetes-int-or-string": True}
    await serve(api, crd(spec_schema={"type": "object", "properties": {"short": short, "either": either}}))
    message = (await api.post(WIDGETS, widget({"short": "ABCDEF", "either": [1]}))).json["message"]
    assert "spec.short: Too long" in message
    assert "should match" not in message
    assert 'spec.either in body must be of type integer,string: "array"' in message


async def test_scaling_is_validated_by_the_schema(api: Api) -> None:
    number = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 5}}}
    paths = {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}
    await serve(api, crd(spec_schema=number, subresources={"status": {}, "scale": paths}))
    assert (await api.post(WIDGETS, widget({"n": 1}))).status == 201
    refused = await api.patch(f"{WIDGETS}/w/scale", {"spec": {"replicas": 9}})
    assert (refused.status, refused.json["message"]) == (
        422,
        'Widget.example.com "w" is invalid: spec.n: Invalid value: 9: spec.n in body should be less than or equal to 5',
    )
    assert (await api.patch(f"{WIDGETS}/w/scale", {"spec": {"replicas": 4}})).status == 200


async def test_a_schema_that_all_versions_share_is_named_as_one(api: Api) -> None:
    definition = json.loads(json.dumps(crd()))
    del definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["type"]
    refused = await api.post(CRDS, definition)
    assert (
        "spec.validation.openAPIV3Schema.type: Required value: must not be empty at the root" in refused.json["message"]
    )


async def test_a_pod_keeps_its_containers_and_its_grace(api: Api) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    assert (await api.post(f"{NAMESPACE}/pods", pod)).status == 201
    more = await api.patch(
        f"{NAMESPACE}/pods/p",
        [{"op": "add", "path": "/spec/containers/-", "value": {"name": "d", "image": "i"}}],
        "application/json-patch+json",
    )
    assert "spec.containers: Forbidden: pod updates may not add or remove containers" in more.json["message"]
    assert (await api.patch(f"{NAMESPACE}/pods/p", {"spec": {"terminationGracePeriodSeconds": 5}})).status == 422


async def test_a_variable_takes_only_fields_that_a_pod_has(api: Api) -> None:
    source = {"fieldRef": {"fieldPath": "spec.foo"}}
    container = {"name": "c", "image": "i", "env": [{"name": "X", "valueFrom": source}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}}
    refused = await api.post(f"{NAMESPACE}/pods", pod)
    where = "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath"
    words = 'Invalid value: "spec.foo": error converting fieldPath: field label not supported: spec.foo'
    assert f"{where}: {words}" in refused.json["message"]
    source["fieldRef"]["fieldPath"] = "metadata.labels['app']"
    assert (await api.post(f"{NAMESPACE}/pods", pod)).status == 201


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"name": "a", "finalizers": ["bad one"]}, "metadata.finalizers[0]: Invalid value: "),
        ({"name": "a", "ownerReferences": [{}]}, 'metadata.ownerReferences.uid: Invalid value: "": must not be empty'),
        ({"generateName": "Bad_"}, 'metadata.generateName: Invalid value: "Bad_": a lowercase RFC 1123 subdomain'),
    ],
)
async def test_metadata_is_refused_by_its_own_fields(api: Api, metadata: dict[str, Any], words: str) -> None:
    refused = await api.post(f"{NAMESPACE}/configmaps", {"metadata": metadata})
    assert refused.status == 422
    assert words in refused.json["message"]


async def test_a_prefix_of_names_may_end_with_a_dash_alone(api: Api) -> None:
    assert (await api.post(f"{NAMESPACE}/configmaps", {"metadata": {"generateName": "a."}})).status == 422
    assert (await api.post(f"{NAMESPACE}/configmaps", {"metadata": {"generateName": "a."}})).status == 422


async def test_a_protected_group_needs_an_approval(api: Api) -> None:
    definition = json.loads(json.dumps(crd()).replace("example.com", "x.k8s.io"))
    refused = await api.post(CRDS, definition)
    assert (
        "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups" in refused.json["message"]
    )
    definition["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, in tests"}
    assert (await api.post(CRDS, definition)).status == 201


async def test_an_item_of_an_atomic_list_is_named_by_its_place(api: Api) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}], "tolerations": [{"effect": True}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
    refused = await api.apply(f"{NAMESPACE}/pods/p", json.dumps(pod), "m")
    assert ".spec.tolerations[0].effect: expected string" in refused.json["message"]


async def test_a_list_at_a_version_knows_two_ways_to_match(api: Api) -> None:
    refused = await api.get(f"{NAMESPACE}/configmaps?resourceVersionMatch=Foo&resourceVersion=1")
    assert (refused.status, refused.json["message"]) == (
        422,
        'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Unsupported value: "Foo": supported values: '
        '"Exact", "NotOlderThan", ""',
    )


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        (
            {"limits": {"foo": "1"}},
            'limits[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
        ),
        ({"limits": {"x.io/gpu": "1"}, "requests": {"x.io/gpu": "2"}}, "must be equal to x.io/gpu limit of 1"),
        ({"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}, "must be less than or equal to cpu limit of 1"),
    ],
)
async def test_resources_are_standard_ones_or_somebody_s(api: Api, resources: Any, words: str) -> None:
    container = {"name": "c", "image": "i", "resources": resources}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}}
    assert words in (await api.post(f"{NAMESPACE}/pods", pod)).json["message"]
