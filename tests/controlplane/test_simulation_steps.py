"""The pure steps of the simulation: what they make of images, switches and sizes."""

from __future__ import annotations

from typing import Any

import pytest

from afflux.controlplane.simulation.decisions import merge_difference
from afflux.controlplane.simulation.faults import Fate, fate_of, is_bad_image
from afflux.controlplane.simulation.rollouts import read_rollout, target_sizes


def template(image: str) -> dict[str, Any]:
    return {"metadata": {"labels": {"a": "x"}}, "spec": {"containers": [{"name": "c", "image": image}]}}


@pytest.mark.parametrize(
    ("image", "bad"),
    [
        ("bad", True),
        ("bad:1", True),
        ("registry/bad:1", True),
        ("nginx:bad", True),
        ("nginx-doesnotexist:1", True),
        ("nginx:broken", True),
        ("badge:1", False),
        ("nginx:broken-2", False),
        ("nginx:1", False),
    ],
)
def test_images_that_cannot_be_pulled(image: str, bad: bool) -> None:
    assert is_bad_image(image) is bad


def test_a_misspelt_switch_changes_nothing() -> None:
    annotations = {"sim.gitops/fail": "sometimes", "sim.gitops/ready-after": "soon"}
    assert fate_of({"metadata": {"annotations": annotations}, "spec": {"containers": []}}) == Fate()


def replica_set(image: str, size: int, available: int, created: int) -> dict[str, Any]:
    return {
        "metadata": {"uid": image, "name": image, "creationTimestamp": f"2026-01-01T00:00:0{created}Z"},
        "spec": {"replicas": size, "template": template(image)},
        "status": {"replicas": size, "availableReplicas": available},
    }


@pytest.mark.parametrize(
    ("replicas", "old", "new", "expected"),
    [
        (4, (4, 4), (0, 0), (3, 1)),
        (4, (3, 3), (1, 0), (3, 2)),
        (4, (3, 3), (2, 2), (1, 2)),
        (4, (4, 0), (1, 0), (3, 1)),
        (1, (1, 1), (1, 0), (1, 1)),
        (1, (1, 1), (1, 1), (0, 1)),
        (2, (5, 5), (0, 0), (2, 0)),
    ],
)
def test_the_sizes_of_a_rolling_update(
    replicas: int, old: tuple[int, int], new: tuple[int, int], expected: tuple[int, int]
) -> None:
    deployment = {
        "metadata": {"name": "d"},
        "spec": {
            "replicas": replicas,
            "template": template("new"),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        },
    }
    rollout = read_rollout(deployment, [replica_set("old", *old, 1), replica_set("new", *new, 2)])
    sizes = target_sizes(rollout)
    assert (sizes["old"], sizes["new"]) == expected


def test_a_difference_is_a_merge_patch() -> None:
    old = {"a": 1, "b": {"c": 1, "d": 2}, "e": [1]}
    assert merge_difference(old, {"b": {"c": 1, "d": 3}, "e": [1, 2]}) == {"a": None, "b": {"d": 3}, "e": [1, 2]}
    assert merge_difference(old, dict(old)) == {}
