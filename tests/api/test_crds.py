"""The generated CRDs against Flux 2.9's: the same, but for what Afflux adds."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from afflux.api.crds import crd
from afflux.api.kinds import KINDS, FluxKind
from afflux.objects.manifest import Json

ROOT = Path(__file__).parents[2]
FLUX = json.loads((Path(__file__).parent / "flux_crd_facts.json").read_text())

ADDED_FIELDS = {
    "GitRepository": {
        ".spec.accessFrom",
        ".spec.accessFrom.namespaceSelectors",
        ".spec.accessFrom.namespaceSelectors[]",
        ".spec.gitImplementation",
    },
    "Kustomization": {
        ".spec.patchesJson6902",
        ".spec.patchesJson6902[]",
        ".spec.patchesJson6902[].patch",
        ".spec.patchesJson6902[].patch[]",
        ".spec.patchesJson6902[].patch[].from",
        ".spec.patchesJson6902[].patch[].op",
        ".spec.patchesJson6902[].patch[].path",
        ".spec.patchesJson6902[].patch[].value",
        ".spec.patchesJson6902[].target",
        ".spec.patchesJson6902[].target.annotationSelector",
        ".spec.patchesJson6902[].target.group",
        ".spec.patchesJson6902[].target.kind",
        ".spec.patchesJson6902[].target.labelSelector",
        ".spec.patchesJson6902[].target.name",
        ".spec.patchesJson6902[].target.namespace",
        ".spec.patchesJson6902[].target.version",
        ".spec.patchesStrategicMerge",
        ".spec.patchesStrategicMerge[]",
        ".spec.validation",
    },
}
"""Fields of the versions before v1, declared in every version because conversion does nothing."""

ADDED_VERSIONS = ["v1beta1", "v1beta2"]


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("crd_facts", ROOT / "tools/crd_facts.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _facts(flux_kind: FluxKind) -> tuple[Json, Json]:
    """Our facts and Flux's."""
    ours = _tool().crd_facts(crd(flux_kind))
    return ours, FLUX[f"{flux_kind.plural}.{flux_kind.group}"]


def every_kind(test: Json) -> Json:
    return pytest.mark.parametrize("flux_kind", KINDS, ids=lambda kind: kind.kind)(test)


@every_kind
def test_names_scope_and_annotations_are_fluxs(flux_kind: FluxKind) -> None:
    ours, flux = _facts(flux_kind)
    assert {key: value for key, value in ours.items() if key != "versions"} == {
        key: value for key, value in flux.items() if key != "versions"
    }


@every_kind
def test_columns_and_subresources_of_v1_are_fluxs(flux_kind: FluxKind) -> None:
    ours, flux = _facts(flux_kind)
    assert {key: value for key, value in ours["versions"]["v1"].items() if key != "fields"} == {
        key: value for key, value in flux["versions"]["v1"].items() if key != "fields"
    }


@every_kind
def test_the_fields_of_v1_are_fluxs_and_our_additions(flux_kind: FluxKind) -> None:
    ours, flux = (facts["versions"]["v1"]["fields"] for facts in _facts(flux_kind))
    assert ours.keys() - flux.keys() == ADDED_FIELDS[flux_kind.kind]
    assert {path: ours.get(path) for path in flux} == flux


@every_kind
def test_older_versions_are_accepted_with_the_same_schema(flux_kind: FluxKind) -> None:
    versions = crd(flux_kind)["spec"]["versions"]
    assert sorted(version["name"] for version in versions[1:]) == ADDED_VERSIONS
    assert all(version["served"] and version["deprecated"] and not version["storage"] for version in versions[1:])
    assert all(version["schema"] == versions[0]["schema"] for version in versions)


@every_kind
def test_a_generated_crd_is_plain_json(flux_kind: FluxKind) -> None:
    generated = crd(flux_kind)
    assert json.loads(json.dumps(generated)) == generated
