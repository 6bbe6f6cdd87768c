"""What counts as drift."""

from afflux.apply.drift import drift_between
from afflux.objects.manifest import Json, Manifest


def deployment(**spec: Json) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "resourceVersion": "7", "labels": {"app": "web"}},
        "spec": {"replicas": 1, **spec},
    }


def test_equal_objects_have_not_drifted() -> None:
    assert drift_between(deployment(), deployment()) == ()


def test_a_scaled_deployment_is_one_pointer() -> None:
    assert drift_between(deployment(replicas=3), deployment()) == ("/spec/replicas",)


def test_status_and_other_metadata_do_not_count() -> None:
    live = deployment()
    live["status"] = {"replicas": 4}
    live["metadata"] = {**live["metadata"], "generation": 9, "managedFields": [{"manager": "x"}]}
    assert drift_between(live, deployment()) == ()


def test_labels_and_annotations_count_and_are_escaped_as_pointers() -> None:
    live = deployment()
    live["metadata"] = {**live["metadata"], "labels": {"app": "other"}, "annotations": {"a.io/b": "1"}}
    assert drift_between(live, deployment()) == ("/metadata/labels/app", "/metadata/annotations/a.io~1b")


def test_an_item_of_a_list_is_named_by_its_position() -> None:
    live = deployment(containers=[{"name": "a", "image": "x:1"}])
    assert drift_between(live, deployment(containers=[{"name": "a", "image": "x:2"}])) == ("/spec/containers/0/image",)


def test_a_dry_run_without_a_resource_version_is_a_creation() -> None:
    created = deployment()
    created["metadata"] = {"name": "web"}
    assert drift_between(deployment(), created) == ("",)
    assert drift_between(None, deployment()) == ("",)
