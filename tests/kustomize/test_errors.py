"""What a failing build says: kustomize's words, and where."""

from collections.abc import Mapping

import pytest

from afflux.kustomize import KustomizeError, MemoryFileSystem, build
from afflux.kustomize.errors import InvalidKustomization, Refused, RemoteResourceNeeded

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\n"


def failure(files: Mapping[str, str], directory: str = "/") -> KustomizeError:
    """The error that a build ends with."""
    with pytest.raises(KustomizeError) as caught:
        build(MemoryFileSystem(files), directory)
    return caught.value


def test_all_problems_of_a_kustomization_are_told_with_their_lines() -> None:
    text = "namePrefix: 1\nfoo: 2\nresources:\n- 3\npatches:\n- target: {kind: X, bar: 1}\n"
    error = failure({"kustomization.yaml": text})
    assert isinstance(error, InvalidKustomization)
    for part in (
        "cannot unmarshal number",
        "(/kustomization.yaml:1, namePrefix)",
        'unknown field "foo" (/kustomization.yaml:2, foo)',
        "(/kustomization.yaml:4, resources[0])",
        'unknown field "bar" (/kustomization.yaml:6, patches[0].target.bar)',
    ):
        assert part in str(error)
    assert (error.place.kustomization, error.place.entry, error.place.line) == ("/kustomization.yaml", "namePrefix", 1)


def test_invalid_yaml_of_a_resource_names_entry_file_and_line() -> None:
    error = failure({"kustomization.yaml": "resources: [a.yaml]", "a.yaml": CONFIG_MAP.format("a") + "data:\n\tx: y\n"})
    assert "MalformedYAMLError" in str(error) and "a.yaml" in str(error) and "resources[0]" in str(error)
    assert (error.place.file, error.place.line) == ("/a.yaml", 6)


def test_a_duplicate_names_both_places() -> None:
    twice = CONFIG_MAP.format("a") + "---\n" + CONFIG_MAP.format("a")
    error = failure({"kustomization.yaml": "resources: [a.yaml]", "a.yaml": twice})
    assert "may not add resource with an already registered id: ConfigMap.v1.[noGrp]/a.[noNs]" in str(error)
    assert "/a.yaml:1 and /a.yaml:6" in str(error)


def test_a_cycle_is_shown_as_a_road() -> None:
    error = failure({"a/kustomization.yaml": "resources: [../b]", "b/kustomization.yaml": "resources: [../a]"}, "/a")
    assert "cycle detected" in str(error) and "/a -> /b -> /a" in str(error)


def test_a_patch_without_its_target_says_where_it_was_written() -> None:
    files = {"kustomization.yaml": "patches: [{path: p.yaml}]", "p.yaml": "# patch\n" + CONFIG_MAP.format("gone")}
    error = failure(files)
    assert "no matches for Id ConfigMap.v1.[noGrp]/gone.[noNs]" in str(error)
    assert "(/p.yaml:2)" in str(error) and "patches[0]" in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "generators:\n- |-\n  apiVersion: x/v1\n  kind: Y\n  metadata: {name: y}\n",
        "transformers:\n- |-\n  apiVersion: builtin\n  kind: HelmChartInflationGenerator\n  metadata: {name: y}\n",
        "helmCharts: [{name: x}]",
    ],
)
def test_what_would_run_a_program_is_refused_with_a_reason(text: str) -> None:
    error = failure({"kustomization.yaml": text})
    assert isinstance(error, Refused)
    assert "never" in str(error)


@pytest.mark.parametrize(
    "path", ["https://example.com/a.yaml", "github.com/org/repo//path?ref=v1", "git@host:org/repo.git"]
)
def test_remote_resources_are_asked_for_not_fetched(path: str) -> None:
    error = failure({"kustomization.yaml": f"resources: ['{path}']"})
    assert isinstance(error, RemoteResourceNeeded)
    assert error.request == path


def test_no_secret_is_shown() -> None:
    secret = "hunter2"
    for text in (
        f"secretGenerator: [{{name: s, literals: ['{secret}']}}]",
        f"secretGenerator: [{{name: s, literals: ['a={secret}', 'a={secret}']}}]",
        f"patches: [{{target: {{kind: X}}, patch: 'not a patch: [ {' ' * 60}{secret}'}}]",
    ):
        assert secret not in str(failure({"kustomization.yaml": text}))


def test_the_contents_of_a_secret_are_not_shown_when_a_patch_does_not_fit() -> None:
    files = {
        "kustomization.yaml": "resources: [s.yaml]\npatches: [{path: p.yaml}]",
        "s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: aHVudGVyMg==}\n",
        "p.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: [x]\n",
    }
    error = failure(files)
    assert "wrong node kind" in str(error) and "aHVudGVyMg" not in str(error)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(8)
)


@pytest.mark.parametrize(
    ("name", "files", "directory"),
    [
        ("aliases", {"kustomization.yaml": "resources: [a.yaml]", "a.yaml": CONFIG_MAP.format("a") + BOMB}, "/"),
        ("depth", {"kustomization.yaml": "resources: [a.yaml]", "a.yaml": "x: " + "[" * 50_000}, "/"),
        ("a chain", {f"l{i}/kustomization.yaml": f"resources: [../l{i + 1}]" for i in range(200)}, "/l0"),
        (
            "doubling",
            {
                f"{side}{i}/kustomization.yaml": f"resources: [../a{i + 1}, ../b{i + 1}]\nnamePrefix: {side}-"
                for i in range(30)
                for side in "ab"
            }
            | {f"{side}30/kustomization.yaml": "resources: []" for side in "ab"},
            "/a0",
        ),
    ],
)
def test_hostile_inputs_end_soon(name: str, files: Mapping[str, str], directory: str) -> None:
    assert len(str(failure(files, directory))) < 100_000
