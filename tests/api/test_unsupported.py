"""What Afflux does not do yet is named."""

import pytest

from afflux.api.git_repository import GitRepository
from afflux.api.kinds import decode_as
from afflux.api.kustomization import Kustomization
from afflux.api.unsupported import obsolete_fields, unsupported_fields, unsupported_message
from afflux.objects.manifest import Json


def _source(**spec: Json) -> GitRepository:
    return decode_as(GitRepository, {"spec": {"url": "https://x/y", "interval": "1m", **spec}})


def _applier(**spec: Json) -> Kustomization:
    source = {"kind": "GitRepository", "name": "a"}
    return decode_as(Kustomization, {"spec": {"interval": "1m", "prune": True, "sourceRef": source, **spec}})


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"secretRef": {"name": "a"}, "ignore": "*.md", "suspend": True, "timeout": "5s"}, []),
        ({"ref": {"branch": "main", "tag": "v1", "commit": "ab", "name": "refs/heads/x"}}, []),
        ({"ref": {"semver": ">=1.0.0"}}, ["spec.ref.semver"]),
        ({"ref": {"semver": ">=1.0.0", "tag": "v1"}}, []),
        ({"url": "ssh://git@x/y"}, ["spec.url (ssh)"]),
        ({"provider": "generic", "recurseSubmodules": False, "include": [], "sparseCheckout": []}, []),
        ({"provider": "github"}, ["spec.provider (github)"]),
        ({"verify": {"secretRef": {"name": "a"}}}, ["spec.verify"]),
        ({"proxySecretRef": {"name": "a"}}, ["spec.proxySecretRef"]),
        ({"recurseSubmodules": True}, ["spec.recurseSubmodules"]),
        ({"include": [{"repository": {"name": "a"}}]}, ["spec.include"]),
        ({"sparseCheckout": ["a"]}, ["spec.sparseCheckout"]),
        ({"gitImplementation": "libgit2"}, []),
    ],
)
def test_fields_of_a_git_repository(spec: Json, named: list[str]) -> None:
    assert unsupported_fields(_source(**spec)) == named


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"wait": True, "force": True, "components": ["a"], "postBuild": {"substituteStrategy": "Always"}}, []),
        ({"sourceRef": {"kind": "Bucket", "name": "a"}}, ["spec.sourceRef.kind (Bucket)"]),
        ({"decryption": {"provider": "sops"}}, ["spec.decryption"]),
        ({"serviceAccountName": "a"}, ["spec.serviceAccountName"]),
        ({"kubeConfig": {"secretRef": {"name": "a"}}}, ["spec.kubeConfig"]),
        ({"ignore": [{"paths": ["/spec/replicas"]}]}, ["spec.ignore"]),
        ({"buildMetadata": ["originAnnotations"]}, ["spec.buildMetadata"]),
        ({"validation": "client"}, []),
    ],
)
def test_fields_of_a_kustomization(spec: Json, named: list[str]) -> None:
    assert unsupported_fields(_applier(**spec)) == named


def test_fields_of_old_versions_without_effect_are_obsolete() -> None:
    assert obsolete_fields(_applier()) == []
    assert obsolete_fields(_applier(validation="client")) == ["spec.validation"]
    old = _source(gitImplementation="libgit2", accessFrom={"namespaceSelectors": []})
    assert obsolete_fields(old) == ["spec.gitImplementation", "spec.accessFrom"]


def test_the_message_names_the_fields() -> None:
    assert unsupported_message(_applier()) is None
    message = unsupported_message(_applier(decryption={"provider": "sops"}))
    assert message == "spec.decryption is not supported by Afflux yet"
    both = unsupported_message(_applier(decryption={"provider": "sops"}, serviceAccountName="a"))
    assert both == "spec.decryption, spec.serviceAccountName are not supported by Afflux yet"
