"""What the server fills in, against what a real one was seen to fill in."""

from __future__ import annotations

import copy
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.controlplane.conftest import client_of

from afflux.controlplane.builtin_kinds import builtin_served_kinds
from afflux.controlplane.control_plane import ControlPlane, Settings
from afflux.controlplane.defaults import RULES, apply_defaults
from afflux.controlplane.defaults.pod import pull_policy

KINDS = {(kind.gvk.group, kind.gvk.kind): kind for kind in builtin_served_kinds("1.36")}
UID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
CONTAINER = {"name": "c", "image": "i"}
TEMPLATE = {"metadata": {"labels": {"a": "x"}}, "spec": {"containers": [CONTAINER]}}


@pytest.fixture(scope="module")
def recorded(shared: Path) -> dict[str, Any]:
    """By path: the object posted, and what came back beyond it."""
    with tarfile.open(shared / "kubernetes-1.36" / "observed.tar.xz") as archive:
        member = next(one for one in archive if one.name.endswith("recordings/defaults.json"))
        content = archive.extractfile(member)
        assert content is not None
        found: dict[str, Any] = json.load(content)
        return found


def added(before: Any, after: Any, path: str = "") -> dict[str, Any]:
    """What ``after`` has beyond ``before``, by path."""
    if isinstance(before, dict) and isinstance(after, dict):
        result = {f"{path}.{name}": value for name, value in after.items() if name not in before}
        for name in before.keys() & after.keys():
            result |= added(before[name], after[name], f"{path}.{name}")
        return result
    if isinstance(before, list) and isinstance(after, list):
        result = {f"{path}[{index}]": after[index] for index in range(len(before), len(after))}
        for index, (old, new) in enumerate(zip(before, after, strict=False)):
            result |= added(old, new, f"{path}[{index}]")
        return result
    return {} if before == after else {path: after}


def masked(value: Any) -> Any:
    """Without what differs from server to server: names made up, uids, times, allocated addresses."""
    text = UID.sub("UID", json.dumps(value, sort_keys=True))
    text = re.sub(r"kube-api-access-\w{5}", "kube-api-access", text)
    text = re.sub(r"20\d\d-[\dT:-]+Z", "TIME", text)
    text = re.sub(r'"10\.96\.\d+\.\d+"', '"CLUSTER-IP"', text)
    text = re.sub(r"\b3\d{4}\b", '"NODE-PORT"', text)
    found = json.loads(text)
    for path, part in list(found.items()) if isinstance(found, dict) else ():
        if path.endswith(".spec.volumes") or ".spec.volumes[" in path:
            drop_foreign_sources(part)
    return found


def drop_foreign_sources(part: Any) -> None:
    """The recorded server's root certificate of another distribution isn't every server's."""
    for volume in part if isinstance(part, list) else [part]:
        sources = volume.get("projected", {}).get("sources") if isinstance(volume, dict) else None
        if sources:
            sources[:] = [each for each in sources if "openshift" not in json.dumps(each)]


async def test_every_recorded_object_gets_the_defaults_of_a_real_server(api: Any, recorded: dict[str, Any]) -> None:
    assert (await api.post("/api/v1/namespaces", {"metadata": {"name": "df"}})).status == 201
    wrong = {}
    for key, record in recorded.items():
        path = key.partition("#")[0]
        reply = await api.post(f"{path}?dryRun=All", record["in"])
        assert reply.status == 201, (key, reply.text)
        ignored = (".kind", ".apiVersion")
        own = {"uid", "creationTimestamp", "managedFields", "namespace", "selfLink"}
        new = {name: value for name, value in added(record["in"], reply.json).items() if name not in ignored}
        new = {name: value for name, value in new.items() if name.removeprefix(".metadata.") not in own}
        expected = dict(record["added"])
        if masked(new) != masked(expected):
            wrong[key] = added(masked(expected), masked(new)), added(masked(new), masked(expected))
    assert not wrong


@pytest.mark.parametrize("group_kind", sorted(RULES), ids=lambda pair: pair[1])
def test_defaulting_twice_is_defaulting_once(group_kind: tuple[str, str], recorded: dict[str, Any]) -> None:
    kind = KINDS[group_kind]
    for key, record in recorded.items():
        if f"/{kind.plural}" in key:
            once = apply_defaults(kind, record["in"])
            assert apply_defaults(kind, once) is once


def test_defaulting_leaves_its_input_alone() -> None:
    deployment = {"metadata": {"name": "d"}, "spec": {"template": TEMPLATE, "selector": {"matchLabels": {"a": "x"}}}}
    before = copy.deepcopy(deployment)
    after = apply_defaults(KINDS["apps", "Deployment"], deployment)
    assert deployment == before
    assert after["spec"]["selector"] is deployment["spec"]["selector"]


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1", "IfNotPresent"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:00", "IfNotPresent"),
        ("nginx:latest@sha256:00", "Always"),
    ],
)
def test_images_are_pulled_always_when_their_tag_is_latest(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


async def test_quantities_are_stored_in_canonical_form(api: Any) -> None:
    limits = {"cpu": "1000m", "memory": "1024Mi", "ephemeral-storage": "1.5Gi"}
    pod = {"metadata": {"name": "q"}, "spec": {"containers": [{**CONTAINER, "resources": {"limits": limits}}]}}
    reply = await api.post("/api/v1/namespaces/default/pods", pod)
    resources = reply.json["spec"]["containers"][0]["resources"]
    assert resources["limits"] == {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1536Mi"}
    assert resources["requests"] == resources["limits"]


async def test_a_service_keeps_its_addresses_over_updates(api: Any) -> None:
    path = "/api/v1/namespaces/default/services"
    spec = {"type": "NodePort", "ports": [{"port": 80}]}
    made = (await api.post(path, {"metadata": {"name": "s"}, "spec": spec})).json
    assert 30000 <= made["spec"]["ports"][0]["nodePort"] <= 32767
    put = await api.put(f"{path}/s", {"metadata": {"name": "s"}, "spec": spec})
    assert put.json["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    assert put.json["spec"]["ports"] == made["spec"]["ports"]
    inwards = await api.put(f"{path}/s", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})
    assert "nodePort" not in inwards.json["spec"]["ports"][0]
    assert "externalTrafficPolicy" not in inwards.json["spec"]
    outside = await api.put(
        f"{path}/s", {"metadata": {"name": "s"}, "spec": {"type": "ExternalName", "externalName": "a.b"}}
    )
    assert "clusterIP" not in outside.json["spec"]


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("10.96.0.1", "provided IP is already allocated"),
        ("1.2.3.4", "the provided network does not match the current range"),
    ],
)
async def test_a_wanted_cluster_ip_must_be_free_and_inside(api: Any, address: str, problem: str) -> None:
    body = {"metadata": {"name": "s"}, "spec": {"clusterIP": address, "ports": [{"port": 80}]}}
    reply = await api.post("/api/v1/namespaces/default/services", body)
    assert reply.status == 422
    expected = f'spec.clusterIPs: Invalid value: ["{address}"]: failed to allocate IP {address}: {problem}'
    assert reply.json["message"] == f'Service "s" is invalid: {expected}'


async def test_the_claims_of_a_stateful_set_come_back_as_they_were_read(api: Any) -> None:
    path = "/apis/apps/v1/namespaces/default/statefulsets"
    claim = {"metadata": {"name": "d"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    spec = {"selector": {"matchLabels": {"a": "x"}}, "template": TEMPLATE, "volumeClaimTemplates": [claim]}
    await api.post(path, {"metadata": {"name": "s"}, "spec": spec})
    read = (await api.get(f"{path}/s")).json
    put = await api.put(f"{path}/s?fieldValidation=Strict", {"metadata": {"name": "s"}, "spec": read["spec"]})
    assert (put.status, put.json["metadata"]["generation"]) == (200, 1)


async def test_what_is_read_may_be_written_back_and_changes_nothing(recorded: dict[str, Any]) -> None:
    async with ControlPlane(settings=Settings(simulation_delay=None)) as plane, client_of(plane) as api:
        assert (await api.post("/api/v1/namespaces", {"metadata": {"name": "df"}})).status == 201
        for number, (key, record) in enumerate(recorded.items()):
            path, body = key.partition("#")[0], copy.deepcopy(record["in"])
            if "." not in body["metadata"]["name"]:
                body["metadata"]["name"] = f"m{number}"
            made = await api.post(path, body)
            assert made.status == 201, (key, made.text)
            url = f"{path}/{made.json['metadata']['name']}"
            before = (await api.get(url)).json
            metadata = {name: value for name, value in before["metadata"].items() if name != "resourceVersion"}
            put = await api.put(f"{url}?fieldValidation=Strict", {**before, "metadata": metadata})
            assert put.status == 200, (key, put.text)
            if not key.endswith(("customresourcedefinitions", "namespaces")):
                # The plane's own controllers write to these meanwhile.
                assert put.json == before, key


async def test_a_change_of_a_daemon_sets_template_is_counted(api: Any) -> None:
    path = "/apis/apps/v1/namespaces/default/daemonsets"
    spec = {"selector": {"matchLabels": {"a": "x"}}, "template": TEMPLATE}
    await api.post(path, {"metadata": {"name": "d"}, "spec": spec})
    containers = [{**CONTAINER, "image": "j"}]
    changed = await api.patch(f"{path}/d", {"spec": {"template": {"spec": {"containers": containers}}}})
    assert changed.json["metadata"]["annotations"]["deprecated.daemonset.template.generation"] == "2"
    labelled = await api.patch(f"{path}/d", {"metadata": {"labels": {"l": "1"}}})
    assert labelled.json["metadata"]["annotations"]["deprecated.daemonset.template.generation"] == "2"
