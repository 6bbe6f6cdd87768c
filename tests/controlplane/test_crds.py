"""Definitions and their objects: names, schemas, rules, versions, the end."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from afflux.controlplane.crds import decide_status
from waiting import eventually

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
UNCHECKED = (
    "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)
SPEC_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10},
        "color": {"type": "string", "default": "red", "enum": ["red", "green"]},
        "replicas": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port", "proto"],
            "items": {
                "type": "object",
                "required": ["port"],
                "properties": {
                    "port": {"type": "integer"},
                    "proto": {"type": "string", "default": "TCP"},
                    "name": {"type": "string"},
                },
            },
        },
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "fixed": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "stays"}]},
    },
    "x-kubernetes-validations": [{"rule": "self.size < 9 || self.color == 'green'", "message": "big ones are green"}],
}


def crd(kind: str = "Widget", spec_schema: Any = None, **version: Any) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    properties = {
        "spec": spec_schema or SPEC_SCHEMA,
        "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
    }
    return {
        "metadata": {"name": f"{plural}.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, "shortNames": [f"{kind.lower()}x"]},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
                    **version,
                }
            ],
        },
    }


def widget(spec: Any, name: str = "w") -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


def conditions(definition: Any) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in definition["status"].get("conditions") or ()}


async def serve(api: Any, definition: Any) -> None:
    """Create a definition and wait until its objects can be made."""
    assert (await api.post(CRDS, definition)).status == 201

    async def established() -> bool:
        found = await api.get(f"{CRDS}/{definition['metadata']['name']}")
        return conditions(found.json).get("Established", ("", ""))[0] == "True"

    await eventually(established)


async def test_a_definition_is_accepted_and_its_objects_are_served(api: Any) -> None:
    await serve(api, crd())
    found = (await api.get(f"{CRDS}/widgets.example.com")).json
    assert conditions(found) == {
        "NamesAccepted": ("True", "NoConflicts"),
        "Established": ("True", "InitialNamesAccepted"),
    }
    assert found["status"]["storedVersions"] == ["v1"]
    assert found["status"]["acceptedNames"]["listKind"] == "WidgetList"
    assert (await api.get(WIDGETS)).json["items"] == []


async def test_unknown_fields_are_pruned_with_a_warning_and_defaults_filled_in(api: Any) -> None:
    await serve(api, crd())
    reply = await api.post(WIDGETS, widget({"size": 3, "bogus": 1, "ports": [{"port": 80}], "free": {"z": {"y": 1}}}))
    assert reply.status == 201
    assert reply.json["spec"] == {
        "size": 3,
        "color": "red",
        "ports": [{"port": 80, "proto": "TCP"}],
        "free": {"z": {"y": 1}},
    }
    assert reply.headers["Warning"] == '299 - "unknown field \\"spec.bogus\\""'


async def test_a_null_takes_the_default_or_goes(api: Any) -> None:
    await serve(api, crd())
    reply = await api.post(WIDGETS, widget({"size": 1, "color": None, "tags": None}))
    assert reply.json["spec"] == {"size": 1, "color": "red"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"color": "red"}, f"[spec.size: Required value, {UNCHECKED}]"),
        (
            {"size": 99},
            "[spec.size: Invalid value: 99: spec.size in body should be less than or equal to 10, "
            "spec: Invalid value: big ones are green]",
        ),
        (
            {"size": 1, "color": "blue"},
            f'[spec.color: Unsupported value: "blue": supported values: "red", "green", {UNCHECKED}]',
        ),
        (
            {"size": "3"},
            f'[spec.size: Invalid value: "string": spec.size in body must be of type integer: "string", {UNCHECKED}]',
        ),
        ({"size": 9}, "spec: Invalid value: big ones are green"),
        ({"size": 1, "tags": ["x", "x"]}, 'spec.tags[1]: Duplicate value: "x"'),
        (
            {"size": 1, "ports": [{"port": 1}, {"port": 1}]},
            'spec.ports[1]: Duplicate value: {"port":1,"proto":"TCP"}',
        ),
    ],
)
async def test_a_bad_object_is_refused_in_the_servers_words(api: Any, spec: Any, expected: str) -> None:
    await serve(api, crd())
    reply = await api.post(WIDGETS, widget(spec, "b"))
    assert reply.status == 422
    assert reply.json["message"] == f'Widget.example.com "b" is invalid: {expected}'


async def test_a_transition_rule_counts_for_updates_only(api: Any) -> None:
    await serve(api, crd())
    assert (await api.post(WIDGETS, widget({"size": 1, "fixed": "a"}))).status == 201
    refused = await api.patch(f"{WIDGETS}/w", {"spec": {"fixed": "b"}})
    assert refused.json["message"] == 'Widget.example.com "w" is invalid: spec.fixed: Invalid value: stays'
    assert (await api.patch(f"{WIDGETS}/w", {"spec": {"size": 2}})).status == 200


async def test_a_rule_with_an_optional_former_self_counts_always(api: Any) -> None:
    rule = {
        "rule": "oldSelf.hasValue() ? self.level >= oldSelf.value().level : self.level == 0",
        "optionalOldSelf": True,
        "messageExpression": "'not at ' + string(self.level)",
        "fieldPath": ".level",
        "reason": "FieldValueForbidden",
    }
    level = {"level": {"type": "integer"}}
    await serve(api, crd(spec_schema={"type": "object", "properties": level, "x-kubernetes-validations": [rule]}))
    started = await api.post(WIDGETS, widget({"level": 3}))
    assert started.json["message"] == 'Widget.example.com "w" is invalid: spec.level: Forbidden: not at 3'
    assert (await api.post(WIDGETS, widget({"level": 0}))).status == 201
    assert (await api.patch(f"{WIDGETS}/w", {"spec": {"level": 5}})).status == 200
    assert (await api.patch(f"{WIDGETS}/w", {"spec": {"level": 4}})).status == 422


async def test_a_rule_that_cannot_be_evaluated_is_a_warning(api: Any) -> None:
    rule = "self.address.isSomething()"
    schema = {
        "type": "object",
        "properties": {"address": {"type": "string"}},
        "x-kubernetes-validations": [{"rule": rule}],
    }
    await serve(api, crd(spec_schema=schema))
    reply = await api.post(WIDGETS, widget({"address": "x"}))
    assert reply.status == 201
    assert f"validation rule not evaluated: {rule}" in reply.headers["Warning"]


async def test_rules_have_kubernetes_libraries(api: Any) -> None:
    schema = {
        "type": "object",
        "properties": {"address": {"type": "string"}, "memory": {"x-kubernetes-int-or-string": True}},
        "x-kubernetes-validations": [
            {"rule": "url(self.address).getScheme() == 'https'", "message": "must be https"},
            {"rule": "!has(self.memory) || quantity(self.memory).isLessThan(quantity('1Gi'))", "message": "too much"},
        ],
    }
    await serve(api, crd(spec_schema=schema))
    assert (await api.post(WIDGETS, widget({"address": "https://a/b", "memory": "64Mi"}))).status == 201
    refused = await api.post(WIDGETS, widget({"address": "http://a/b", "memory": "64Gi"}, "bad"))
    assert refused.status == 422
    assert "must be https" in refused.json["message"]
    assert "too much" in refused.json["message"]
    senseless = await api.post(WIDGETS, widget({"address": "not a URL"}, "bad"))
    assert senseless.status == 422
    assert "URL parse error" in senseless.json["message"]


async def test_older_objects_get_new_defaults_when_they_are_read(api: Any) -> None:
    await serve(api, crd())
    created = await api.post(WIDGETS, widget({"size": 1}))
    newer = crd()
    newer["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = {
        **SPEC_SCHEMA,
        "properties": {**SPEC_SCHEMA["properties"], "shape": {"type": "string", "default": "round"}},
    }
    path = f"{CRDS}/widgets.example.com"
    newer["metadata"] = (await api.get(path)).json["metadata"]
    assert (await api.put(path, newer)).status == 200

    async def is_read_with_it() -> bool:
        return bool((await api.get(f"{WIDGETS}/w")).json["spec"].get("shape") == "round")

    await eventually(is_read_with_it)
    found = (await api.get(f"{WIDGETS}/w")).json
    assert found["metadata"]["resourceVersion"] == created.json["metadata"]["resourceVersion"]
    assert (await api.get(WIDGETS)).json["items"][0]["spec"]["shape"] == "round"
    merged = await api.patch(f"{WIDGETS}/w", {"spec": {"replicas": 2}}, "application/merge-patch+json")
    assert merged.json["spec"] == {"size": 1, "color": "red", "shape": "round", "replicas": 2}
    owned = [list(entry["fieldsV1"]["f:spec"]) for entry in merged.json["metadata"]["managedFields"]]
    assert not any("f:shape" in fields for fields in owned)


async def test_what_an_older_schema_allowed_stays_usable(api: Any) -> None:
    loose = copy.deepcopy(SPEC_SCHEMA)
    loose["properties"]["size"] = {"type": "integer"}
    await serve(api, crd(spec_schema=loose))
    green = {"size": 50, "color": "green"}
    assert (await api.post(WIDGETS, widget(green))).status == 201
    version = crd()["spec"]["versions"]
    assert (await api.patch(f"{CRDS}/widgets.example.com", {"spec": {"versions": version}})).status == 200

    async def refused_anew() -> bool:
        return bool((await api.post(f"{WIDGETS}?dryRun=All", widget(green, "other"))).status == 422)

    await eventually(refused_anew)
    assert (await api.patch(f"{WIDGETS}/w", {"spec": {"replicas": 1}})).status == 200
    assert (await api.patch(f"{WIDGETS}/w", {"spec": {"size": 51}})).status == 422


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"metadata": {"name": "wrong.example.com"}},
            'metadata.name: Invalid value: "wrong.example.com": must be spec.names.plural+"."+spec.group',
        ),
        (
            {"spec": {**crd()["spec"], "versions": [{"name": "v1", "served": True, "storage": True}]}},
            "spec.versions[0].schema.openAPIV3Schema: Required value",
        ),
        (
            {"spec": {**crd()["spec"], "versions": [{"name": "v1", "served": True, "storage": False}]}},
            '[spec.versions: Invalid value: [{"Name":"v1","Served":true,"Storage":false,"Deprecated":false,'
            '"DeprecationWarning":null,"Schema":null,"Subresources":null,"AdditionalPrinterColumns":null,'
            '"SelectableFields":null}]: must have exactly one version marked as storage version, '
            "status.storedVersions: Invalid value: null: must have at least one stored version]",
        ),
    ],
)
async def test_a_bad_definition_is_refused(api: Any, change: Any, expected: str) -> None:
    definition = crd() | change
    reply = await api.post(CRDS, definition)
    name = definition["metadata"]["name"]
    assert reply.status == 422
    assert reply.json["message"] == f'CustomResourceDefinition.apiextensions.k8s.io "{name}" is invalid: {expected}'


async def test_a_definition_with_a_kind_in_use_is_not_served(api: Any) -> None:
    await serve(api, crd())
    clash = crd("Gizmo")
    clash["spec"]["names"] = {"plural": "gizmos", "kind": "Widget"}
    assert (await api.post(CRDS, clash)).status == 201

    async def decided() -> Any:
        return conditions((await api.get(f"{CRDS}/gizmos.example.com")).json)

    assert await eventually(decided) == {
        "NamesAccepted": ("False", "ListKindConflict"),
        "Established": ("False", "NotAccepted"),
    }
    assert (await api.get("/apis/example.com/v1/namespaces/default/gizmos")).status == 404
    await api.delete(f"{CRDS}/widgets.example.com")

    async def accepted() -> bool:
        return (await decided())["Established"][0] == "True"

    await eventually(accepted)


async def test_group_and_stored_versions_stay(api: Any) -> None:
    await serve(api, crd())
    group = await api.patch(f"{CRDS}/widgets.example.com", {"spec": {"group": "other.com"}})
    assert 'spec.group: Invalid value: "other.com": field is immutable' in group.json["message"]
    newer = [{**crd()["spec"]["versions"][0], "name": "v2"}]
    dropped = await api.patch(f"{CRDS}/widgets.example.com", {"spec": {"versions": newer}})
    assert dropped.status == 422
    assert 'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions' in dropped.json["message"]


async def test_deleting_a_definition_deletes_its_objects_then_the_api(api: Any) -> None:
    await serve(api, crd())
    held = widget({"size": 1}, "held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    assert (await api.post(WIDGETS, held)).status == 201
    assert (await api.post(WIDGETS, widget({"size": 1}, "free"))).status == 201
    deleted = (await api.delete(f"{CRDS}/widgets.example.com")).json
    assert deleted["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]

    async def only_held() -> bool:
        return [one["metadata"]["name"] for one in (await api.get(WIDGETS)).json["items"]] == ["held"]

    await eventually(only_held)
    late = await api.post(WIDGETS, widget({"size": 1}, "late"))
    assert (late.status, late.json["reason"]) == (405, "MethodNotAllowed")
    await api.patch(f"{WIDGETS}/held", {"metadata": {"finalizers": None}})

    async def gone() -> bool:
        statuses = (await api.get(f"{CRDS}/widgets.example.com")).status, (await api.get(WIDGETS)).status
        return statuses == (404, 404)

    await eventually(gone)


def test_an_established_definition_stays_established_when_later_names_clash() -> None:
    definition = crd()
    definition["spec"]["names"] |= {"singular": "widget", "listKind": "WidgetList"}
    first = decide_status(definition, [], "2026-01-01T00:00:00Z")
    taken = [{"plural": "others", "kind": "Other", "shortNames": ["widgetx"]}]
    later = decide_status(definition | {"status": first}, taken, "2026-01-02T00:00:00Z")
    states = {one["type"]: (one["status"], one["reason"], one["lastTransitionTime"]) for one in later["conditions"]}
    assert states == {
        "NamesAccepted": ("False", "ShortNamesConflict", "2026-01-02T00:00:00Z"),
        "Established": ("True", "InitialNamesAccepted", "2026-01-01T00:00:00Z"),
    }
