"""Strategic merge patches, with the results of a real 1.36 server."""

import copy
from typing import Any

import pytest

from afflux.manifests.strategic_merge import InvalidStrategicPatch, strategic_merge
from afflux.objects.identity import GroupVersionKind
from afflux.schema.openapi import builtin_schemas

DEPLOYMENT = builtin_schemas().for_kind(GroupVersionKind("apps", "v1", "Deployment"))

C = {
    "name": "c",
    "image": "i",
    "args": ["1"],
    "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 81, "protocol": "TCP"}],
    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
}
S = {"name": "s", "image": "s"}
LIVE = {
    "metadata": {"finalizers": ["x", "y"]},
    "spec": {
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
        "template": {
            "metadata": {"labels": {"a": "x", "b": "y"}},
            "spec": {
                "containers": [C, S],
                "volumes": [{"name": "v", "emptyDir": {}}],
                "tolerations": [{"key": "t"}],
            },
        },
    },
}


def pod(**fields: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": fields}}}


def merged_pod(**fields: Any) -> Any:
    before = copy.deepcopy(LIVE)
    result = strategic_merge(LIVE, pod(**fields), DEPLOYMENT)
    assert before == LIVE
    return result["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    ("patch", "containers"),
    [
        ({"containers": [{"name": "c", "image": "j"}]}, [{**C, "image": "j"}, S]),
        ({"containers": [{"name": "s", "$patch": "delete"}]}, [C]),
        ({"containers": [{"name": "z", "image": "z"}, {"$patch": "replace"}]}, [{"name": "z", "image": "z"}]),
        (
            {
                "$setElementOrder/containers": [{"name": "s"}, {"name": "c"}],
                "containers": [{"name": "s", "image": "t"}],
            },
            [{"name": "s", "image": "t"}, C],
        ),
        ({"$setElementOrder/containers": [{"name": "s"}, {"name": "c"}]}, [S, C]),
        ({"containers": [{"name": "n", "image": "n"}]}, [{"name": "n", "image": "n"}, C, S]),
        (
            {"containers": [{"name": "c", "env": [{"name": "A", "$patch": "delete"}, {"name": "C", "value": "3"}]}]},
            [{**C, "env": [{"name": "C", "value": "3"}, {"name": "B", "value": "2"}]}, S],
        ),
        ({"containers": [{"name": "c", "args": ["2"]}]}, [{**C, "args": ["2"]}, S]),
        (
            {"containers": [{"name": "c", "ports": [{"containerPort": 80, "name": "web"}]}]},
            [
                {
                    **C,
                    "ports": [
                        {"name": "web", "containerPort": 80, "protocol": "TCP"},
                        {"containerPort": 81, "protocol": "TCP"},
                    ],
                },
                S,
            ],
        ),
    ],
)
def test_lists_of_objects_merge_by_key(patch: dict[str, Any], containers: list[Any]) -> None:
    assert merged_pod(**patch)["containers"] == containers


def test_lists_without_the_strategy_are_replaced() -> None:
    assert merged_pod(tolerations=[{"key": "u"}])["tolerations"] == [{"key": "u"}]


def test_retained_keys_are_the_only_ones_left() -> None:
    volume = {"$retainKeys": ["name", "configMap"], "name": "v", "configMap": {"name": "q"}}
    assert merged_pod(volumes=[volume])["volumes"] == [{"name": "v", "configMap": {"name": "q"}}]
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic_merge(LIVE, patch, DEPLOYMENT)["spec"]["strategy"] == {"type": "Recreate"}


def test_null_deletes() -> None:
    assert "volumes" not in merged_pod(volumes=None)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"$patch": "replace", "a": "z"}, {"a": "z"}),
        ({"$patch": "delete"}, {}),
        ({"n": "1", "b": None}, {"a": "x", "n": "1"}),
    ],
)
def test_maps_obey_their_directive(labels: dict[str, Any], expected: dict[str, Any]) -> None:
    patch = {"spec": {"template": {"metadata": {"labels": labels}}}}
    assert strategic_merge(LIVE, patch, DEPLOYMENT)["spec"]["template"]["metadata"]["labels"] == expected


@pytest.mark.parametrize(
    ("metadata", "finalizers"),
    [
        ({"finalizers": ["y", "z"]}, ["x", "y", "z"]),
        ({"$deleteFromPrimitiveList/finalizers": ["x"]}, ["y"]),
        ({"$deleteFromPrimitiveList/finalizers": ["x"], "finalizers": ["z"]}, ["z", "y"]),
    ],
)
def test_lists_of_scalars_merge_as_sets(metadata: dict[str, Any], finalizers: list[str]) -> None:
    assert strategic_merge(LIVE, {"metadata": metadata}, DEPLOYMENT)["metadata"]["finalizers"] == finalizers


def test_an_item_without_its_key_is_refused() -> None:
    with pytest.raises(InvalidStrategicPatch) as caught:
        merged_pod(containers=[{"image": "j"}])
    assert str(caught.value) == "map: map[image:j] does not contain declared merge key: name"


def test_a_kind_without_a_schema_merges_like_a_merge_patch() -> None:
    assert strategic_merge({"l": [1], "m": {"a": 1}}, {"l": [2], "m": {"b": 2}}, None) == {
        "l": [2],
        "m": {"a": 1, "b": 2},
    }


def test_what_a_patch_does_not_touch_is_shared() -> None:
    merged = strategic_merge(LIVE, {"metadata": {"labels": {"a": "b"}}}, DEPLOYMENT)
    assert merged["spec"] is LIVE["spec"]
