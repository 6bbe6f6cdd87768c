"""JSONPath as printer columns write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.lang.json_path import InvalidJsonPath, compile_path
from afflux.objects.manifest import Json

OBJECT = {
    "metadata": {"name": "a", "annotations": {"example.com/x": "1"}, "labels": {"app": "nginx"}},
    "spec": {
        "replicas": 3,
        "nothing": None,
        "containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y", "ports": [{"port": 80}]}],
    },
    "status": {"conditions": [{"type": "Stalled", "status": "False"}, {"type": "Ready", "status": "True"}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".metadata.name", ["a"]),
        ("{.metadata.name}", ["a"]),
        ("$.metadata.name", ["a"]),
        ("metadata.name", ["a"]),
        (".spec.replicas", [3]),
        (".spec.nothing", [None]),
        (".spec.missing.deeper", []),
        (r".metadata.annotations.example\.com/x", ["1"]),
        (".metadata.annotations['example.com/x']", ["1"]),
        ('.metadata.annotations["example.com/x"]', ["1"]),
        (".metadata['name','missing']", ["a"]),
        (".spec.containers[0].name", ["a"]),
        (".spec.containers[-1].name", ["b"]),
        (".spec.containers[7].name", []),
        (".spec.containers[0,1].name", ["a", "b"]),
        (".spec.containers[*].image", ["x", "y"]),
        (".spec.containers.*.image", ["x", "y"]),
        (".spec.containers[0:1].name", ["a"]),
        (".spec.containers[:].name", ["a", "b"]),
        (".metadata.labels.*", ["nginx"]),
        ("..port", [80]),
        ("..name", ["a", "a", "b"]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type == 'Ready')].status", ["True"]),
        (".status.conditions[?(@.type!='Ready')].status", ["False"]),
        (".spec.containers[?(@.ports)].name", ["b"]),
        (".spec.containers[?(@.ports[0].port>=80)].name", ["b"]),
        (".spec.containers[?(@.name>3)].name", []),
        (".", [OBJECT]),
        ("", [OBJECT]),
    ],
)
def test_a_path_finds(path: str, found: list[Json]) -> None:
    assert compile_path(path)(OBJECT) == found


@pytest.mark.parametrize(
    "path",
    [".a[", ".a[x]", ".a['b", ".a[?(@.b==)]", ".a[?(@.b=='c'].d", ".a]", "..", ".a[1:2:3:4]", ".a b", ".a" * 3_000],
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidJsonPath, match="JSONPath"):
        compile_path(path)


@given(st.text(alphabet=".[]'\"?@()=<>*:,$ab1-\\ {}", max_size=30))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        assert isinstance(compile_path(text)({"a": [1, {"b": 2}], "b": "ab"}), list)
    except InvalidJsonPath as error:
        assert "JSONPath" in str(error)
