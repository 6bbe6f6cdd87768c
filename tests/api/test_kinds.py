"""Decoding Flux's kinds."""

import copy

import pytest

from afflux.api.git_repository import GitRepository
from afflux.api.kinds import GIT_REPOSITORY, KINDS, KUSTOMIZATION, InvalidObject, decode, decode_as, kind_of
from afflux.api.kustomization import Kustomization
from afflux.objects.manifest import Json, Manifest

SOURCE: Manifest = {
    "apiVersion": "source.toolkit.fluxcd.io/v1",
    "kind": "GitRepository",
    "metadata": {"name": "app", "namespace": "flux-system", "generation": 2, "managedFields": []},
    "spec": {"url": "https://example.com/app.git", "interval": "1m30s", "ref": {"branch": "main"}},
}
APPLIER: Manifest = {
    "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
    "kind": "Kustomization",
    "metadata": {"name": "app", "namespace": "flux-system"},
    "spec": {
        "interval": "10m",
        "prune": True,
        "sourceRef": {"kind": "GitRepository", "name": "app"},
        "patchesJson6902": [{"patch": [{"op": "add", "path": "/a", "from": "/b"}], "target": {"kind": "Secret"}}],
        "postBuild": {"substituteFrom": [{"kind": "ConfigMap", "name": "vars", "optional": True}]},
    },
    "status": {
        "inventory": {"entries": [{"id": "a_b__ConfigMap", "v": "v1"}]},
        "history": [
            {
                "digest": "sha256:ab",
                "firstReconciled": "2026-01-02T15:04:05Z",
                "lastReconciled": "2026-01-02T15:04:05Z",
                "lastReconciledDuration": "1.2s",
                "lastReconciledStatus": "ReconciliationSucceeded",
                "totalReconciliations": 3,
                "metadata": {"revision": "main@sha1:ab"},
            }
        ],
    },
}


def _with(manifest: Manifest, path: str, value: Json) -> Manifest:
    changed = copy.deepcopy(manifest)
    *parents, last = path.split(".")
    node = changed
    for parent in parents:
        node = node.setdefault(parent, {})
    node[last] = value
    return changed


def test_a_git_repository_is_decoded_with_its_defaults() -> None:
    source = decode_as(GitRepository, SOURCE)
    assert (source.metadata.generation, source.spec.timeout, source.spec.provider) == (2, "60s", "generic")
    assert (source.spec.interval_seconds, source.spec.timeout_seconds) == (90.0, 60.0)
    assert source.spec.ref is not None and source.spec.ref.branch == "main"
    assert source.status.artifact is None


def test_a_kustomization_is_decoded_with_its_status() -> None:
    applier = decode_as(Kustomization, APPLIER)
    assert applier.status.inventory is not None
    assert applier.status.inventory.entries[0].id == "a_b__ConfigMap"
    assert applier.status.history[0].total_reconciliations == 3
    assert applier.spec.patches_json6902[0].patch[0].from_ == "/b"
    assert applier.spec.deletion_policy == "MirrorPrune"


@pytest.mark.parametrize(
    ("interval", "timeout", "seconds"),
    [("10m", None, 570.0), ("40s", None, 30.0), ("10m", "5s", 30.0), ("10m", "2m", 120.0)],
)
def test_a_timeout_is_thirty_seconds_short_of_the_interval_and_never_below_thirty(
    interval: str, timeout: str | None, seconds: float
) -> None:
    changed = _with(APPLIER, "spec.interval", interval)
    if timeout is not None:
        changed = _with(changed, "spec.timeout", timeout)
    assert decode_as(Kustomization, changed).spec.timeout_seconds == seconds


def test_a_retry_comes_after_the_interval_unless_said_otherwise() -> None:
    assert decode_as(Kustomization, APPLIER).spec.retry_seconds == 600.0
    assert decode_as(Kustomization, _with(APPLIER, "spec.retryInterval", "15s")).spec.retry_seconds == 15.0


@pytest.mark.parametrize(
    ("path", "value", "field", "message"),
    [
        ("spec.interval", "soon", "spec.interval", "Expected `str` matching regex"),
        ("spec.interval", "9999999999999h", "spec", 'interval: time: invalid duration "9999999999999h"'),
        ("spec.timeout", "1h", "spec.timeout", "Expected `str` matching regex"),
        ("spec.url", "git@example.com:app", "spec.url", "Expected `str` matching regex"),
        ("spec.provider", "gitlab", "spec.provider", "Invalid enum value 'gitlab'"),
        ("spec.include", [{}], "spec.include[0].repository", "Required value"),
        ("spec.suspend", "yes", "spec.suspend", "Expected `bool`, got `str`"),
        ("spec", {"interval": "1m"}, "spec.url", "Required value"),
        ("spec", None, "spec", "Expected `object`, got `null`"),
    ],
)
def test_a_wrong_field_is_named(path: str, value: Json, field: str, message: str) -> None:
    with pytest.raises(InvalidObject) as caught:
        decode(GIT_REPOSITORY, _with(SOURCE, path, value))
    assert caught.value.field == field
    assert message in caught.value.message
    assert str(caught.value).startswith(f"{field}: ")


def test_unknown_fields_are_left_out() -> None:
    assert decode(GIT_REPOSITORY, _with(SOURCE, "spec.colour", "red")) == decode(GIT_REPOSITORY, SOURCE)


def test_kinds_are_found_by_group_and_kind() -> None:
    assert kind_of("kustomize.toolkit.fluxcd.io", "Kustomization") is KUSTOMIZATION
    assert kind_of("kustomize.config.k8s.io", "Kustomization") is None
    assert len({kind.gvk for kind in KINDS}) == len(KINDS)
