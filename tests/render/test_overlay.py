"""The kustomization.yaml that is built, against Flux's generator."""

import pytest

from afflux.kustomize.filesystem import MemoryFileSystem
from afflux.lang import yaml
from afflux.objects.manifest import Json, Manifest
from afflux.render.errors import PathNotFound, RenderFailed
from afflux.render.overlay import overlay
from afflux.render.spec import RenderSpec

OWN = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"


def built(files: dict[str, str], path: str = "", **spec: Json) -> Manifest:
    over = overlay(RenderSpec(spec), MemoryFileSystem(files), path)
    document = yaml.load(over.content)
    assert document.pop("apiVersion") == "kustomize.config.k8s.io/v1beta1"
    assert document.pop("kind") == "Kustomization"
    return document


def test_a_directory_without_a_kustomization_lists_its_files_in_lexical_order() -> None:
    files = {"b.yaml": "", "a.yml": "", "c.json": "", "sub/d.yaml": "", "README.md": ""}
    assert built(files) == {"resources": ["./a.yml", "./b.yaml", "./sub/d.yaml"]}


def test_a_directory_with_a_kustomization_of_its_own_is_a_resource_and_not_entered() -> None:
    files = {"a.yaml": "", "nested/kustomization.yml": "", "nested/x.yaml": "", "nested/deep/y.yaml": ""}
    assert built(files) == {"resources": ["./a.yaml", "./nested"]}


def test_only_what_is_below_the_path_counts() -> None:
    assert built({"apps/a.yaml": "", "infra/b.yaml": ""}, "./apps") == {"resources": ["./a.yaml"]}


def test_a_directory_of_nothing_gets_a_placeholder() -> None:
    assert built({"apps/.gitkeep": ""}, "apps") == {"namespace": "_placeholder"}


def test_an_own_kustomization_without_resources_stays_legal() -> None:
    assert built({"kustomization.yaml": OWN + "resources: []\n"}) == {
        "resources": [],
        "buildMetadata": ["originAnnotations"],
    }


def test_an_empty_kustomization_file_is_one() -> None:
    assert built({"kustomization.yaml": "", "a.yaml": ""}) == {"buildMetadata": ["originAnnotations"]}


def test_a_path_that_does_not_exist_is_named() -> None:
    with pytest.raises(PathNotFound, match="kustomization path not found: stat /nowhere: no such file or directory"):
        built({"a.yaml": ""}, "./nowhere")


def test_the_spec_overwrites_and_appends() -> None:
    own = OWN + "namespace: old\nnamePrefix: old-\nresources: [a.yaml]\npatches: [{path: p.yaml}]\ncomponents: [one]\n"
    patch = {"patch": "- op: remove\n  path: /x\n", "target": {"kind": "Deployment"}}
    document = built(
        {"kustomization.yaml": own, "one/kustomization.yaml": "", "two/kustomization.yaml": ""},
        targetNamespace="new",
        namePrefix="new-",
        nameSuffix="-x",
        patches=[patch],
        components=["two"],
        buildMetadata=["originAnnotations"],
    )
    assert document == {
        "namespace": "new",
        "namePrefix": "new-",
        "nameSuffix": "-x",
        "resources": ["a.yaml"],
        "patches": [{"path": "p.yaml"}, patch],
        "components": ["one", "two"],
        "buildMetadata": ["originAnnotations"],
    }


def test_missing_components_are_dropped_where_the_spec_says_so() -> None:
    files = {"a/kustomization.yaml": OWN + "resources: [x.yaml]\n", "a/x.yaml": "", "shared/kustomization.yaml": ""}
    wanted = ["../shared", "../gone"]
    assert built(files, "a", components=wanted, ignoreMissingComponents=True)["components"] == ["../shared"]
    assert built(files, "a", components=wanted)["components"] == wanted


@pytest.mark.parametrize("component", ["https://example.com/x", "github.com/a/b", "/absolute", "git@host:a/b"])
def test_components_must_be_local_and_relative(component: str) -> None:
    with pytest.raises(RenderFailed, match="must be local and relative"):
        built({"a.yaml": ""}, components=[component])


@pytest.mark.parametrize(
    ("own", "ours", "merged"),
    [
        ({"newTag": "1"}, {"newName": "b"}, {"newTag": "1", "newName": "b"}),
        ({"digest": "sha256:a"}, {"newTag": "2"}, {"newTag": "2"}),
        ({"newTag": "1", "newName": "b"}, {"digest": "sha256:a"}, {"newName": "b", "digest": "sha256:a"}),
        ({"newTag": "1"}, {"newTag": "2"}, {"newTag": "2"}),
    ],
)
def test_images_of_a_name_are_merged(own: dict[str, str], ours: dict[str, str], merged: dict[str, str]) -> None:
    text = OWN + yaml.dump({"resources": ["a.yaml"], "images": [{"name": "nginx", **own}, {"name": "other"}]})
    document = built({"kustomization.yaml": text}, images=[{"name": "nginx", **ours}])
    assert document["images"] == [{"name": "nginx", **merged}, {"name": "other"}]


def test_a_kustomization_that_is_no_yaml_is_named_with_its_line() -> None:
    with pytest.raises(RenderFailed, match=r"^kustomization\.yaml:3: "):
        built({"kustomization.yaml": OWN + "resources: {a: [}\n"})


def test_an_own_file_that_needs_no_change_is_built_as_it_is_written() -> None:
    text = OWN + "# a comment\nresources: [a.yaml]\n"
    over = overlay(RenderSpec({}), MemoryFileSystem({"kustomization.yaml": text, "a.yaml": ""}), "")
    assert over.content == text.encode()


def test_an_unknown_field_is_dropped_with_a_warning_or_refused() -> None:
    files = MemoryFileSystem({"apps/kustomization.yaml": OWN + "resources: [a.yaml]\nresourcez: [b.yaml]\n"})
    over = overlay(RenderSpec({}), files, "apps")
    assert over.warnings == ('apps/kustomization.yaml:4: unknown field "resourcez"',)
    assert "resourcez" not in yaml.load(over.content)
    with pytest.raises(RenderFailed, match=r'unknown field "resourcez" \(apps/kustomization\.yaml:4'):
        overlay(RenderSpec({"targetNamespace": "x"}, strict_fields=True), files, "apps")
