"""Who is woken by what."""

from afflux.controllers.kustomization_watches import (
    config_changed,
    dependencies_first,
    progressed,
    source_changed,
)
from afflux.objects.manifest import Json, Manifest


def kustomization(name: str, *needs: str, **status: Json) -> Manifest:
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": "flux-system", "generation": 1},
        "spec": {
            "interval": "10m",
            "prune": True,
            "sourceRef": {"kind": "GitRepository", "name": "fleet"},
            "dependsOn": [{"name": need} for need in needs],
        },
        "status": status,
    }


def names(manifests: list[Manifest]) -> list[str]:
    return [one["metadata"]["name"] for one in manifests]


def source(revision: str) -> Manifest:
    return {"metadata": {"name": "fleet"}, "status": {"artifact": {"revision": revision, "digest": revision}}}


def test_dependencies_come_first() -> None:
    given = [kustomization("apps", "infra", "monitoring"), kustomization("infra"), kustomization("monitoring", "infra")]
    assert names(dependencies_first(given)) == ["infra", "monitoring", "apps"]


def test_a_circle_keeps_everybody() -> None:
    given = [kustomization("a", "b"), kustomization("b", "a"), kustomization("c")]
    assert sorted(names(dependencies_first(given))) == ["a", "b", "c"]


def test_a_dependency_elsewhere_is_no_matter_of_order() -> None:
    assert names(dependencies_first([kustomization("a", "foreign")])) == ["a"]


def test_only_another_artifact_is_a_change_of_a_source() -> None:
    assert source_changed(None, source("a"))
    assert source_changed(source("a"), source("b"))
    assert not source_changed(source("a"), source("a"))
    assert not source_changed(source("a"), None)
    assert not source_changed(source("a"), {"metadata": {"name": "fleet"}})


def test_progress_is_status_or_spec_but_not_the_inventory() -> None:
    before = kustomization("a", lastAppliedRevision="1", inventory={"entries": []})
    assert not progressed(before, kustomization("a", lastAppliedRevision="1", inventory={"entries": [1]}))
    assert progressed(before, kustomization("a", lastAppliedRevision="2"))


def test_a_configuration_changes_with_its_resource_version() -> None:
    old: Manifest = {"metadata": {"resourceVersion": "1"}}
    assert not config_changed(old, {"metadata": {"resourceVersion": "1"}})
    assert config_changed(old, {"metadata": {"resourceVersion": "2"}})
    assert not config_changed(old, None)
