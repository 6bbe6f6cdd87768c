"""When a Kustomization may go on: Flux's rules, in Flux's words."""

import asyncio

import pytest

from afflux.api.kinds import decode_as
from afflux.api.kustomization import Kustomization
from afflux.api.meta import Artifact
from afflux.controllers.kustomization_dependencies import Dependent, complaint, dependencies_of
from afflux.controllers.kustomization_source import Offer, same_revision, source_of
from afflux.objects.identity import ObjectRef
from afflux.objects.manifest import Json, Manifest
from afflux.runtime.ends import Stalled

REVISION = "main@sha1:" + "a" * 40
OLD_REVISION = "main@sha1:" + "b" * 40


def kustomization(
    name: str, *, ready: str = "True", observed: int = 1, applied: str = REVISION, **spec: Json
) -> Manifest:
    source = {"kind": "GitRepository", "name": "fleet"}
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": "flux-system", "generation": 1},
        "spec": {"interval": "10m", "prune": True, "sourceRef": source, **spec},
        "status": {
            "observedGeneration": observed,
            "lastAppliedRevision": applied,
            "conditions": [
                {
                    "type": "Ready",
                    "status": ready,
                    "reason": "x",
                    "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
            ],
        },
    }


def why_not(dependency: Manifest, **reference: str) -> str | None:
    manifest = kustomization("apps", dependsOn=[{"name": "infra", **reference}])
    decoded = decode_as(Kustomization, manifest)
    artifact = Artifact(
        digest="sha256:" + "0" * 64,
        path="p",
        url="http://x/p",
        revision=REVISION,
        last_update_time="2026-01-01T00:00:00Z",
    )
    dependent = Dependent(decoded, manifest, Offer(source_of(decoded), artifact))
    return asyncio.run(complaint(dependent, decoded.spec.depends_on[0], dependency))


def test_a_ready_dependency_at_the_same_revision_lets_go_on() -> None:
    assert why_not(kustomization("infra")) is None


@pytest.mark.parametrize("state", [{"ready": "False"}, {"ready": "Unknown"}, {"observed": 0}])
def test_an_unready_dependency_holds(state: dict[str, Json]) -> None:
    assert why_not(kustomization("infra", **state)) == "dependency 'flux-system/infra' is not ready"


def test_a_dependency_without_conditions_is_not_ready() -> None:
    fresh = {**kustomization("infra"), "status": {"observedGeneration": -1}}
    assert why_not(fresh) == "dependency 'flux-system/infra' is not ready"


def test_a_dependency_of_the_same_source_must_have_applied_the_same_revision() -> None:
    behind = kustomization("infra", applied=OLD_REVISION)
    assert why_not(behind) == "dependency 'flux-system/infra' revision is not up to date"


def test_a_dependency_of_another_source_may_be_at_any_revision() -> None:
    other = {"kind": "GitRepository", "name": "elsewhere"}
    assert why_not(kustomization("infra", applied=OLD_REVISION, sourceRef=other)) is None


def test_an_expression_replaces_the_usual_check() -> None:
    assert why_not(kustomization("infra", ready="False"), readyExpr="dep.metadata.name == 'infra'") is None
    assert (
        why_not(kustomization("infra"), readyExpr="self.metadata.name == dep.metadata.name")
        == "dependency 'flux-system/infra' is not ready according to readyExpr eval"
    )


def test_an_expression_over_what_is_not_there_yet_waits() -> None:
    expression = "dep.status.nothing == 'here'"
    complaint = why_not(kustomization("infra"), readyExpr=expression)
    assert complaint == f"failed to evaluate the CEL expression '{expression}': no such key: nothing"


@pytest.mark.parametrize("expression", ["dep.metadata.name", "dep.nothing.here", "1 +"])
def test_an_expression_without_a_boolean_answer_stalls(expression: str) -> None:
    with pytest.raises(Stalled, match="Reconciliation failed terminally due to configuration error") as stalled:
        why_not(kustomization("infra"), readyExpr=expression)
    assert stalled.value.reason == "InvalidCELExpression"


def test_dependencies_are_in_the_same_namespace_unless_they_say_otherwise() -> None:
    decoded = decode_as(
        Kustomization, kustomization("apps", dependsOn=[{"name": "a"}, {"name": "b", "namespace": "c"}])
    )
    group = "kustomize.toolkit.fluxcd.io"
    assert dependencies_of(decoded) == (
        ObjectRef(group, "Kustomization", "flux-system", "a"),
        ObjectRef(group, "Kustomization", "c", "b"),
    )


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("main@sha1:abc", "main@sha1:abc", True),
        ("main@sha1:abc", "main/abc", True),
        ("feature/x@sha1:abc", "feature/x/abc", True),
        ("main@sha1:abc", "main@sha1:abd", False),
        ("main@sha1:abc", "dev@sha1:abc", False),
        ("sha256:abc", "sha256:abc", True),
        ("main@sha1:abc", "", False),
    ],
)
def test_revisions_are_compared_across_formats(left: str, right: str, same: bool) -> None:
    assert same_revision(left, right) is same
