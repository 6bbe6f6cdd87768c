from afflux.runtime.events import event_manifest
from afflux.runtime.outcome import RecordedEvent

OBJECT = {
    "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
    "kind": "Kustomization",
    "metadata": {"name": "apps", "namespace": "flux-system", "uid": "u1", "resourceVersion": "7"},
}


def test_an_event_names_the_object_the_controller_and_what_it_is_about() -> None:
    event = RecordedEvent("error", "BuildFailed", "bad yaml", {"revision": "r"})
    manifest = event_manifest(
        OBJECT, event, "kustomize-controller", "kustomize.toolkit.fluxcd.io", "2026-01-01T00:00:00Z"
    )
    name = manifest["metadata"].pop("name")
    assert name.startswith("apps.")
    assert manifest == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": "flux-system", "annotations": {"kustomize.toolkit.fluxcd.io/revision": "r"}},
        "involvedObject": {
            "kind": "Kustomization",
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "name": "apps",
            "namespace": "flux-system",
            "uid": "u1",
            "resourceVersion": "7",
        },
        "type": "Warning",
        "reason": "BuildFailed",
        "message": "bad yaml",
        "source": {"component": "kustomize-controller"},
        "reportingComponent": "kustomize-controller",
        "reportingInstance": "kustomize-controller",
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "count": 1,
    }


def test_a_long_message_is_cut_between_characters() -> None:
    manifest = event_manifest(OBJECT, RecordedEvent("trace", "x", "ü" * 1000, {}), "c", "p", "now")
    assert len(manifest["message"].encode()) <= 1024 and manifest["message"].endswith("ü...")
    assert manifest["type"] == "Normal"


def test_annotations_for_events_go_along() -> None:
    annotations = {"event.toolkit.fluxcd.io/team": "web", "other": "x"}
    annotated = {**OBJECT, "metadata": {"name": "apps", "namespace": "flux-system", "annotations": annotations}}
    manifest = event_manifest(annotated, RecordedEvent("info", "x", "y", {"revision": "r"}), "c", "p", "now")
    assert manifest["metadata"]["annotations"] == {"p/revision": "r", "event.toolkit.fluxcd.io/team": "web"}
