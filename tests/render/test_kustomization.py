"""From files and a spec to manifests, as a whole."""

import pickle
from pathlib import Path

import pytest

from afflux.kustomize.filesystem import MemoryFileSystem
from afflux.objects.manifest import Json, Manifest
from afflux.render.errors import EncryptedSecret, RenderFailed, SubstitutionFailed, UnknownFields
from afflux.render.kustomization import Rendered, render, render_directory
from afflux.render.spec import RenderSpec

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: one\ndata:\n  a: b\n"
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
        - name: web
          image: nginx:1.27
          ports:
            - containerPort: 80
"""


def rendered(files: dict[str, str], path: str = "", **spec: Json) -> Rendered:
    return render(RenderSpec(spec), MemoryFileSystem(files), path)


def manifests(files: dict[str, str], path: str = "", **spec: Json) -> list[Manifest]:
    return [one.manifest for one in rendered(files, path, **spec).manifests]


def test_every_manifest_knows_where_it_came_from() -> None:
    files = {
        "apps/web.yaml": "# a comment\n---\n" + CONFIG + "---\n" + DEPLOYMENT,
        "apps/x/one.yml": CONFIG.replace("one", "two"),
    }
    found = rendered(files, "./apps", targetNamespace="here").manifests
    assert [(one.manifest["metadata"]["name"], one.from_where) for one in found] == [
        ("one", " (from apps/web.yaml, document 1, line 3)"),
        ("web", " (from apps/web.yaml, document 2, line 10)"),
        ("two", " (from apps/x/one.yml, document 1, line 1)"),
    ]
    assert {one.manifest["metadata"]["namespace"] for one in found} == {"here"}


def test_the_spec_shapes_what_is_built() -> None:
    [web] = manifests(
        {"web.yaml": DEPLOYMENT},
        namePrefix="a-",
        nameSuffix="-z",
        images=[{"name": "nginx", "newTag": "1.28"}],
        patches=[{"patch": "- op: add\n  path: /spec/replicas\n  value: 3\n", "target": {"kind": "Deployment"}}],
        commonMetadata={"labels": {"team": "x"}, "annotations": {"note": "y"}},
    )
    assert web["metadata"]["name"] == "a-web-z"
    assert web["metadata"]["labels"] == {"team": "x"}
    assert web["metadata"]["annotations"] == {"note": "y"}
    assert web["spec"]["replicas"] == 3
    assert web["spec"]["template"]["metadata"]["labels"] == {"app": "web"}
    [container] = web["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "nginx:1.28"
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]


def test_owner_labels_come_before_common_metadata() -> None:
    owner = {"kustomize.toolkit.fluxcd.io/name": "apps"}
    spec = RenderSpec({"commonMetadata": {"labels": {"a": "b"}}}, owner_labels=owner)
    [one] = render(spec, MemoryFileSystem({"one.yaml": CONFIG}), "").manifests
    assert one.manifest["metadata"]["labels"] == {**owner, "a": "b"}


@pytest.mark.parametrize("files", [{"apps/.gitkeep": ""}, {"apps/kustomization.yaml": "resources: []\n"}])
def test_nothing_to_apply_is_no_error(files: dict[str, str]) -> None:
    assert rendered(files, "apps").manifests == ()


def test_lists_are_opened() -> None:
    listed = "apiVersion: v1\nkind: List\nitems:\n- " + CONFIG.replace("\n", "\n  ").rstrip() + "\n"
    assert [one["metadata"]["name"] for one in manifests({"list.yaml": listed})] == ["one"]


BROKEN = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [}\n"
WRONG = "resources: []\nnamspace: x\n"
NO_OBJECT = "not a Kubernetes object; exclude the file in .sourceignore, or name what to build in a kustomization.yaml"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BROKEN, "3: did not find expected node content"),
        (f"{CONFIG}---\n{BROKEN}", f"{CONFIG.count(chr(10)) + 4}: did not find expected node content"),
        ("replicas: 3\n", f"1: {NO_OBJECT}"),
        ("- a\n", f"1: {NO_OBJECT}"),
        ("apiVersion: v1\nmetadata: {name: x}\n", "1: no kind"),
        ("apiVersion: v1\nkind: ConfigMap\n", "1: no metadata.name"),
        (
            "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: x-}\n",
            "1: no metadata.name (generateName is not enough)",
        ),
    ],
)
def test_a_file_that_can_not_be_read_is_named_once_with_line_and_problem(text: str, problem: str) -> None:
    with pytest.raises(RenderFailed) as failed:
        rendered({"apps/one.yaml": text}, "apps")
    assert failed.value.message == f"failed to decode Kubernetes YAML from apps/one.yaml:{problem}"


def test_a_file_that_a_kustomization_names_is_named_with_it() -> None:
    with pytest.raises(RenderFailed) as failed:
        rendered({"kustomization.yaml": "resources: [one.yaml]\n", "one.yaml": BROKEN})
    where = "one.yaml:3: did not find expected node content (in kustomization.yaml: resources[0])"
    assert failed.value.message == f"kustomize build failed: {where}"


def test_a_kustomization_that_is_wrong_is_named_as_the_repository_has_it() -> None:
    with pytest.raises(RenderFailed, match=r'unknown field "namspace" \(apps/kustomization.yaml:2, namspace\)$'):
        render(RenderSpec({}, strict_fields=True), MemoryFileSystem({"apps/kustomization.yaml": WRONG}), "apps")
    with pytest.raises(RenderFailed, match=r" \(in apps/kustomization.yaml: resources\[0\]\)$"):
        rendered({"apps/kustomization.yaml": "resources: [gone.yaml]\n"}, "apps")


def test_a_kustomization_that_was_generated_is_never_named() -> None:
    with pytest.raises(RenderFailed, match="may not add resource with an already registered id") as failed:
        rendered({"one.yaml": CONFIG, "two.yaml": CONFIG})
    assert "kustomization.yaml" not in failed.value.message


def test_a_resource_that_is_missing_is_named() -> None:
    with pytest.raises(RenderFailed, match=r"kustomize build failed: .*gone\.yaml"):
        rendered({"kustomization.yaml": "resources: [gone.yaml]\n"})


def test_variables_are_substituted_after_the_build() -> None:
    files = {"one.yaml": CONFIG.replace("a: b", "a: ${A}\n  n: '${N}'\n  d: ${D:=fallback}\n  shell: $${HOME}")}
    spec = RenderSpec({"postBuild": {"substitute": {"A": "inline\n"}}}, variables={"A": "from config", "N": "5"})
    [one] = render(spec, MemoryFileSystem(files), "").manifests
    assert one.manifest["data"] == {"a": "inline", "n": 5, "d": "fallback", "shell": "${HOME}"}


def test_a_variable_that_is_not_set_is_named() -> None:
    files = {"one.yaml": CONFIG.replace("a: b", "a: ${A}")}
    with pytest.raises(SubstitutionFailed) as failed:
        rendered(files, postBuild={"substitute": {"B": "x"}})
    assert failed.value.message == (
        "post build failed for 'ConfigMap.v1.[noGrp]/one': envsubst error: variable substitution failed: "
        'variable not set (strict mode): "A" (from one.yaml, document 1, line 1)'
    )


def test_without_variables_nothing_is_substituted() -> None:
    files = {"one.yaml": CONFIG.replace("a: b", "a: ${A} $$")}
    assert manifests(files, postBuild={"substitute": {}})[0]["data"] == {"a": "${A} $$"}
    always = {"substituteStrategy": "Always"}
    with pytest.raises(SubstitutionFailed):
        rendered(files, postBuild=always)


@pytest.mark.parametrize("where", ["labels", "annotations"])
def test_an_object_that_opts_out_is_not_substituted(where: str) -> None:
    opt_out = f"  {where}: {{kustomize.toolkit.fluxcd.io/substitute: disabled}}\n"
    text = CONFIG.replace("a: b", "a: ${A}").replace("  name: one\n", "  name: one\n" + opt_out)
    assert manifests({"one.yaml": text}, postBuild={"substitute": {"B": "x"}})[0]["data"] == {"a": "${A}"}


def test_a_bad_name_of_a_variable_is_refused_even_unused() -> None:
    with pytest.raises(SubstitutionFailed, match="'9lives' var name is invalid"):
        rendered({"one.yaml": CONFIG}, postBuild={"substitute": {"9lives": "x"}})


def test_no_value_of_a_variable_is_shown() -> None:
    spec = RenderSpec({}, variables={"PASSWORD": "hunter2"})
    assert "hunter2" not in repr(spec)


def test_an_unknown_field_is_a_warning_or_with_strict_fields_an_error() -> None:
    files = {"web.yaml": CONFIG + "---\n" + DEPLOYMENT + "          imagePullPolice: Always\n"}
    complaint = (
        'web.yaml:24: unknown field "spec.template.spec.containers[0].imagePullPolice"'
        " in Deployment/web (document 2, line 24)"
    )
    found = rendered(files)
    assert found.warnings == (complaint,)
    assert "imagePullPolice" not in str(found.manifests[1].manifest)
    with pytest.raises(UnknownFields) as refused:
        render(RenderSpec({}, strict_fields=True), MemoryFileSystem(files), "")
    assert refused.value.message == complaint


def test_fields_of_a_definition_in_the_same_build_are_checked() -> None:
    definition = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  names: {kind: Widget, plural: widgets}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer}}}
"""
    widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: one}\nspec:\n  sise: 3\n"
    [warning] = rendered({"crd.yaml": definition, "one.yaml": widget}).warnings
    assert warning == 'one.yaml:5: unknown field "spec.sise" in Widget/one (document 1, line 5)'


def test_fields_of_fluxs_own_kinds_are_checked() -> None:
    text = (
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps}\n"
        "spec:\n  interval: 10m\n  prune: true\n  pruning: true\n  sourceRef: {kind: GitRepository, name: fleet}\n"
    )
    [warning] = rendered({"apps.yaml": text}).warnings
    assert warning == 'apps.yaml:7: unknown field "spec.pruning" in Kustomization/apps (document 1, line 7)'


def test_an_encrypted_secret_is_refused() -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: n}\ndata: {a: 'ENC[x]'}\nsops: {mac: x}\n"
    with pytest.raises(EncryptedSecret, match="Secret/n/s is SOPS encrypted, configuring decryption is required"):
        rendered({"secret.yaml": secret})


def test_the_digest_is_that_of_what_was_built() -> None:
    one, again = rendered({"one.yaml": CONFIG}), rendered({"renamed.yaml": "# moved\n" + CONFIG})
    assert one.digest == again.digest
    assert one.digest.startswith("sha256:")
    assert rendered({"one.yaml": CONFIG.replace("b", "c")}).digest != one.digest


def test_a_worker_renders_a_directory_and_skips_what_it_has_seen(tmp_path: Path) -> None:
    (tmp_path / "apps").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "apps" / "one.yaml").write_text(CONFIG)
    spec = pickle.loads(pickle.dumps(RenderSpec({})))
    first = pickle.loads(pickle.dumps(render_directory(str(tmp_path), "./apps", spec)))
    assert [one.manifest["metadata"]["name"] for one in first.manifests] == ["one"]
    (tmp_path / "other" / "x.yaml").write_text(CONFIG)
    assert render_directory(str(tmp_path), "./apps", spec, first.inputs) is None
    (tmp_path / "apps" / "two.yaml").write_text(CONFIG.replace("one", "two"))
    second = render_directory(str(tmp_path), "./apps", spec, first.inputs)
    assert second is not None and len(second.manifests) == 2
    (tmp_path / "apps" / "two.yaml").write_text(CONFIG.replace("one", "three"))
    assert render_directory(str(tmp_path), "./apps", spec, second.inputs) is not None


def test_nothing_outside_the_root_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text(CONFIG)
    root = tmp_path / "root"
    root.mkdir()
    (root / "kustomization.yaml").write_text("resources: [../secret.yaml]\n")
    with pytest.raises(RenderFailed):
        render_directory(str(root), "", RenderSpec({}))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 5}\n", "metadata.name is not a string: quote it"),
        ("kind: ConfigMap\nmetadata: {name: a}\n", "no apiVersion"),
    ],
)
def test_an_object_without_identity_is_named(text: str, problem: str) -> None:
    with pytest.raises(RenderFailed) as refused:
        rendered({"one.yaml": text})
    assert refused.value.message == (
        f"failed to decode Kubernetes apiVersion, kind and name (from one.yaml, document 1, line 1): {problem}"
    )


def test_a_malformed_definition_declares_nothing() -> None:
    crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a}\n"
    assert rendered({"crd.yaml": crd + "spec: {versions: [5], names: 3}\n"}).manifests
