"""Rules that random writes to a real 1.36 server and to ours brought up, each row as the real one answers."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from afflux.controlplane.go_structs import struct_for
from afflux.controlplane.managed_fields import (
    ManagerKey,
    Owned,
    ResetFields,
    Writing,
    format_managed_fields,
    with_managed_fields,
)
from afflux.controlplane.server_side_apply import ApplyConflict, apply
from afflux.objects.identity import GroupVersionKind
from afflux.schema.openapi import schema_from_crd

DEFINITION = yaml.safe_load(Path(__file__).with_name("apply_table.yaml").read_text())["definition"]
SCHEMA = schema_from_crd(DEFINITION["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
NOT_STATUS = ResetFields(ignored=(("f:status",),))
STATUS_ONLY = ResetFields(only=("f:status",))
HEAD = {"apiVersion": "example.com/v1", "kind": "Thing"}
TEMPLATES = "/api/v1/namespaces/default/podtemplates"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def thing(**fields: Any) -> dict[str, Any]:
    return {**HEAD, "metadata": {"name": "t"}, **fields}


def writing(manager: str, reset: ResetFields = NOT_STATUS, subresource: str = "") -> Writing:
    return Writing(manager, "example.com/v1", "2026-01-01T00:00:01Z", subresource, reset)


def owned_before(applied: Any) -> Any:
    (entry,) = (entry for entry in applied.managed_fields if entry["manager"] == "before-first-apply")
    return entry.get("subresource"), entry["fieldsV1"]


@pytest.mark.parametrize(
    ("reset", "subresource", "owned"),
    [
        (NOT_STATUS, "", (None, {"f:spec": {".": {}, "f:a": {}}})),
        (STATUS_ONLY, "status", ("status", {"f:status": {".": {}, "f:phase": {}}})),
    ],
)
def test_what_was_there_before_is_owned_through_the_path_of_the_first_apply(
    reset: ResetFields, subresource: str, owned: Any
) -> None:
    live = thing(spec={"a": "1"}, status={"phase": "up"})
    live["metadata"]["uid"] = "u"
    body = thing(spec={"n": 1}, status={"n": 1})
    assert owned_before(apply(live, body, SCHEMA, writing("m", reset, subresource), zero={})) == owned


@pytest.mark.parametrize(
    ("first", "then", "left"),
    [
        ({"items": [{"name": "x"}]}, {"a": "1", "items": []}, {"a": "1"}),
        ({"struct": {"x": "1"}}, {"struct": {}}, {"struct": {}}),
        ({"n": 1, "items": []}, {}, None),
    ],
)
def test_of_what_apply_empties_maps_stay_and_lists_go(first: Any, then: Any, left: Any) -> None:
    created = apply(None, thing(spec=first), SCHEMA, writing("m"))
    live = with_managed_fields(created.object, created.managed_fields)
    assert apply(live, thing(spec=then), SCHEMA, writing("m")).object.get("spec") == left


def test_a_list_that_an_updater_set_goes_too_when_apply_empties_it() -> None:
    entries = format_managed_fields(
        {
            ManagerKey("u", "Update", "example.com/v1", ""): _owned("f:items"),
            ManagerKey("m", "Apply", "", ""): _owned('f:items/k:{"name":"x"}', 'f:items/k:{"name":"x"}/f:name'),
        }
    )
    live = with_managed_fields(thing(spec={"a": "1", "items": [{"name": "x"}]}), entries)
    applied = apply(live, thing(spec={"a": "1", "items": []}), SCHEMA, writing("m"))
    assert applied.object["spec"] == {"a": "1"}
    assert [entry["manager"] for entry in applied.managed_fields] == ["m"]


def _owned(*paths: str) -> Owned:
    return Owned(frozenset(("f:spec", *path.split("/")) for path in paths), "example.com/v1", "")


def test_in_a_conflict_a_subresource_comes_before_the_object_itself() -> None:
    entries = format_managed_fields(
        {
            ManagerKey("k", "Update", "example.com/v1", subresource): _owned(path)
            for subresource, path in (("", "f:a"), ("scale", "f:n"))
        }
    )
    live = with_managed_fields(thing(spec={"a": "1", "n": 1}), entries)
    with pytest.raises(ApplyConflict) as caught:
        apply(live, thing(spec={"a": "2", "n": 2}), SCHEMA, writing("m"))
    assert [cause.field for cause in caught.value.causes] == [".spec.n", ".spec.a"]


@pytest.mark.parametrize(
    ("group", "version", "kind", "path", "printed"),
    [
        ("", "v1", "Pod", "spec containers", True),
        ("", "v1", "Pod", "spec containers ports", False),
        ("", "v1", "Pod", "spec containers resources limits", False),
        ("", "v1", "Pod", "spec volumes projected sources", True),
        ("", "v1", "Service", "spec ports", False),
        ("networking.k8s.io", "v1", "NetworkPolicy", "spec ingress ports", False),
        ("networking.k8s.io", "v1", "Ingress", "spec rules http paths", True),
        ("rbac.authorization.k8s.io", "v1", "Role", "rules", True),
        ("rbac.authorization.k8s.io", "v1", "Role", "rules verbs", True),
        ("rbac.authorization.k8s.io", "v1", "Role", "rules apiGroups", False),
        ("discovery.k8s.io", "v1", "EndpointSlice", "endpoints addresses", True),
        ("apps", "v1", "Deployment", "status replicas", False),
        ("apps", "v1", "StatefulSet", "status replicas", True),
    ],
)
def test_empty_fields_are_printed_where_go_has_no_omitempty(
    group: str, version: str, kind: str, path: str, printed: bool
) -> None:
    struct, names = struct_for(GroupVersionKind(group, version, kind)), path.split()
    assert struct is not None
    for name in names[:-1]:
        struct = struct.by_name[name].struct
    assert struct.by_name[names[-1]].printed_always is printed


async def test_empty_ports_of_a_container_are_not_kept(api: Any) -> None:
    containers = [{"name": "c", "image": "i", "ports": []}]
    template = {"metadata": {"name": "p"}, "template": {"spec": {"containers": containers}}}
    made = (await api.post(TEMPLATES, template)).json
    assert "ports" not in made["template"]["spec"]["containers"][0]
    assert "f:ports" not in json.dumps(made["metadata"]["managedFields"])


async def test_pod_templates_are_validated(api: Any) -> None:
    template = {"metadata": {"name": "p"}, "template": {"spec": {"containers": [{"name": "c"}]}}}
    refused = await api.post(TEMPLATES, template)
    words = 'PodTemplate "p" is invalid: template.spec.containers[0].image: Required value'
    assert (refused.status, refused.json["message"]) == (422, words)


async def test_a_disruption_budget_with_two_limits_is_refused_in_words_of_go(api: Any) -> None:
    spec = {"minAvailable": 1, "maxUnavailable": "50%", "selector": {"matchLabels": {"a": "1"}}}
    budget = {"metadata": {"name": "b"}, "spec": spec}
    refused = await api.post("/apis/policy/v1/namespaces/default/poddisruptionbudgets", budget)
    shown = (
        '{"MinAvailable":1,"Selector":{"matchLabels":{"a":"1"}},"MaxUnavailable":"50%",'
        '"UnhealthyPodEvictionPolicy":null}'
    )
    words = f"spec: Invalid value: {shown}: minAvailable and maxUnavailable cannot be both set"
    assert refused.json["message"] == f'PodDisruptionBudget.policy "b" is invalid: {words}'


async def test_pod_templates_count_their_generations(api: Any) -> None:
    containers = [{"name": "c", "image": "i:1"}]
    template = {"metadata": {"name": "p"}, "template": {"spec": {"containers": containers}}}
    assert (await api.post(TEMPLATES, template)).json["metadata"]["generation"] == 1
    changed = await api.patch(f"{TEMPLATES}/p", {"template": {"metadata": {"labels": {"a": "1"}}}})
    assert changed.json["metadata"]["generation"] == 2
    same = await api.patch(f"{TEMPLATES}/p", {"metadata": {"labels": {"a": "1"}}})
    assert same.json["metadata"]["generation"] == 2


async def test_owners_that_are_gone_can_be_reset_again(api: Any) -> None:
    await api.post(CONFIG_MAPS, {"metadata": {"name": "c"}, "data": {"a": "1"}})
    reset = [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
    for _ in range(2):
        answer = await api.request("PATCH", f"{CONFIG_MAPS}/c", reset, Content_Type="application/json-patch+json")
        assert answer.status == 200
        assert "managedFields" not in answer.json["metadata"]
