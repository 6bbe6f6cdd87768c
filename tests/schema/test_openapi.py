"""Views on the schemas of built-in and custom kinds."""

from typing import Any

import pytest

from afflux.objects.identity import GroupVersionKind
from afflux.schema.openapi import FREE_FORM, Schema, builtin_schemas, schema_from_crd
from afflux.schema.resources import ALL_VERBS, builtin_resources

DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")


def walk(schema: Schema | None, *names: str) -> Schema:
    for name in names:
        assert schema is not None, f"nothing is declared above {name}"
        schema = schema.items if name == "[]" else schema.child(name)
    assert schema is not None, f"{names[-1]} is not declared"
    return schema


def test_references_are_resolved_while_walking() -> None:
    deployment = builtin_schemas().for_kind(DEPLOYMENT)
    containers = walk(deployment, "spec", "template", "spec", "containers")
    assert (containers.list_type, containers.list_map_keys) == ("map", ("name",))
    assert (containers.patch_strategy, containers.patch_merge_key) == (("merge",), "name")
    assert walk(containers, "[]", "image").type == "string"
    assert containers is walk(deployment, "spec", "template", "spec", "containers")


def test_what_stands_beside_a_reference_counts() -> None:
    assert walk(builtin_schemas().for_kind(DEPLOYMENT), "spec", "strategy").patch_strategy == ("retainKeys",)


def test_keys_of_list_maps_have_their_defaults() -> None:
    ports = walk(builtin_schemas().for_kind(GroupVersionKind("", "v1", "Service")), "spec", "ports")
    assert ports.list_map_keys == ("port", "protocol")
    assert walk(ports, "[]", "protocol").default == "TCP"


def test_special_scalars_bear_their_formats() -> None:
    container = builtin_schemas().definition("io.k8s.api.core.v1.Container")
    assert walk(container, "resources", "limits", "cpu").format == "quantity"
    assert walk(container, "livenessProbe", "httpGet", "port").int_or_string
    assert container.required == ("name",)


def test_undeclared_fields_have_no_schema_and_free_form_ones_have_any() -> None:
    deployment = builtin_schemas().for_kind(DEPLOYMENT)
    assert walk(deployment, "spec").child("bogus") is None
    revision = builtin_schemas().for_kind(GroupVersionKind("apps", "v1", "ControllerRevision"))
    assert walk(revision, "data", "anything", "below") is FREE_FORM


def test_recursive_definitions_can_be_walked() -> None:
    name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    props = builtin_schemas().definition(name)
    assert walk(props, "properties", "x", "properties", "y", "maximum").type == "number"


def test_every_built_in_resource_has_a_schema() -> None:
    assert [r.gvk for r in builtin_resources() if builtin_schemas().for_kind(r.gvk) is None] == []


def test_resources_say_how_a_kind_is_served() -> None:
    (deployments,) = (resource for resource in builtin_resources() if resource.gvk == DEPLOYMENT)
    assert (deployments.plural, deployments.singular, deployments.namespaced) == ("deployments", "deployment", True)
    assert deployments.verbs == ALL_VERBS
    assert (deployments.short_names, deployments.categories) == (("deploy",), ("all",))
    scale, status = deployments.subresources
    assert (scale.name, scale.group, scale.kind) == ("scale", "autoscaling", "Scale")
    assert (status.name, status.kind, status.verbs) == ("status", "Deployment", ("get", "patch", "update"))
    assert deployments.zero["spec"]["template"]["spec"] == {"containers": None}


def test_an_unknown_minor_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.2"):
        builtin_schemas("1.2")


def crd_schema(spec: dict[str, Any]) -> Schema:
    return schema_from_crd({"type": "object", "properties": {"spec": spec, "metadata": {"type": "object"}}})


def test_custom_objects_have_the_metadata_of_every_object() -> None:
    schema = crd_schema({"type": "object", "properties": {"size": {"type": "integer", "default": 3}}})
    assert walk(schema, "metadata", "finalizers").list_type == "set"
    assert walk(schema, "spec", "size").default == 3
    assert walk(schema, "spec").child("bogus") is None


def test_custom_schemas_may_keep_unknown_fields_beside_declared_ones() -> None:
    spec = walk(
        crd_schema(
            {
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": True,
                "properties": {"port": {"x-kubernetes-int-or-string": True}},
            }
        ),
        "spec",
    )
    assert walk(spec, "port").int_or_string
    assert not walk(spec, "port").preserve_unknown
    assert walk(spec, "other") is FREE_FORM


def test_embedded_resources_have_kind_and_metadata() -> None:
    spec = walk(crd_schema({"type": "object", "x-kubernetes-embedded-resource": True}), "spec")
    assert walk(spec, "metadata", "labels", "x").type == "string"
    assert walk(spec, "apiVersion").type == "string"
    assert spec.child("bogus") is None
