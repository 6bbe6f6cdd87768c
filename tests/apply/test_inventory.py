"""Inventory ids and differences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.apply.inventory import InvalidInventoryId, Inventory, inventory_id, parse_inventory_id
from afflux.objects.identity import ObjectRef

DEPLOYMENT = ObjectRef("apps", "Deployment", "web", "nginx")
CONFIG = ObjectRef("", "ConfigMap", "web", "settings")
NAMESPACE = ObjectRef("", "Namespace", "", "web")

_NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(
    ("ref", "text"),
    [
        (DEPLOYMENT, "web_nginx_apps_Deployment"),
        (CONFIG, "web_settings__ConfigMap"),
        (NAMESPACE, "_web__Namespace"),
        (
            ObjectRef("rbac.authorization.k8s.io", "ClusterRole", "", "system:view"),
            "_system__view_rbac.authorization.k8s.io_ClusterRole",
        ),
    ],
)
def test_an_id_is_written_and_read_as_flux_does(ref: ObjectRef, text: str) -> None:
    assert inventory_id(ref) == text
    assert parse_inventory_id(text) == ref


@given(_NAMES, _NAMES | st.just(""), st.sampled_from(["", "apps", "a.b.c"]))
def test_every_id_reads_back(name: str, namespace: str, group: str) -> None:
    ref = ObjectRef(group, "Thing", namespace, name)
    assert parse_inventory_id(inventory_id(ref)) == ref


@pytest.mark.parametrize("text", ["", "nonsense", "a_b", "a_b_c", "a__c_d", "a_b_c_"])
def test_a_broken_id_is_named(text: str) -> None:
    with pytest.raises(InvalidInventoryId, match="inventory id"):
        parse_inventory_id(text)


def test_a_status_reads_back() -> None:
    entries = [{"id": "web_nginx_apps_Deployment", "v": "v1"}, {"id": "_web__Namespace", "v": "v1"}]
    assert Inventory.from_status(entries).to_status() == entries


def test_a_new_version_of_an_object_is_not_stale() -> None:
    old = Inventory.of([(DEPLOYMENT, "v1beta1"), (CONFIG, "v1")])
    new = Inventory.of([(DEPLOYMENT, "v1")])
    assert old.without(new) == Inventory.of([(CONFIG, "v1")])


def test_a_union_holds_both_with_the_newer_versions() -> None:
    old = Inventory.of([(DEPLOYMENT, "v1beta1"), (CONFIG, "v1")])
    assert old.union(Inventory.of([(DEPLOYMENT, "v1")])).versions == {DEPLOYMENT: "v1", CONFIG: "v1"}


def test_deletion_is_the_reverse_of_the_order_of_apply() -> None:
    inventory = Inventory.of([(NAMESPACE, "v1"), (CONFIG, "v1"), (DEPLOYMENT, "v1")])
    assert [one.ref for one in inventory.in_deletion_order()] == [DEPLOYMENT, CONFIG, NAMESPACE]
