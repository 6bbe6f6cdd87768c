"""Whose objects and whose fields."""

from afflux.apply.ownership import Owner, predecessors, takeover_patch
from afflux.objects.manifest import Json, Manifest

MANAGER = "kustomize-controller"
OWNER = Owner(MANAGER, "kustomize.toolkit.fluxcd.io", "apps", "flux-system")


def entry(manager: str, operation: str, *fields: str, subresource: str = "") -> dict[str, Json]:
    written = {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1"}
    more = {"subresource": subresource} if subresource else {}
    return {**written, **more, "fieldsV1": {"f:data": {f"f:{field}": {} for field in fields}}}


def config(*entries: Manifest, **annotations: str) -> Manifest:
    metadata: Manifest = {"name": "c", "namespace": "n", "resourceVersion": "9", "managedFields": list(entries)}
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def patch_for(live: Manifest, desired: Manifest | None = None) -> list[dict[str, Json]]:
    return takeover_patch(desired or config(), live, MANAGER, predecessors(MANAGER))


def managers_after(patch: list[dict[str, Json]]) -> list[tuple[str, str, list[str]]]:
    value = next(operation["value"] for operation in patch if operation["path"] == "/metadata/managedFields")
    return [(one["manager"], one["operation"], sorted(one["fieldsV1"]["f:data"])) for one in value]


def test_an_owner_knows_its_objects_by_both_labels() -> None:
    labels = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
    assert OWNER.labels == labels
    assert OWNER.owns({"metadata": {"labels": labels}})
    assert not OWNER.owns({"metadata": {"labels": {**labels, "kustomize.toolkit.fluxcd.io/name": "other"}}})


def test_there_is_nothing_to_take_over_from_controllers() -> None:
    assert patch_for(config(entry(MANAGER, "Apply", "a"), entry("hpa", "Update", "b"))) == []


def test_the_fields_of_kubectl_are_merged_into_ours() -> None:
    live = config(
        entry(MANAGER, "Apply", "a"), entry("kubectl-client-side-apply", "Update", "b"), entry("mesh", "Update", "c")
    )
    patch = patch_for(live)
    assert managers_after(patch) == [("mesh", "Update", ["f:c"]), (MANAGER, "Apply", ["f:a", "f:b"])]
    assert patch[-1] == {"op": "replace", "path": "/metadata/resourceVersion", "value": "9"}


def test_the_first_of_kubectls_entries_becomes_ours_where_we_have_none() -> None:
    live = config(entry("kubectl-edit", "Update", "a"), entry("before-first-apply", "Update", "b"))
    assert managers_after(patch_for(live)) == [(MANAGER, "Apply", ["f:a", "f:b"])]


def test_subresources_keep_their_managers() -> None:
    assert patch_for(config(entry("kubectl", "Update", "a", subresource="scale"))) == []


def test_obsolete_annotations_are_removed() -> None:
    live = config(**{"kubectl.kubernetes.io/last-applied-configuration": "{}"})
    assert patch_for(live)[0] == {
        "op": "remove",
        "path": "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
    }


def test_an_object_that_asks_for_merging_keeps_everything() -> None:
    merging = config(**{"kustomize.toolkit.fluxcd.io/ssa": "Merge"})
    assert patch_for(config(entry("kubectl", "Apply", "a")), merging) == []
