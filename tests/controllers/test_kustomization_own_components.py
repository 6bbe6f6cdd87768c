"""Flux's components in a repository."""

import pytest

from afflux.apply.plan import Desired
from afflux.controllers.kustomization_own_components import OwnComponents, screened
from afflux.objects.manifest import Manifest
from afflux.render.errors import RenderFailed

CONTROLLER: Manifest = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "source-controller",
        "namespace": "flux-system",
        "labels": {"app.kubernetes.io/part-of": "flux"},
    },
}
OWN_CRD: Manifest = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gitrepositories.source.toolkit.fluxcd.io"},
}
FOREIGN_CRD: Manifest = {**OWN_CRD, "metadata": {"name": "widgets.example.com"}}
APP: Manifest = {**CONTROLLER, "metadata": {"name": "source-controller", "namespace": "mine"}}


def test_standing_in_applies_fluxs_deployments_and_leaves_our_definitions_alone() -> None:
    desired = [Desired(one) for one in (CONTROLLER, OWN_CRD, FOREIGN_CRD, APP)]
    assert [one.leave_alone for one in screened(OwnComponents.STAND_IN, desired)] == [False, True, False, False]


def test_on_a_real_cluster_the_lines_to_remove_are_named() -> None:
    desired = [Desired(APP), Desired(CONTROLLER, " (from flux-system/gotk-components.yaml, document 7, line 120)")]
    with pytest.raises(RenderFailed) as refused:
        screened(OwnComponents.REFUSE, desired)
    assert refused.value.message.splitlines()[1:] == [
        "- Deployment/flux-system/source-controller (from flux-system/gotk-components.yaml, document 7, line 120)"
    ]


def test_nothing_is_refused_where_there_is_nothing_of_flux() -> None:
    assert screened(OwnComponents.REFUSE, [Desired(APP)]) == [Desired(APP)]
