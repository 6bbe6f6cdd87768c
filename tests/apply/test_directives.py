"""Labels and annotations that steer an apply."""

import pytest

from afflux.apply.directives import KEPT, forces_recreation, says, skips_apply
from afflux.objects.manifest import Manifest

GROUP = "kustomize.toolkit.fluxcd.io"


def config(*, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "labels": labels or {}, "annotations": annotations or {}},
    }


@pytest.mark.parametrize("value", ["disabled", "Disabled", "DISABLED"])
def test_a_disabled_object_is_skipped_whoever_says_so(value: str) -> None:
    disabled = config(annotations={f"{GROUP}/reconcile": value})
    assert skips_apply(disabled, None)
    assert skips_apply(config(), disabled)
    assert skips_apply(config(labels={f"{GROUP}/reconcile": value}), None)


def test_if_not_present_creates_once() -> None:
    desired = config(annotations={f"{GROUP}/ssa": "IfNotPresent"})
    assert not skips_apply(desired, None)
    assert skips_apply(desired, config())
    assert not skips_apply(config(), desired)


def test_prune_disabled_and_ignored_objects_are_kept() -> None:
    assert says(config(annotations={f"{GROUP}/prune": "disabled"}), KEPT)
    assert says(config(annotations={f"{GROUP}/ssa": "Ignore"}), KEPT)
    assert not says(config(annotations={f"{GROUP}/ssa": "Merge"}), KEPT)


def test_force_may_be_said_by_the_live_object() -> None:
    assert forces_recreation(config(), config(labels={f"{GROUP}/force": "Enabled"}))
    assert not forces_recreation(config(), None)
