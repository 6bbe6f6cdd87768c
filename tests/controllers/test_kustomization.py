"""Kustomizations in a cluster: what is applied, what is kept, what is said."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from afflux.kube.client import KubeClient, PatchType, Selection, Target
from afflux.objects.manifest import Json
from afflux.runtime.conditions import condition_of
from fleet import CONFIG_MAP, DEPLOYMENT, EVENT, Fleet, fleet
from waiting import eventually


def config(name: str, **data: str) -> str:
    lines = "".join(f"  {key}: {value!r}\n" for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n{lines or '  a: b' + chr(10)}"


def deployment(name: str, *, label: str = "", image: str = "nginx:1.27", replicas: int = 1, more: str = "") -> str:
    return f"""apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: {replicas}
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {label or name}
    spec:
      containers:
        - name: web
          image: {image}
{more}"""


@pytest.fixture
async def here(kube_client: KubeClient, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet(kube_client, f"fleet-{uuid4().hex[:8]}", tmp_path) as one:
        yield one


@pytest.fixture
async def strict(kube_client: KubeClient, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet(kube_client, f"strict-{uuid4().hex[:8]}", tmp_path, strict_fields=True) as one:
        yield one


async def test_a_revision_is_applied_and_recorded(here: Fleet) -> None:
    revision = await here.commit({"config.yaml": config("one"), "web.yaml": deployment("web")})
    await here.kustomization("apps")
    status = await here.ready("apps", revision=revision)
    assert (condition_of(status, "Ready") or {})["message"] == f"Applied revision: {revision}"
    assert condition_of(status, "Reconciling") is None
    assert status["lastAttemptedRevision"] == revision
    assert status["observedGeneration"] == 1
    assert await here.inventory("apps") == ["_one__ConfigMap", "_web_apps_Deployment"]
    assert [entry["lastReconciledStatus"] for entry in status["history"]] == ["ReconciliationSucceeded"]
    found = await here.find(CONFIG_MAP, "one")
    assert found is not None
    assert found["metadata"]["labels"] == {
        "kustomize.toolkit.fluxcd.io/name": "apps",
        "kustomize.toolkit.fluxcd.io/namespace": here.namespace,
    }
    assert found["metadata"]["managedFields"][0]["manager"] == "kustomize-controller"


async def test_what_is_gone_from_the_source_is_pruned(here: Fleet) -> None:
    first = await here.commit({"one.yaml": config("one"), "two.yaml": config("two")})
    await here.kustomization("apps")
    await here.ready("apps", revision=first)
    second = await here.commit({"one.yaml": config("one")})
    await here.ready("apps", revision=second)
    assert await here.inventory("apps") == ["_one__ConfigMap"]
    assert await here.find(CONFIG_MAP, "two") is None


async def test_without_prune_what_is_gone_is_left_and_forgotten(here: Fleet) -> None:
    first = await here.commit({"one.yaml": config("one"), "two.yaml": config("two")})
    await here.kustomization("apps", prune=False)
    await here.ready("apps", revision=first)
    second = await here.commit({"one.yaml": config("one")})
    await here.ready("apps", revision=second)
    assert await here.inventory("apps") == ["_one__ConfigMap"]
    assert await here.find(CONFIG_MAP, "two") is not None


async def test_an_object_that_carries_others_labels_is_not_pruned(here: Fleet) -> None:
    first = await here.commit({"one.yaml": config("one"), "two.yaml": config("two")})
    await here.kustomization("apps")
    await here.ready("apps", revision=first)
    label = {"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": "somebody-else"}}}
    await here.client.patch(Target(CONFIG_MAP, here.namespace, "two"), label)
    second = await here.commit({"one.yaml": config("one")})
    await here.ready("apps", revision=second)
    assert await here.find(CONFIG_MAP, "two") is not None


async def test_a_renamed_file_changes_nothing(here: Fleet) -> None:
    first = await here.commit({"a/one.yaml": config("one")})
    await here.kustomization("apps")
    await here.ready("apps", revision=first)
    before = await here.find(CONFIG_MAP, "one")
    second = await here.commit({"b/other.yaml": config("one")})
    await here.ready("apps", revision=second)
    assert await here.find(CONFIG_MAP, "one") == before


async def test_a_scaled_deployment_is_put_back_on_request(here: Fleet) -> None:
    revision = await here.commit({"web.yaml": deployment("web", replicas=2)})
    await here.kustomization("apps")
    await here.ready("apps", revision=revision)
    scale = {"spec": {"replicas": 5}}
    target = Target(DEPLOYMENT, here.namespace, "web")
    await here.client.patch(target, scale, patch_type=PatchType.MERGE, subresource="scale", field_manager="kubectl")
    await here.request("apps", "now")

    async def put_back() -> bool:
        return (await here.client.get(target))["spec"]["replicas"] == 2

    await eventually(put_back)


async def test_a_scaled_deployment_is_put_back_at_the_interval(here: Fleet) -> None:
    revision = await here.commit({"web.yaml": deployment("web", replicas=2)})
    await here.kustomization("apps", interval="1s")
    await here.ready("apps", revision=revision)
    target = Target(DEPLOYMENT, here.namespace, "web")
    await here.client.patch(target, {"spec": {"replicas": 5}}, field_manager="kubectl-edit")

    async def put_back() -> bool:
        return (await here.client.get(target))["spec"]["replicas"] == 2

    await eventually(put_back)


async def test_a_refused_deployment_names_the_servers_words_and_the_file(here: Fleet) -> None:
    first = await here.commit({"web.yaml": config("one") + "---\n" + deployment("nginx")})
    await here.kustomization("apps")
    await here.ready("apps", revision=first)
    broken = config("one", a="changed") + "---\n" + deployment("nginx-new").replace("app: nginx-new", "app: nginx", 1)
    second = await here.commit({"web.yaml": broken})
    message = (await here.failing("apps", reason="ReconciliationFailed", revision=second))["message"]
    assert message.startswith(f"Deployment/{here.namespace}/nginx-new dry-run failed (Invalid): ")
    assert "`selector` does not match template `labels`" in message
    assert "(from web.yaml, document 2, line " in message
    assert await here.find(DEPLOYMENT, "nginx") is not None
    assert await here.find(DEPLOYMENT, "nginx-new") is None
    one = await here.find(CONFIG_MAP, "one")
    assert one is not None and one["data"] == {"a": "b"}
    assert await here.inventory("apps") == ["_nginx_apps_Deployment", "_one__ConfigMap"]
    assert (await here.status("apps"))["lastAppliedRevision"] == first


async def test_a_fix_takes_the_place_of_what_it_renames(here: Fleet) -> None:
    first = await here.commit({"web.yaml": deployment("nginx")})
    await here.kustomization("apps")
    await here.ready("apps", revision=first)
    second = await here.commit({"web.yaml": deployment("nginx-new")})
    await here.ready("apps", revision=second)

    async def replaced() -> bool:
        return await here.find(DEPLOYMENT, "nginx") is None and await here.find(DEPLOYMENT, "nginx-new") is not None

    await eventually(replaced)


async def test_an_unknown_field_is_refused_with_its_line_where_fields_are_checked(strict: Fleet) -> None:
    broken = deployment("web", more="          imagePullPolice: Always\n")
    revision = await strict.commit({"apps/web.yaml": broken})
    await strict.kustomization("apps")
    message = (await strict.failing("apps", reason="BuildFailed"))["message"]
    line = broken.splitlines().index("          imagePullPolice: Always") + 1
    assert 'unknown field "spec.template.spec.containers[0].imagePullPolice"' in message
    assert message.startswith(f"apps/web.yaml:{line}: ")
    assert revision


async def test_an_unknown_field_is_dropped_elsewhere_with_a_warning(here: Fleet) -> None:
    revision = await here.commit({"web.yaml": deployment("web", more="          imagePullPolice: Always\n")})
    await here.kustomization("apps")
    await here.ready("apps", revision=revision)

    async def warning() -> Json:
        events = (await here.client.list(EVENT, Selection(here.namespace))).items
        return next((event for event in events if event["reason"] == "UnknownFields"), None)

    told = await eventually(warning)
    assert told["type"] == "Warning"
    assert 'web.yaml:18: unknown field "spec.template.spec.containers[0].imagePullPolice"' in told["message"]


async def test_invalid_yaml_names_the_file_and_the_line_and_keeps_everything(here: Fleet) -> None:
    first = await here.commit({"one.yaml": config("one")})
    await here.kustomization("apps")
    await here.ready("apps", revision=first)
    second = await here.commit({"one.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [}\n"})
    message = (await here.failing("apps", reason="BuildFailed", revision=second))["message"]
    assert "failed to decode Kubernetes YAML from one.yaml:3: " in message
    assert await here.inventory("apps") == ["_one__ConfigMap"]
    assert await here.find(CONFIG_MAP, "one") is not None


async def test_a_wrong_path_keeps_what_was_applied(here: Fleet) -> None:
    first = await here.commit({"apps/one.yaml": config("one")})
    await here.kustomization("apps", path="./apps")
    await here.ready("apps", revision=first)
    await here.kustomization("apps", path="./nowhere")
    await here.commit({"apps/one.yaml": config("two")})
    condition = await here.failing("apps", reason="ArtifactFailed")
    assert condition["message"].startswith("kustomization path not found: ")
    assert (await here.status("apps"))["lastAttemptedRevision"] == first
    assert await here.inventory("apps") == ["_one__ConfigMap"]


async def test_a_missing_source_is_named_and_keeps_what_was_applied(here: Fleet) -> None:
    first = await here.commit({"one.yaml": config("one")})
    await here.kustomization("apps")
    await here.ready("apps", revision=first)
    await here.kustomization("apps", sourceRef={"kind": "GitRepository", "name": "nothing"})
    condition = await here.failing("apps", reason="ArtifactFailed")
    assert condition["message"] == 'gitrepositories.source.toolkit.fluxcd.io "nothing" not found'
    assert await here.inventory("apps") == ["_one__ConfigMap"]


async def test_a_source_without_an_artifact_is_waited_for(here: Fleet) -> None:
    await here.kustomization("apps")
    condition = await here.failing("apps", reason="ArtifactFailed")
    assert condition["message"] == "Source artifact not found, retrying in 30s"
    assert condition_of(await here.status("apps"), "Reconciling") is None
    revision = await here.commit({"one.yaml": config("one")})
    await here.ready("apps", revision=revision)


@pytest.mark.parametrize(
    "files", [{"apps/.gitkeep": ""}, {"apps/kustomization.yaml": "kind: Kustomization\nresources: []\n"}]
)
async def test_an_emptied_directory_is_applied_and_pruned(here: Fleet, files: dict[str, str]) -> None:
    first = await here.commit({"apps/one.yaml": config("one")})
    await here.kustomization("apps", path="./apps")
    await here.ready("apps", revision=first)
    second = await here.commit(files)
    status = await here.ready("apps", revision=second)
    assert status["inventory"]["entries"] == []
    assert await here.find(CONFIG_MAP, "one") is None


async def test_a_file_added_to_a_plain_directory_is_applied(here: Fleet) -> None:
    first = await here.commit({"one.yaml": config("one")})
    await here.kustomization("apps")
    await here.ready("apps", revision=first)
    second = await here.commit({"one.yaml": config("one"), "deep/two.yaml": config("two")})
    await here.ready("apps", revision=second)
    assert await here.inventory("apps") == ["_one__ConfigMap", "_two__ConfigMap"]


async def test_variables_are_substituted(here: Fleet) -> None:
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "vars", "namespace": here.namespace}}
    await here.client.create({**settings, "data": {"COLOUR": "red", "SIZE": "small"}})
    revision = await here.commit({"one.yaml": config("one", colour="${COLOUR}", size="${SIZE}", shape="${S:=round}")})
    build: Json = {"substituteFrom": [{"kind": "ConfigMap", "name": "vars"}], "substitute": {"SIZE": "large"}}
    await here.kustomization("apps", postBuild=build)
    await here.ready("apps", revision=revision)
    one = await here.find(CONFIG_MAP, "one")
    assert one is not None and one["data"] == {"colour": "red", "size": "large", "shape": "round"}


async def test_a_deleted_kustomization_takes_its_objects_along(here: Fleet) -> None:
    revision = await here.commit({"one.yaml": config("one")})
    await here.kustomization("apps")
    await here.ready("apps", revision=revision)
    await here.client.delete(here.target("apps"))

    async def gone() -> bool:
        return await here.find(CONFIG_MAP, "one") is None

    await eventually(gone)


async def test_an_orphaning_kustomization_leaves_its_objects(here: Fleet) -> None:
    revision = await here.commit({"one.yaml": config("one")})
    await here.kustomization("apps", deletionPolicy="Orphan")
    await here.ready("apps", revision=revision)
    await here.client.delete(here.target("apps"))

    async def gone() -> bool:
        return not any(
            item["metadata"]["name"] == "apps"
            for item in (await here.client.list(here.target("apps").gvk)).items
            if item["metadata"]["namespace"] == here.namespace
        )

    await eventually(gone)
    assert await here.find(CONFIG_MAP, "one") is not None


async def test_a_suspended_kustomization_leaves_its_objects(here: Fleet) -> None:
    revision = await here.commit({"one.yaml": config("one")})
    await here.kustomization("apps")
    await here.ready("apps", revision=revision)
    await here.client.patch(here.target("apps"), {"spec": {"suspend": True}})
    await here.client.delete(here.target("apps"))

    async def gone() -> bool:
        items = (await here.client.list(here.target("apps").gvk, Selection(here.namespace))).items
        return not items

    await eventually(gone)
    assert await here.find(CONFIG_MAP, "one") is not None


async def test_a_deletion_may_wait_for_termination(here: Fleet) -> None:
    revision = await here.commit({"one.yaml": config("one")})
    await here.kustomization("apps", deletionPolicy="WaitForTermination", prune=False)
    await here.ready("apps", revision=revision)
    held = {"metadata": {"finalizers": ["example.com/held"]}}
    one = Target(CONFIG_MAP, here.namespace, "one")
    await here.client.patch(one, held)
    await here.client.delete(here.target("apps"))

    async def deleting() -> bool:
        found = await here.find(CONFIG_MAP, "one")
        return found is not None and "deletionTimestamp" in found["metadata"]

    await eventually(deleting)
    assert (await here.client.get(here.target("apps")))["metadata"]["finalizers"] == ["finalizers.fluxcd.io"]
    await here.client.patch(one, {"metadata": {"finalizers": None}})

    async def gone() -> bool:
        return not (await here.client.list(here.target("apps").gvk, Selection(here.namespace))).items

    await eventually(gone)


async def test_a_missing_variable_source_is_named(here: Fleet) -> None:
    await here.commit({"one.yaml": config("one")})
    await here.kustomization("apps", postBuild={"substituteFrom": [{"kind": "Secret", "name": "nothing"}]})
    condition = await here.failing("apps", reason="BuildFailed")
    assert condition["message"] == "substitute from 'Secret/nothing' error: secrets \"nothing\" not found"


async def test_a_watched_variable_source_is_followed(here: Fleet) -> None:
    metadata = {"name": "vars", "namespace": here.namespace, "labels": {"reconcile.fluxcd.io/watch": "Enabled"}}
    await here.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"COLOUR": "red"}})
    revision = await here.commit({"one.yaml": config("one", colour="${COLOUR}")})
    await here.kustomization("apps", postBuild={"substituteFrom": [{"kind": "ConfigMap", "name": "vars"}]})
    await here.ready("apps", revision=revision)
    await here.client.patch(Target(CONFIG_MAP, here.namespace, "vars"), {"data": {"COLOUR": "blue"}})

    async def repainted() -> bool:
        one = await here.find(CONFIG_MAP, "one")
        return one is not None and one["data"] == {"colour": "blue"}

    await eventually(repainted)
