"""Manifests as Flux sends them."""

import copy
from typing import Any

from afflux.manifests.normalize import field_path_text, normalize, unknown_fields
from afflux.objects.identity import GroupVersionKind, gvk_of
from afflux.schema.openapi import builtin_schemas, schema_from_crd


def normalized(manifest: dict[str, Any]) -> dict[str, Any]:
    before = copy.deepcopy(manifest)
    result = normalize(manifest)
    assert manifest == before
    return result


def secret(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, **fields}


def test_unknown_fields_are_named_by_path() -> None:
    pod = {"containers": [{"name": "c", "foo": 1, "env": [{"name": "A", "bar": 2}]}], "baz": 3}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"labels": {"any": "key"}},
        "spec": {"template": {"spec": pod}},
    }
    schema = builtin_schemas().for_kind(gvk_of(deployment))
    assert schema is not None
    paths = unknown_fields(deployment, schema)
    assert paths[0] == ("spec", "template", "spec", "containers", 0, "foo")
    assert [field_path_text(path) for path in paths] == [
        "spec.template.spec.containers[0].foo",
        "spec.template.spec.containers[0].env[0].bar",
        "spec.template.spec.baz",
    ]


def test_free_form_parts_have_no_unknown_fields() -> None:
    spec = {"type": "object", "properties": {"values": {"x-kubernetes-preserve-unknown-fields": True}}}
    schema = schema_from_crd({"type": "object", "properties": {"spec": spec}})
    widget = {"spec": {"values": {"deep": {"er": 1}}, "other": 1}}
    assert unknown_fields(widget, schema) == [("spec", "other")]
    crd = builtin_schemas().for_kind(GroupVersionKind("apiextensions.k8s.io", "v1", "CustomResourceDefinition"))
    assert crd is not None
    default = {"properties": {"x": {"default": {"any": 1}}}}
    version = {"name": "v1", "schema": {"openAPIV3Schema": default}}
    assert unknown_fields({"spec": {"versions": [version]}}, crd) == []


def test_built_in_kinds_lose_unknown_fields_and_nulls() -> None:
    result = normalized(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "c", "annotations": None, "creationTimestamp": None, "odd": 1},
            "data": {"a": "b", "n": None},
        }
    )
    assert result == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "b", "n": ""}}


def test_roles_stay_as_written() -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "odd": 1}
    assert normalized(role) is role


def test_texts_of_a_secret_are_folded_into_its_data() -> None:
    result = normalized(secret(stringData={"a": "x", "b": "y"}, data={"b": "b2xk", "c": "Yw=="}))
    assert result == secret(data={"a": "eA==", "b": "eQ==", "c": "Yw=="})
    numbers = secret(stringData={"a": 1})
    assert normalized(numbers) is numbers


def test_ports_get_their_protocol() -> None:
    service = normalized({"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}})
    assert service["spec"]["ports"] == [{"port": 80, "protocol": "TCP"}]
    ports = [{"containerPort": 1}, {"containerPort": 2, "protocol": "UDP"}]
    pod = normalized(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "spec": {"containers": [{"name": "c", "ports": ports}], "initContainers": [{"ports": ports[:1]}]},
        }
    )
    assert [port["protocol"] for port in pod["spec"]["containers"][0]["ports"]] == ["TCP", "UDP"]
    assert pod["spec"]["initContainers"][0]["ports"][0]["protocol"] == "TCP"


def test_status_goes_but_stays_for_definitions() -> None:
    widget = {"apiVersion": "x.io/v1", "kind": "Widget", "metadata": {"creationTimestamp": None}, "status": {"a": 1}}
    assert normalized(widget) == {"apiVersion": "x.io/v1", "kind": "Widget", "metadata": {}}
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "status": {"conditions": []}}
    assert normalized(crd) is crd


def test_a_conversion_webhook_loses_a_bundle_that_is_no_certificate() -> None:
    def crd(bundle: str) -> dict[str, Any]:
        client = {"caBundle": bundle, "service": {"name": "s", "namespace": "n"}}
        conversion = {"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}}
        head = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
        return {**head, "spec": {"conversion": conversion}}

    client = normalized(crd("Cg=="))["spec"]["conversion"]["webhook"]["clientConfig"]
    assert client == {"service": {"name": "s", "namespace": "n"}}
    valid = crd("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t")
    assert normalized(valid) is valid


def test_a_manifest_that_needs_nothing_is_the_same_object() -> None:
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "b"}}
    assert normalize(config_map) is config_map
