"""What a build says about a Secret that went wrong: never its values, which upstream's messages repeat."""

import pytest

from afflux.kustomize import build
from afflux.kustomize.errors import KustomizeError
from afflux.kustomize.filesystem import MemoryFileSystem

_HEADER = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
_SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\n"
_PATCHED = _HEADER + "resources: [secret.yaml]\npatches:\n- target: {kind: Secret}\n  patch: '%s'\n"


@pytest.mark.parametrize(
    "kustomization",
    [
        _HEADER + "secretGenerator:\n- name: s\n  literals: [hunter2]\n",
        _PATCHED % '[{"op":"test","path":"/stringData/password","value":"hunter2"},{"op":"remove","path":"/no"}]',
        _PATCHED % '[{"op":"add","value":"hunter2","path":"/no/such/place"}]',
        _PATCHED % '{"stringData":{"password":"hunter2"},"metadata":[]}',
    ],
)
def test_a_message_about_a_secret_holds_no_value(kustomization: str) -> None:
    files = MemoryFileSystem({"/kustomization.yaml": kustomization, "/secret.yaml": _SECRET})
    with pytest.raises(KustomizeError) as failure:
        build(files, "/")
    assert "hunter2" not in str(failure.value)


@pytest.mark.parametrize(
    "value", ["*hunter2", "@hunter2", "hunter2: x", '"hunter2', "!hunter2 [", "{hunter2", "%hunter2"]
)
def test_a_password_that_is_no_yaml_is_not_repeated(value: str) -> None:
    secret = _SECRET.replace("stringData: {password: hunter2}", f"stringData:\n  password: {value}")
    files = MemoryFileSystem({"/kustomization.yaml": _HEADER + "resources: [secret.yaml]\n", "/secret.yaml": secret})
    with pytest.raises(KustomizeError) as failure:
        build(files, "/")
    assert "hunter2" not in str(failure.value)
