"""Workloads become what GitOps tools wait for, or fail as their users ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.controlplane.conftest import client_of

from afflux.controlplane.control_plane import ControlPlane, Settings
from waiting import eventually

APPS = "/apis/apps/v1/namespaces/default"
CORE = "/api/v1/namespaces/default"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
SELECTOR = {"matchLabels": {"a": "x"}}


def template(image: str = "i:1", annotations: Any = None, **spec: Any) -> dict[str, Any]:
    metadata = {"labels": {"a": "x"}} | ({"annotations": annotations} if annotations else {})
    return {"metadata": metadata, "spec": {"containers": [{"name": "c", "image": image}], **spec}}


def workload(name: str, pods: Any = None, annotations: Any = None, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"annotations": annotations} if annotations else {})
    return {"metadata": metadata, "spec": {"selector": SELECTOR, "template": pods or template(), **spec}}


def claim(storage_class: str | None = None) -> dict[str, Any]:
    spec: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return spec | ({"storageClassName": storage_class} if storage_class else {})


def condition(found: Any, kind: str) -> tuple[str, str]:
    for one in found["status"].get("conditions") or ():
        if one["type"] == kind:
            return one["status"], one.get("reason", "")
    return "", ""


async def create(api: Any, path: str, body: Any) -> Any:
    reply = await api.post(path, body)
    assert reply.status == 201, reply.text
    return reply.json


async def until(api: Any, path: str, holds: Any) -> Any:
    """The object at a path (or the list), once something holds of it."""

    async def probe() -> Any:
        reply = await api.get(path)
        return reply.json if reply.status == 200 and holds(reply.json) else None

    return await eventually(probe)


def complete(replicas: int) -> Any:
    def holds(found: Any) -> bool:
        status = found["status"]
        counters = [
            status.get(name, 0) for name in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        ]
        current = status.get("observedGeneration") == found["metadata"]["generation"]
        return counters == [replicas] * 4 and current and condition(found, "Progressing")[1] == "NewReplicaSetAvailable"

    return holds


async def pods_of(api: Any) -> list[Any]:
    return list((await api.get(f"{CORE}/pods?labelSelector=a%3Dx")).json["items"])


async def test_a_deployment_becomes_a_replica_set_and_ready_pods(api: Any) -> None:
    await create(api, f"{APPS}/deployments", workload("d", replicas=2))
    found = await until(api, f"{APPS}/deployments/d", complete(2))
    assert condition(found, "Available") == ("True", "MinimumReplicasAvailable")
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    assert found["metadata"]["generation"] == 1
    assert found["status"]["terminatingReplicas"] == 0
    (owned,) = (await api.get(f"{APPS}/replicasets")).json["items"]
    digest = owned["metadata"]["labels"]["pod-template-hash"]
    assert owned["metadata"]["name"] == f"d-{digest}"
    assert owned["spec"]["selector"]["matchLabels"] == {"a": "x", "pod-template-hash": digest}
    assert owned["metadata"]["ownerReferences"][0]["uid"] == found["metadata"]["uid"]
    pods = await pods_of(api)
    assert [pod["status"]["phase"] for pod in pods] == ["Running", "Running"]
    assert {condition(pod, "Ready")[0] for pod in pods} == {"True"}
    assert len({pod["status"]["podIP"] for pod in pods}) == 2
    managers = {(entry["manager"], entry.get("subresource", "")) for entry in found["metadata"]["managedFields"]}
    assert ("kube-controller-manager", "status") in managers


async def test_a_change_of_the_template_is_a_new_revision_and_undoing_it_another(api: Any) -> None:
    path = f"{APPS}/deployments/d"
    await create(api, f"{APPS}/deployments", workload("d", replicas=2))
    await until(api, path, complete(2))
    for image, revision in (("i:2", "2"), ("i:1", "3")):
        await api.patch(path, {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}})
        found = await until(api, path, complete(2))
        assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == revision
        sets = (await api.get(f"{APPS}/replicasets")).json["items"]
        (current,) = [one for one in sets if one["spec"]["replicas"]]
        assert current["spec"]["template"]["spec"]["containers"][0]["image"] == image
        assert current["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == revision
    assert current["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"
    assert len(sets) == 2


async def test_old_revisions_beyond_the_limit_are_forgotten(api: Any) -> None:
    path = f"{APPS}/deployments/d"
    await create(api, f"{APPS}/deployments", workload("d", replicas=1, revisionHistoryLimit=1))
    for number in range(4):
        await until(api, path, complete(1))
        image = {"name": "c", "image": f"i:{number + 2}"}
        await api.patch(path, {"spec": {"template": {"spec": {"containers": [image]}}}})
    await until(api, path, complete(1))
    await until(api, f"{APPS}/replicasets", lambda found: len(found["items"]) == 2)


async def test_a_bad_image_leaves_the_old_pods_serving(api: Any) -> None:
    path = f"{APPS}/deployments/d"
    await create(api, f"{APPS}/deployments", workload("d", replicas=3))
    await until(api, path, complete(3))
    await api.patch(path, {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "bad:1"}]}}}})
    found = await until(
        api,
        path,
        lambda one: (one["status"].get("updatedReplicas"), one["status"].get("unavailableReplicas")) == (1, 1),
    )
    assert found["status"]["availableReplicas"] == 3
    assert condition(found, "Available")[0] == "True"

    async def waiting() -> bool:
        statuses = [one for pod in await pods_of(api) for one in pod["status"].get("containerStatuses") or ()]
        reasons = [one["state"]["waiting"]["reason"] for one in statuses if "waiting" in one["state"]]
        return reasons == ["ImagePullBackOff"]

    await eventually(waiting)
    await api.patch(path, {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "good:1"}]}}}})
    await until(api, path, complete(3))


async def test_a_rollout_that_makes_no_progress_exceeds_its_deadline(api: Any) -> None:
    await create(api, f"{APPS}/deployments", workload("d", template("x:broken"), progressDeadlineSeconds=1))
    found = await until(
        api, f"{APPS}/deployments/d", lambda one: condition(one, "Progressing")[1] == "ProgressDeadlineExceeded"
    )
    assert condition(found, "Progressing")[0] == "False"
    assert condition(found, "Available") == ("False", "MinimumReplicasUnavailable")


async def test_a_deployment_told_to_exceed_its_deadline_does_so_at_once(api: Any) -> None:
    told = {"sim.gitops/fail": "progress-deadline"}
    await create(api, f"{APPS}/deployments", workload("d", annotations=told))
    path = f"{APPS}/deployments/d"
    await until(api, path, lambda one: condition(one, "Progressing")[1] == "ProgressDeadlineExceeded")
    await api.patch(path, {"metadata": {"annotations": {"sim.gitops/fail": None}}})
    await until(api, path, complete(1))


@pytest.mark.parametrize(
    ("fault", "phase", "reason"),
    [
        ("crash-loop", "Running", "CrashLoopBackOff"),
        ("image-pull", "Pending", "ImagePullBackOff"),
        ("job-failed", "Running", "CrashLoopBackOff"),
    ],
)
async def test_pods_fail_as_their_annotations_say(api: Any, fault: str, phase: str, reason: str) -> None:
    pod = template(annotations={"sim.gitops/fail": fault})
    pod["metadata"]["name"] = "p"
    await create(api, f"{CORE}/pods", pod)
    found = await until(api, f"{CORE}/pods/p", lambda one: one["status"].get("containerStatuses"))
    assert found["status"]["phase"] == phase
    assert found["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == reason
    assert condition(found, "Ready") == ("False", "ContainersNotReady")
    events = f"{CORE}/events?fieldSelector=involvedObject.uid%3D{found['metadata']['uid']}"
    said = await until(api, events, lambda all_: all_["items"])
    assert [(one["type"], one["reason"]) for one in said["items"]] == [("Warning", "BackOff")]


async def test_a_pod_may_be_ready_late(api: Any) -> None:
    pod = template(annotations={"sim.gitops/ready-after": "300ms"})
    pod["metadata"]["name"] = "p"
    made = await create(api, f"{CORE}/pods", pod)
    assert (made["status"]["phase"], (await api.get(f"{CORE}/pods/p")).json["status"]["phase"]) == (
        "Pending",
        "Pending",
    )
    await until(api, f"{CORE}/pods/p", lambda one: condition(one, "Ready")[0] == "True")


async def test_scaling_and_deleting_pods_brings_the_wanted_number_back(api: Any) -> None:
    path = f"{APPS}/deployments/d"
    await create(api, f"{APPS}/deployments", workload("d", replicas=1))
    await until(api, path, complete(1))
    await api.patch(f"{path}/scale", {"spec": {"replicas": 4}})
    await until(api, path, complete(4))
    victim = (await pods_of(api))[0]["metadata"]["name"]
    await api.delete(f"{CORE}/pods/{victim}")

    async def replaced() -> bool:
        names = {pod["metadata"]["name"] for pod in await pods_of(api)}
        return victim not in names and len(names) == 4

    await eventually(replaced)
    await api.patch(f"{path}/scale", {"spec": {"replicas": 0}})
    found = await until(api, path, lambda one: not one["status"].get("replicas"))
    assert condition(found, "Available")[0] == "True"


async def test_deleting_a_deployment_takes_its_sets_and_pods_along(api: Any) -> None:
    await create(api, f"{APPS}/deployments", workload("d", replicas=2))
    await until(api, f"{APPS}/deployments/d", complete(2))
    await api.delete(f"{APPS}/deployments/d", {"propagationPolicy": "Foreground"})

    async def gone() -> bool:
        sets = (await api.get(f"{APPS}/replicasets")).json["items"]
        return not sets and not await pods_of(api) and (await api.get(f"{APPS}/deployments/d")).status == 404

    await eventually(gone)


async def test_a_paused_deployment_waits_and_a_recreated_one_never_overlaps(api: Any) -> None:
    path = f"{APPS}/deployments/d"
    await create(api, f"{APPS}/deployments", workload("d", paused=True, strategy={"type": "Recreate"}))
    await until(api, path, lambda one: condition(one, "Progressing") == ("Unknown", "DeploymentPaused"))
    assert (await api.get(f"{APPS}/replicasets")).json["items"] == []
    await api.patch(path, {"spec": {"paused": None}})
    await until(api, path, complete(1))
    await api.patch(path, {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i:2"}]}}}})
    await until(api, path, complete(1))


async def test_a_stateful_set_makes_named_pods_with_bound_claims(api: Any) -> None:
    body = workload("s", replicas=2, serviceName="s")
    body["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": claim()}]
    await create(api, f"{APPS}/statefulsets", body)
    path = f"{APPS}/statefulsets/s"

    def rolled(found: Any) -> bool:
        status = found["status"]
        ready = (status.get("readyReplicas"), status.get("updatedReplicas"), status.get("currentReplicas"))
        return ready == (2, 2, 2) and status["currentRevision"] == status["updateRevision"]

    first = await until(api, path, rolled)
    assert {pod["metadata"]["name"] for pod in await pods_of(api)} == {"s-0", "s-1"}
    claims = (await api.get(f"{CORE}/persistentvolumeclaims")).json["items"]
    assert {(one["metadata"]["name"], one["status"]["phase"]) for one in claims} == {
        ("data-s-0", "Bound"),
        ("data-s-1", "Bound"),
    }
    await api.patch(path, {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i:2"}]}}}})
    before = first["status"]["updateRevision"]
    await until(api, path, lambda one: rolled(one) and one["status"]["updateRevision"] != before)
    assert {pod["spec"]["containers"][0]["image"] for pod in await pods_of(api)} == {"i:2"}
    assert len((await api.get(f"{APPS}/controllerrevisions")).json["items"]) == 2


async def test_a_daemon_set_runs_on_the_one_node(api: Any) -> None:
    await create(api, f"{APPS}/daemonsets", workload("ds"))
    found = await until(api, f"{APPS}/daemonsets/ds", lambda one: one["status"].get("numberAvailable") == 1)
    assert found["status"]["desiredNumberScheduled"] == found["status"]["updatedNumberScheduled"] == 1
    elsewhere = workload("nowhere", template(nodeSelector={"kubernetes.io/os": "plan9"}))
    await create(api, f"{APPS}/daemonsets", elsewhere)
    await until(api, f"{APPS}/daemonsets/nowhere", lambda one: one["status"].get("observedGeneration") == 1)
    assert (await api.get(f"{APPS}/daemonsets/nowhere")).json["status"]["desiredNumberScheduled"] == 0


async def test_jobs_complete_fail_and_expire(api: Any) -> None:
    def job(name: str, image: str = "i:1", **spec: Any) -> dict[str, Any]:
        return {"metadata": {"name": name}, "spec": {"template": template(image, restartPolicy="Never"), **spec}}

    await create(api, JOBS, job("good", completions=3, parallelism=2))
    done = await until(api, f"{JOBS}/good", lambda one: condition(one, "Complete")[0] == "True")
    assert (done["status"]["succeeded"], "completionTime" in done["status"]) == (3, True)
    assert condition(done, "SuccessCriteriaMet")[0] == "True"
    await create(api, JOBS, job("stuck", "doesnotexist"))
    failed = await until(api, f"{JOBS}/stuck", lambda one: condition(one, "Failed")[0] == "True")
    assert condition(failed, "Failed")[1] == "BackoffLimitExceeded"
    await create(api, JOBS, job("waits", suspend=True))
    await until(api, f"{JOBS}/waits", lambda one: condition(one, "Suspended") == ("True", "JobSuspended"))
    await api.patch(f"{JOBS}/waits", {"spec": {"suspend": False}})
    await until(api, f"{JOBS}/waits", lambda one: condition(one, "Complete")[0] == "True")
    await create(api, JOBS, job("brief", ttlSecondsAfterFinished=0))

    async def expired() -> bool:
        return bool((await api.get(f"{JOBS}/brief")).status == 404)

    await eventually(expired)


async def test_a_replication_controller_makes_pods(api: Any) -> None:
    body = {"metadata": {"name": "rc"}, "spec": {"replicas": 2, "selector": {"a": "x"}, "template": template()}}
    await create(api, f"{CORE}/replicationcontrollers", body)
    path = f"{CORE}/replicationcontrollers/rc"
    found = await until(api, path, lambda each: each["status"].get("availableReplicas") == 2)
    assert found["status"]["replicas"] == 2
    assert "terminatingReplicas" not in found["status"]


async def test_a_cron_job_makes_jobs_on_schedule_if_it_is_asked_to(api: Any) -> None:
    spec = {"schedule": "@every 1s", "jobTemplate": {"spec": {"template": template(restartPolicy="Never")}}}
    body = {"metadata": {"name": "c", "annotations": {"sim.gitops/on-schedule": "true"}}, "spec": spec}
    path = "/apis/batch/v1/namespaces/default/cronjobs"
    await create(api, path, body)
    found = await until(api, f"{path}/c", lambda each: each["status"].get("lastSuccessfulTime"))
    assert found["status"]["lastScheduleTime"]
    jobs = (await api.get(JOBS)).json["items"]
    assert jobs[0]["metadata"]["ownerReferences"][0]["name"] == "c"


async def test_a_pod_with_gates_waits_until_they_are_gone(api: Any) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}], "schedulingGates": [{"name": "example.com/wait"}]}
    await create(api, f"{CORE}/pods", {"metadata": {"name": "gated"}, "spec": spec})
    await create(api, f"{CORE}/pods", {"metadata": {"name": "free"}, "spec": template()["spec"]})
    await until(api, f"{CORE}/pods/free", lambda each: each["status"]["phase"] == "Running")
    assert (await api.get(f"{CORE}/pods/gated")).json["status"]["phase"] == "Pending"
    assert (await api.patch(f"{CORE}/pods/gated", {"spec": {"schedulingGates": None}})).status == 200
    await until(api, f"{CORE}/pods/gated", lambda each: each["status"]["phase"] == "Running")


async def test_services_get_endpoints_and_load_balancers_addresses(api: Any) -> None:
    await create(api, f"{APPS}/deployments", workload("d", replicas=2))
    ports = [{"port": 80, "targetPort": 8080}]
    await create(api, f"{CORE}/services", {"metadata": {"name": "s"}, "spec": {"selector": {"a": "x"}, "ports": ports}})
    found = await until(
        api,
        f"{CORE}/endpoints/s",
        lambda one: len((one.get("subsets") or [{}])[0].get("addresses") or ()) == 2,
    )
    assert found["subsets"][0]["ports"] == [{"port": 8080, "protocol": "TCP"}]
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name%3Ds"
    await until(api, slices, lambda all_: len(all_["items"]) == 1 and len(all_["items"][0]["endpoints"]) == 2)
    balanced = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    await create(api, f"{CORE}/services", {"metadata": {"name": "lb"}, "spec": balanced})
    address = await until(api, f"{CORE}/services/lb", lambda one: one["status"]["loadBalancer"].get("ingress"))
    assert address["status"]["loadBalancer"]["ingress"][0]["ip"].startswith("192.0.2.")
    quiet = {"name": "none", "annotations": {"sim.gitops/no-address": "true"}}
    await create(api, f"{CORE}/services", {"metadata": quiet, "spec": balanced})
    await create(api, f"{CORE}/services", {"metadata": {"name": "last"}, "spec": balanced})
    await until(api, f"{CORE}/services/last", lambda one: one["status"]["loadBalancer"].get("ingress"))
    assert (await api.get(f"{CORE}/services/none")).json["status"]["loadBalancer"] == {}


async def test_kinds_that_only_look_on_say_what_they_see(api: Any) -> None:
    await create(api, f"{APPS}/deployments", workload("d", replicas=2))
    budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    await create(api, budgets, {"metadata": {"name": "b"}, "spec": {"minAvailable": "50%", "selector": SELECTOR}})
    found = await until(api, f"{budgets}/b", lambda one: one["status"].get("currentHealthy") == 2)
    assert (found["status"]["desiredHealthy"], found["status"]["disruptionsAllowed"]) == (1, 1)
    scalers = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
    await create(api, scalers, {"metadata": {"name": "h"}, "spec": {"maxReplicas": 3, "scaleTargetRef": target}})
    await until(api, f"{scalers}/h", lambda one: condition(one, "ScalingActive")[0] == "True")
    ingresses = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    await create(api, ingresses, {"metadata": {"name": "i"}, "spec": {"defaultBackend": backend}})
    await until(api, f"{ingresses}/i", lambda one: one["status"]["loadBalancer"].get("ingress"))
    services = "/apis/apiregistration.k8s.io/v1/apiservices"
    registered = {"group": "x.io", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1}
    aggregated = {**registered, "service": {"namespace": "default", "name": "nobody"}}
    await create(api, services, {"metadata": {"name": "v1.x.io"}, "spec": aggregated})
    await until(api, f"{services}/v1.x.io", lambda one: condition(one, "Available") == ("False", "ServiceNotFound"))
    node = (await api.get("/api/v1/nodes/node-1")).json
    assert condition(node, "Ready")[0] == "True" and not node["spec"].get("taints")


async def test_claims_are_bound_but_for_those_of_the_class_never(api: Any) -> None:
    path = f"{CORE}/persistentvolumeclaims"
    await create(api, path, {"metadata": {"name": "never"}, "spec": claim("never")})
    await create(api, path, {"metadata": {"name": "bound"}, "spec": claim()})
    found = await until(api, f"{path}/bound", lambda one: one["status"]["phase"] == "Bound")
    volume = f"/api/v1/persistentvolumes/{found['spec']['volumeName']}"
    await until(api, volume, lambda one: one["status"]["phase"] == "Bound")
    assert (await api.get(f"{path}/never")).json["status"] == {"phase": "Pending"}
    await api.delete(f"{path}/bound")

    async def given_back() -> bool:
        return [(await api.get(f"{path}/bound")).status, (await api.get(volume)).status] == [404, 404]

    await eventually(given_back)


async def test_a_restart_goes_on_where_it_stopped(tmp_path: Path) -> None:
    late = workload("d", template(annotations={"sim.gitops/ready-after": "1h"}), replicas=2)
    async with ControlPlane(tmp_path, Settings(simulation_delay=0.0)) as plane, client_of(plane) as api:
        await create(api, f"{APPS}/deployments", late)
        await until(api, f"{APPS}/deployments/d", lambda one: one["status"].get("replicas") == 2)
        before = {pod["metadata"]["uid"] for pod in await pods_of(api)}
    async with ControlPlane(tmp_path, Settings(simulation_delay=0.0)) as plane, client_of(plane) as api:
        now = {"sim.gitops/ready-after": "0s"}
        for pod in await pods_of(api):
            await api.patch(f"{CORE}/pods/{pod['metadata']['name']}", {"metadata": {"annotations": now}})
        await until(api, f"{APPS}/deployments/d", lambda one: one["status"].get("updatedReplicas") == 2)
        assert {pod["metadata"]["uid"] for pod in await pods_of(api)} == before
