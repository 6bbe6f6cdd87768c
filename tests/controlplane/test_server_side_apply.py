"""Server-side apply and managed fields: the worked examples, each step as a real 1.36 server answered it."""

from typing import Any

import pytest

from afflux.controlplane.managed_fields import (
    ResetFields,
    Writing,
    is_unchanged,
    update,
    with_managed_fields,
)
from afflux.controlplane.server_side_apply import ApplyConflict, ApplyInvalid, apply
from afflux.objects.identity import gvk_of
from afflux.objects.manifest import Manifest
from afflux.objects.merge_patch import apply_merge_patch
from afflux.schema.openapi import Schema, builtin_schemas, schema_from_crd
from afflux.schema.resources import builtin_resources

STATUS = ResetFields(ignored=(("f:status",),))


class Sequence:
    """One object through many writes; every write takes one second."""

    def __init__(self, api_version: str, kind: str, name: str = "e1", schema: Schema | None = None) -> None:
        self.head = {"apiVersion": api_version, "kind": kind}
        self.name = name
        gvk = gvk_of(self.head)
        self.schema = schema or builtin_schemas().for_kind(gvk)
        self.zero = next((r.zero for r in builtin_resources() if r.gvk == gvk), {"metadata": {}})
        self.live: Manifest | None = None
        self.second = 0

    def writing(self, manager: str, subresource: str = "") -> Writing:
        self.second += 1
        reset = STATUS if not subresource else ResetFields()
        now = f"2026-01-01T00:00:{self.second:02}Z"
        return Writing(manager, self.head["apiVersion"], now, subresource, reset)

    def apply(self, manager: str, *, force: bool = False, **fields: Any) -> Manifest:
        metadata = {"name": self.name, **fields.pop("metadata", {})}
        body = {**self.head, "metadata": metadata, **fields}
        applied = apply(self.live, body, self.schema, self.writing(manager), force=force, zero=self.zero)
        return self.store(with_managed_fields(applied.object, applied.managed_fields))

    def create(self, manager: str, **fields: Any) -> Manifest:
        new = {**self.head, "metadata": {"name": self.name, "uid": "u", **fields.pop("metadata", {})}, **fields}
        return self.store(
            with_managed_fields(new, update(None, new, self.schema, self.writing(manager), zero=self.zero))
        )

    def patch(self, manager: str, **fields: Any) -> Manifest:
        assert self.live is not None
        new = apply_merge_patch(self.live, fields)
        managed = update(self.live, new, self.schema, self.writing(manager), zero=self.zero)
        return self.store(with_managed_fields(new, managed))

    def store(self, new: Manifest) -> Manifest:
        new = {**new, "metadata": {**new["metadata"], "uid": "u"}}
        if self.live is None or not is_unchanged(self.live, new):
            self.live = new
        return self.live

    @property
    def owners(self) -> dict[str, Any]:
        assert self.live is not None
        entries = self.live["metadata"].get("managedFields", [])
        return {f"{entry['manager']} {entry['operation']}": entry["fieldsV1"] for entry in entries}

    @property
    def data(self) -> Any:
        assert self.live is not None
        return self.live.get("data")


def config_map() -> Sequence:
    return Sequence("v1", "ConfigMap")


def container(**fields: Any) -> dict[str, Any]:
    return {"selector": {"matchLabels": {"a": "x"}}, "template": {"spec": {"containers": [{"name": "c", **fields}]}}}


def containers(sequence: Sequence) -> list[Any]:
    assert sequence.live is not None
    items: list[Any] = sequence.live["spec"]["template"]["spec"]["containers"]
    return items


def test_a_manager_owns_what_it_applies_and_loses_what_it_leaves_out() -> None:
    e1 = config_map()
    first = e1.apply("m1", data={"a": "1", "b": "2"}, metadata={"labels": {"l": "1"}})
    assert e1.owners == {"m1 Apply": {"f:data": {"f:a": {}, "f:b": {}}, "f:metadata": {"f:labels": {"f:l": {}}}}}
    assert e1.apply("m1", data={"a": "1", "b": "2"}, metadata={"labels": {"l": "1"}}) is first
    e1.apply("m1", data={"a": "1"}, metadata={"labels": {"l": "1"}})
    assert e1.data == {"a": "1"}
    assert e1.owners == {"m1 Apply": {"f:data": {"f:a": {}}, "f:metadata": {"f:labels": {"f:l": {}}}}}


def shared() -> Sequence:
    """m1 applied a and a label; m2 applied c, then also a with the same value."""
    e1 = config_map()
    e1.apply("m1", data={"a": "1"}, metadata={"labels": {"l": "1"}})
    e1.apply("m2", data={"c": "3"})
    assert e1.data == {"a": "1", "c": "3"}
    e1.apply("m2", data={"c": "3", "a": "1"})
    return e1


def test_the_same_value_is_shared_and_stays_while_one_owner_is_left() -> None:
    e1 = shared()
    assert e1.owners["m2 Apply"] == {"f:data": {"f:a": {}, "f:c": {}}}
    e1.apply("m1", data={}, metadata={"labels": {"l": "1"}})
    assert e1.data == {"a": "1", "c": "3"}
    assert e1.owners["m1 Apply"] == {"f:data": {}, "f:metadata": {"f:labels": {"f:l": {}}}}


def test_another_value_conflicts_unless_forced() -> None:
    e1 = shared()
    e1.apply("m1", data={}, metadata={"labels": {"l": "1"}})
    with pytest.raises(ApplyConflict) as caught:
        e1.apply("m1", data={"a": "9"})
    assert str(caught.value) == 'Apply failed with 1 conflict: conflict with "m2": .data.a'
    (cause,) = caught.value.causes
    assert (cause.message, cause.field) == ('conflict with "m2"', ".data.a")
    forced = e1.apply("m1", force=True, data={"a": "9"})
    assert e1.data == {"a": "9", "c": "3"}
    assert not forced["metadata"].get("labels")
    assert e1.owners == {"m1 Apply": {"f:data": {"f:a": {}}}, "m2 Apply": {"f:data": {"f:c": {}}}}
    with pytest.raises(ApplyConflict, match=r'conflict with "m1": .data.a'):
        e1.apply("m2", data={"c": "3", "a": "1"})


def test_an_update_takes_fields_and_empty_entries_vanish() -> None:
    e1 = shared()
    e1.apply("m1", force=True, data={"a": "9"})
    e1.patch("upd", data={"a": "u", "z": "1"})
    assert e1.owners == {"m2 Apply": {"f:data": {"f:c": {}}}, "upd Update": {"f:data": {"f:a": {}, "f:z": {}}}}
    with pytest.raises(ApplyConflict, match=r'conflict with "upd" using v1: .data.a'):
        e1.apply("m1", data={"a": "1"})
    e1.apply("m2")
    assert e1.data == {"a": "u", "z": "1"}
    assert e1.owners == {"upd Update": {"f:data": {"f:a": {}, "f:z": {}}}}


def test_several_conflicts_are_grouped_by_manager() -> None:
    e1 = config_map()
    e1.apply("m1", data={"a": "1", "b": "1"})
    e1.apply("m2", data={"c": "1"})
    with pytest.raises(ApplyConflict) as caught:
        e1.apply("m3", data={"a": "2", "b": "2", "c": "2"})
    assert str(caught.value) == (
        'Apply failed with 3 conflicts: conflicts with "m1":\n- .data.a\n- .data.b\nconflicts with "m2":\n- .data.c'
    )


def two_appliers() -> Sequence:
    d = Sequence("apps/v1", "Deployment", "d")
    d.apply("m1", spec=container(image="i:1", ports=[{"containerPort": 80}], env=[{"name": "X", "value": "1"}]))
    # What defaulting would have stored.
    containers(d)[0]["ports"][0]["protocol"] = "TCP"
    side = [{"name": "s", "image": "side:1"}, {"name": "c", "ports": [{"containerPort": 81, "name": "p"}]}]
    d.apply("m2", spec={"template": {"spec": {"containers": side}}})
    return d


def test_lists_merge_by_key_in_the_order_of_the_body() -> None:
    d = two_appliers()
    assert [item["name"] for item in containers(d)] == ["s", "c"]
    assert containers(d)[1]["ports"] == [
        {"containerPort": 80, "protocol": "TCP"},
        {"containerPort": 81, "name": "p"},
    ]
    assert d.owners["m2 Apply"]["f:spec"]["f:template"]["f:spec"]["f:containers"] == {
        'k:{"name":"c"}': {
            ".": {},
            "f:name": {},
            "f:ports": {'k:{"containerPort":81,"protocol":"TCP"}': {".": {}, "f:containerPort": {}, "f:name": {}}},
        },
        'k:{"name":"s"}': {".": {}, "f:image": {}, "f:name": {}},
    }


def test_list_items_that_only_one_owned_go_with_what_nobody_owned_in_them() -> None:
    d = two_appliers()
    d.apply("m1", spec=container(image="i:1"))
    assert containers(d)[1] == {"name": "c", "image": "i:1", "ports": [{"containerPort": 81, "name": "p"}]}
    assert d.owners["m1 Apply"]["f:spec"]["f:template"]["f:spec"] == {
        "f:containers": {'k:{"name":"c"}': {".": {}, "f:image": {}, "f:name": {}}}
    }


def test_what_a_create_made_stays_when_an_applier_lets_go() -> None:
    e1 = config_map()
    e1.create("kubectl-create", data={"a": "1"})
    e1.apply("m1", data={"a": "1", "b": "2"})
    created = {"f:data": {".": {}, "f:a": {}}}
    assert e1.owners == {"m1 Apply": {"f:data": {"f:a": {}, "f:b": {}}}, "kubectl-create Update": created}
    e1.apply("m1", data={"b": "2"})
    assert e1.data == {"a": "1", "b": "2"}
    assert e1.owners == {"m1 Apply": {"f:data": {"f:b": {}}}, "kubectl-create Update": created}


def test_what_go_prints_for_an_empty_object_is_not_owned_by_its_creator() -> None:
    d = Sequence("apps/v1", "Deployment", "d")
    d.create("kubectl-create", metadata={"labels": {"x": "y"}}, spec=container(image="i"), status={})
    fields = d.owners["kubectl-create Update"]
    assert fields["f:metadata"] == {"f:labels": {".": {}, "f:x": {}}}
    assert fields["f:spec"] == {
        "f:selector": {},
        "f:template": {"f:spec": {"f:containers": {'k:{"name":"c"}': {".": {}, "f:image": {}, "f:name": {}}}}},
    }


def test_atomic_maps_conflict_as_a_whole() -> None:
    service = Sequence("v1", "Service")
    service.apply("m1", spec={"selector": {"a": "x"}})
    with pytest.raises(ApplyConflict, match=r'conflict with "m1": \.spec\.selector$'):
        service.apply("m2", spec={"selector": {"b": "y"}})


def test_keys_of_items_include_defaults_that_nobody_owns() -> None:
    service = Sequence("v1", "Service")
    service.apply("m1", spec={"ports": [{"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}]})
    assert service.owners["m1 Apply"]["f:spec"]["f:ports"] == {
        'k:{"port":53,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}},
        'k:{"port":53,"protocol":"UDP"}': {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}},
    }


def test_sets_merge_by_value() -> None:
    e1 = config_map()
    e1.apply("m1", metadata={"finalizers": ["x.io/a"]})
    both = e1.apply("m2", metadata={"finalizers": ["x.io/b"]})
    assert both["metadata"]["finalizers"] == ["x.io/a", "x.io/b"]
    assert e1.owners["m1 Apply"] == {"f:metadata": {"f:finalizers": {'v:"x.io/a"': {}}}}
    one = e1.apply("m1")
    assert one["metadata"]["finalizers"] == ["x.io/b"]
    assert list(e1.owners) == ["m2 Apply"]


def test_the_first_apply_after_a_reset_leaves_the_rest_to_somebody() -> None:
    e1 = config_map()
    live = e1.apply("m1", data={"a": "u", "z": "1"})
    reset = {**live, "metadata": {**live["metadata"], "managedFields": [{}]}}
    managed = update(live, reset, e1.schema, e1.writing("x"), zero=e1.zero)
    assert managed == []
    e1.store(with_managed_fields(reset, managed))
    assert e1.patch("y", data={"z": "1", "more": None})["metadata"].get("managedFields") is None
    e1.apply("m1", force=True, data={"a": "1", "q": "1"})
    assert e1.owners == {
        "m1 Apply": {"f:data": {"f:a": {}, "f:q": {}}},
        "before-first-apply Update": {"f:data": {".": {}, "f:z": {}}},
    }


def test_kubectl_may_take_what_its_client_side_apply_left() -> None:
    annotation = "kubectl.kubernetes.io/last-applied-configuration"
    e9 = Sequence("v1", "ConfigMap", "e9")
    applied = '{"apiVersion":"v1","data":{"a":"1","b":"2"},"kind":"ConfigMap","metadata":{"name":"e9"}}\n'
    e9.create("kubectl-client-side-apply", data={"a": "1", "b": "2"}, metadata={"annotations": {annotation: applied}})
    live = e9.apply("kubectl", data={"a": "new"})
    assert e9.data == {"a": "new", "b": "2"}
    assert live["metadata"]["annotations"][annotation] == (
        '{"apiVersion":"v1","data":{"a":"new"},"kind":"ConfigMap","metadata":{"name":"e9"}}\n'
    )
    assert e9.owners["kubectl Apply"] == {"f:data": {"f:a": {}}}
    assert e9.owners["kubectl-client-side-apply Update"]["f:data"] == {".": {}, "f:b": {}}
    with pytest.raises(ApplyConflict, match=r'conflict with "kubectl": .data.a'):
        e9.apply("flux", data={"a": "new2"})


def test_a_null_is_owned() -> None:
    e1 = config_map()
    e1.apply("m1", data={"a": None, "b": "1"})
    assert e1.owners == {"m1 Apply": {"f:data": {"f:a": {}, "f:b": {}}}}


def test_an_empty_atomic_map_is_owned() -> None:
    policy = Sequence("networking.k8s.io/v1", "NetworkPolicy")
    policy.apply("m1", spec={"podSelector": {}})
    assert policy.owners == {"m1 Apply": {"f:spec": {"f:podSelector": {}}}}


def test_quantities_conflict_by_what_is_stored_not_by_what_was_sent() -> None:
    d = Sequence("apps/v1", "Deployment", "d")
    live = d.apply("m1", spec=container(image="i", resources={"limits": {"cpu": "0.5"}}))
    containers(d)[0]["resources"]["limits"]["cpu"] = "500m"
    d.live = live
    cpu = {"template": {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "500m"}}}]}}}
    d.apply("m2", spec=cpu)
    cpu["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "0.5"
    with pytest.raises(ApplyConflict, match=r'\.containers\[name="c"\]\.resources\.limits\.cpu'):
        d.apply("m2", spec=cpu)


def test_status_is_not_owned_through_the_main_resource() -> None:
    d = Sequence("apps/v1", "Deployment", "d")
    d.apply("m1", spec=container(image="i"), status={"replicas": 1})
    assert "f:status" not in d.owners["m1 Apply"]


@pytest.mark.parametrize(
    ("head", "fields", "code", "message"),
    [
        (
            ("v1", "ConfigMap"),
            {"foo": 1, "metadata": {"namespace": "n"}},
            500,
            "failed to create typed patch object (n/e1; /v1, Kind=ConfigMap): .foo: field not declared in schema",
        ),
        (
            ("v1", "Service"),
            {"spec": {"ports": [{"port": 53}, {"port": 53}]}},
            500,
            "failed to create typed patch object (/e1; /v1, Kind=Service): .spec.ports: duplicate entries for key "
            '[port=53,protocol="TCP"]',
        ),
        (
            ("apps/v1", "Deployment"),
            {"spec": {"replicas": "x"}},
            500,
            "failed to create typed patch object (/e1; apps/v1, Kind=Deployment): .spec.replicas: "
            "expected numeric (int or float), got string",
        ),
        (("v1", "ConfigMap"), {"metadata": {"managedFields": [{}]}}, 400, "metadata.managedFields must be nil"),
    ],
)
def test_a_body_that_does_not_fit_its_schema_is_refused(
    head: tuple[str, str], fields: dict[str, Any], code: int, message: str
) -> None:
    with pytest.raises(ApplyInvalid) as caught:
        Sequence(*head).apply("m1", **fields)
    assert (caught.value.code, str(caught.value)) == (code, message)


def test_values_of_secrets_stay_out_of_messages() -> None:
    with pytest.raises(ApplyInvalid) as caught:
        Sequence("v1", "Secret").apply("m1", data={"pin": 4711})
    assert "4711" not in str(caught.value)


def test_several_errors_are_listed() -> None:
    with pytest.raises(ApplyInvalid, match=r"errors:\n  .a: field not declared in schema\n  .b: field not declared"):
        config_map().apply("m1", a=1, b=1)


def test_free_form_fields_are_deduced_and_a_boolean_is_not_a_number() -> None:
    spec = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    crd = schema_from_crd({"type": "object", "properties": {"spec": spec}})
    w = Sequence("example.com/v1", "Widget", schema=crd)
    w.apply("m1", spec={"values": {"on": 1, "list": [1, 2]}})
    assert w.owners["m1 Apply"] == {"f:spec": {"f:values": {".": {}, "f:list": {}, "f:on": {}}}}
    changed = w.apply("m1", spec={"values": {"on": True, "list": [1, 2]}})
    assert changed["spec"]["values"]["on"] is True
    w.patch("u", spec={"values": {"on": {"deep": 1}}})
    assert w.owners["u Update"] == {"f:spec": {"f:values": {"f:on": {".": {}, "f:deep": {}}}}}


def test_old_updates_are_merged_beyond_ten_entries() -> None:
    e1 = config_map()
    e1.create("u0", data={"k0": "x"})
    for index in range(1, 13):
        e1.patch(f"u{index:02}", data={f"k{index}": "x"})
    assert len(e1.owners) == 10
    assert e1.owners["ancient-changes Update"] == {"f:data": {".": {}, "f:k0": {}, "f:k1": {}, "f:k2": {}, "f:k3": {}}}


def test_an_apply_never_changes_what_it_is_given() -> None:
    e1 = config_map()
    before = e1.apply("m1", data={"a": "1"})
    frozen = repr(before)
    e1.apply("m2", data={"b": "1"}, metadata={"labels": {"x": "y"}})
    assert repr(before) == frozen
