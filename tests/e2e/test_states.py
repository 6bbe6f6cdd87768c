"""What goes wrong or moves around in a repository, and the state, condition and reason that follow."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from walkthrough import APP, Walkthrough, poll

pytestmark = [pytest.mark.e2e, pytest.mark.embedded_only("drives `afflux up`, which brings the embedded plane")]

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: default\ndata:\n  key: value\n"


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One `up` for the tests of this module; each has a folder of the repository and a Kustomization of its own."""
    walk = Walkthrough(tmp_path_factory.mktemp("states"))
    walk.start()
    walk.clone_repository()
    walk.applied(walk.git("rev-parse", "HEAD"))
    yield walk
    walk.stop()


class Case:
    """A Kustomization of its own over a folder of its own."""

    def __init__(self, walk: Any, name: str) -> None:
        self.walk, self.name = walk, name

    def push(self, message: str, **files: str | None) -> str:
        """Writes files (``a/b.yaml`` as ``a__b_yaml``; None removes) below the folder, commits and pushes."""
        for key, text in files.items():
            self.write(key.replace("__", "/").replace("_yaml", ".yaml").replace("dot_", "."), text)
        return self.commit(message)

    def write(self, name: str, text: str | None) -> None:
        path = self.walk.clone / self.name / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self, message: str) -> str:
        self.walk.git("add", "--all")
        self.walk.git("commit", "--quiet", "--allow-empty", "--message", message)
        self.walk.git("push", "--quiet", "origin", "HEAD")
        return str(self.walk.git("rev-parse", "HEAD"))

    def create(self, **spec: Any) -> None:
        """Applies the Kustomization through kubectl."""
        source = {"kind": "GitRepository", "name": "flux-system"}
        wanted = {"interval": "1m", "retryInterval": "5s", "prune": True, "path": f"./{self.name}", "sourceRef": source}
        self.apply("kustomize.toolkit.fluxcd.io/v1", "Kustomization", {**wanted, **spec})

    def apply(self, api_version: str, kind: str, spec: dict[str, Any], name: str | None = None) -> None:
        metadata = {"name": name or self.name, "namespace": "flux-system"}
        manifest = {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
        path = self.walk.work / f"{kind}-{self.name}.json"
        path.write_text(json.dumps(manifest))
        self.walk.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(path))

    def applied(self, commit: str) -> None:
        self.walk.applied(commit, self.name)

    def not_ready(self, reason: str, *words: str) -> str:
        """Waits until Ready is False for a reason, with words in its message; the message."""
        message = str(self.walk.refused(*words, name=self.name))
        assert self.walk.ready("kustomization", self.name)["reason"] == reason
        return message

    def inventory(self) -> list[str]:
        found = self.walk.get("kustomization", self.name, "--namespace", "flux-system")
        return sorted(entry["id"] for entry in found["status"].get("inventory", {}).get("entries", []))

    def config_map(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.walk.get("configmap", name)
        return found


@pytest.fixture
def case(synced: Any, request: pytest.FixtureRequest) -> Iterator[Case]:
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    made = Case(synced, name)
    yield made
    synced.kubectl("delete", "kustomization", name, "--namespace", "flux-system", "--ignore-not-found", "--timeout=30s")


def test_renaming_a_file_keeps_the_object(case: Case) -> None:
    case.push("Add", one_yaml=CONFIG.format(name="renamed"))
    case.create()
    poll(lambda: case.config_map("renamed"), "the object")
    uid = case.config_map("renamed")["metadata"]["uid"]
    case.applied(case.push("Rename", one_yaml=None, two_yaml=CONFIG.format(name="renamed")))
    assert case.config_map("renamed")["metadata"]["uid"] == uid


def test_moving_the_app_to_another_folder_keeps_the_object(case: Case) -> None:
    case.push("Add", one_yaml=CONFIG.format(name="moved"))
    case.create()
    poll(lambda: case.config_map("moved"), "the object")
    uid = case.config_map("moved")["metadata"]["uid"]
    case.applied(case.push("Move", one_yaml=None, below__here__one_yaml=CONFIG.format(name="moved")))
    assert case.config_map("moved")["metadata"]["uid"] == uid
    assert case.inventory() == ["default_moved__ConfigMap"]


def test_a_kustomization_without_resources_prunes_everything(case: Case) -> None:
    head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
    case.push("Add", kustomization_yaml=head + "resources: [one.yaml]\n", one_yaml=CONFIG.format(name="emptied"))
    case.create()
    poll(lambda: case.config_map("emptied"), "the object")
    case.applied(case.push("Empty it", kustomization_yaml=head + "resources: []\n"))
    poll(lambda: not case.config_map("emptied"), "pruned")
    assert case.inventory() == []


def test_a_folder_with_only_gitkeep_is_an_empty_set(case: Case) -> None:
    case.push("Add", one_yaml=CONFIG.format(name="kept"))
    case.create()
    poll(lambda: case.config_map("kept"), "the object")
    case.write("one.yaml", None)
    case.write(".gitkeep", "")
    case.applied(case.commit("Keep the folder only"))
    poll(lambda: not case.config_map("kept"), "pruned")


def test_a_file_added_to_a_folder_without_kustomization_file_is_applied(case: Case) -> None:
    case.push("Add", one_yaml=CONFIG.format(name="first"))
    case.create()
    poll(lambda: case.config_map("first"), "the first")
    case.applied(case.push("Add another", two_yaml=CONFIG.format(name="second")))
    assert case.config_map("second")
    assert case.inventory() == ["default_first__ConfigMap", "default_second__ConfigMap"]


def test_a_path_that_disappears_keeps_objects_and_inventory(case: Case) -> None:
    case.push("Add", one_yaml=CONFIG.format(name="stays"))
    case.create()
    poll(lambda: case.config_map("stays"), "the object")
    case.push("Remove the folder", one_yaml=None)
    case.not_ready("ArtifactFailed", "kustomization path not found")
    assert case.config_map("stays")
    assert case.inventory() == ["default_stays__ConfigMap"]


def test_a_missing_source_is_named(case: Case) -> None:
    case.create(sourceRef={"kind": "GitRepository", "name": "nowhere"})
    case.not_ready("ArtifactFailed", "gitrepositories", "nowhere", "not found")


def test_a_git_server_that_is_down_is_said_and_what_was_applied_stays(case: Case) -> None:
    spec = {"interval": "1m", "timeout": "5s", "url": "http://127.0.0.1:9/repository.git", "ref": {"branch": "main"}}
    case.apply("source.toolkit.fluxcd.io/v1", "GitRepository", spec)
    seen = poll(lambda: case.walk.ready("gitrepository", case.name)["status"] == "False", "not ready", 30)
    assert seen
    ready = case.walk.ready("gitrepository", case.name)
    assert ready["reason"] == "GitOperationFailed"
    assert "127.0.0.1:9" in ready["message"]
    assert case.walk.ready("kustomization", "apps")["status"] == "True"


def test_a_dependency_that_is_not_ready_is_waited_for_and_then_overtaken(case: Case) -> None:
    case.push("Add", one_yaml=CONFIG.format(name="dependent"))
    case.create(dependsOn=[{"name": "comes-later"}])
    case.not_ready("DependencyNotReady", "comes-later")
    later = Case(case.walk, "comes-later")
    later.push("Add the dependency", one_yaml=CONFIG.format(name="dependency"))
    later.create()
    poll(lambda: case.config_map("dependent"), "applied as soon as its dependency is ready", 20)


def test_deleting_a_kustomization_prunes_what_it_applied(case: Case) -> None:
    case.push("Add", one_yaml=CONFIG.format(name="doomed"))
    case.create()
    poll(lambda: case.config_map("doomed"), "the object")
    case.walk.kubectl("delete", "kustomization", case.name, "--namespace", "flux-system", "--timeout=30s")
    poll(lambda: not case.config_map("doomed"), "pruned")


def test_a_field_that_is_not_acted_on_yet_stalls_the_object(case: Case) -> None:
    case.push("Add", one_yaml=CONFIG.format(name="unsupported"))
    case.create(decryption={"provider": "sops"})
    poll(lambda: case.walk.ready("kustomization", case.name)["status"] == "False", "refused")
    found = case.walk.get("kustomization", case.name, "--namespace", "flux-system")
    stalled = [c for c in found["status"]["conditions"] if c["type"] == "Stalled"]
    assert stalled[0]["status"] == "True"
    assert "spec.decryption" in stalled[0]["message"]
    assert not case.config_map("unsupported")


@pytest.mark.parametrize("version", ["v1beta1", "v1beta2"])
def test_objects_of_older_versions_are_reconciled(case: Case, version: str) -> None:
    case.push("Add", one_yaml=CONFIG.format(name=f"old-{version}"))
    patch = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"old-{version}", "namespace": "default"}}
    spec = {
        "interval": "1m",
        "prune": True,
        "path": f"./{case.name}",
        "sourceRef": {"kind": "GitRepository", "name": "flux-system"},
        "validation": "client",
        "patchesStrategicMerge": [{**patch, "data": {"patched": "yes"}}],
    }
    case.apply(f"kustomize.toolkit.fluxcd.io/{version}", "Kustomization", spec)
    found = poll(lambda: case.config_map(f"old-{version}"), "the object")
    assert found["data"] == {"key": "value", "patched": "yes"}
    root = case.walk.get("gitrepository", "flux-system", "--namespace", "flux-system")["spec"]
    source = {**root, "gitImplementation": "libgit2"}
    case.apply(f"source.toolkit.fluxcd.io/{version}", "GitRepository", source)
    poll(lambda: case.walk.ready("gitrepository", case.name)["status"] == "True", "the old source")

    def warnings() -> set[str]:
        events = case.walk.get("events", "--namespace", "flux-system")["items"]
        mine = [one for one in events if one["involvedObject"]["name"] == case.name]
        return {one["message"] for one in mine if (one["type"], one["reason"]) == ("Warning", "ObsoleteField")}

    told = {"spec.validation is obsolete and has no effect", "spec.gitImplementation is obsolete and has no effect"}
    poll(lambda: warnings() == told, "one warning for each")


def test_a_requested_reconciliation_is_acknowledged(case: Case) -> None:
    case.push("Add", one_yaml=CONFIG.format(name="requested"))
    case.create()
    poll(lambda: case.config_map("requested"), "the object")
    case.walk.kubectl("delete", "configmap", "requested")
    annotation = "reconcile.fluxcd.io/requestedAt=now"
    case.walk.kubectl("annotate", "kustomization", case.name, "--namespace", "flux-system", annotation)
    poll(lambda: case.config_map("requested"), "made again", 20)
    found = poll(
        lambda: case.walk.get("kustomization", case.name, "-n", "flux-system")["status"].get("lastHandledReconcileAt"),
        "acknowledged",
    )
    assert found == "now"


def test_a_suspended_kustomization_is_left_alone(case: Case) -> None:
    case.push("Add", one_yaml=CONFIG.format(name="suspended"))
    case.create(suspend=True)
    other = Case(case.walk, "not-suspended")
    other.push("Add another", one_yaml=CONFIG.format(name="not-suspended"))
    other.create()
    poll(lambda: other.config_map("not-suspended"), "the other one")
    assert not case.config_map("suspended")


def test_substitution_and_target_namespace_reach_the_object(case: Case) -> None:
    text = CONFIG.format(name="substituted").replace("value", "${where:-nowhere}").replace("default", "${ns:=default}")
    case.push("Add", one_yaml=text)
    case.create(postBuild={"substitute": {"where": "here"}}, targetNamespace="platform", namePrefix="pre-")
    found = poll(lambda: case.walk.get("configmap", "pre-substituted", "--namespace", "platform"), "the object")
    assert found["data"] == {"key": "here"}


def test_ten_good_objects_go_on_beside_a_malformed_one(case: Case, write_raw: Callable[[str], None]) -> None:
    case.push("Add", one_yaml=CONFIG.format(name="good"))
    write_raw("poisoned")
    case.create()
    poll(lambda: case.config_map("good"), "the good one", 20)


@pytest.fixture
def write_raw(synced: Any) -> Iterator[Callable[[str], None]]:
    """Stores a Kustomization whose interval no schema would let pass, as an older CRD could have."""
    path = Path(synced.work) / "crd.json"
    name = "kustomizations.kustomize.toolkit.fluxcd.io"

    def loosened() -> dict[str, Any]:
        crd: dict[str, Any] = synced.get("crd", name)
        for version in crd["spec"]["versions"]:
            version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["interval"].pop("pattern", None)
        return crd

    original = synced.get("crd", name)["spec"]

    def replace(crd: dict[str, Any]) -> None:
        crd["metadata"].pop("managedFields", None)
        crd["metadata"].pop("resourceVersion", None)
        path.write_text(json.dumps(crd))
        synced.kubectl("replace", "-f", str(path))

    def write(object_name: str) -> None:
        replace(loosened())
        source = {"kind": "GitRepository", "name": "flux-system"}
        spec = {"interval": "soon", "prune": True, "path": "./applications", "sourceRef": source}
        metadata = {"name": object_name, "namespace": "flux-system"}
        manifest = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": metadata}
        path.write_text(json.dumps({**manifest, "spec": spec}))
        synced.kubectl("create", "-f", str(path))
        message = poll(lambda: synced.ready("kustomization", object_name)["message"], "a message")
        assert "spec.interval" in message

    yield write
    synced.kubectl("delete", "kustomization", "poisoned", "-n", "flux-system", "--ignore-not-found", "--wait=false")
    restored = synced.get("crd", name)
    restored["spec"] = original
    replace(restored)


def test_the_walk_through_is_untouched_by_all_this(synced: Any) -> None:
    assert (synced.clone / APP).is_file()
    assert synced.ready("kustomization", "apps")["status"] == "True"
