"""Readiness by the rules of kstatus."""

from typing import Any

import pytest

from afflux.manifests.readiness import readiness


def obj(api_version: str, kind: str, **sections: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, **sections}


def conditions(**statuses: str) -> list[dict[str, str]]:
    """``Type="True/Reason"``; the message is the reason in words."""
    split = {type_: text.split("/") for type_, text in statuses.items()}
    return [
        {"type": type_, "status": parts[0], "reason": parts[-1], "message": f"because of {parts[-1]}"}
        for type_, parts in split.items()
    ]


def deployment(**status: Any) -> dict[str, Any]:
    counts = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}
    done = conditions(Progressing="True/NewReplicaSetAvailable", Available="True")
    return obj(
        "apps/v1",
        "Deployment",
        spec={"replicas": 2, "progressDeadlineSeconds": 600},
        status={**counts, "conditions": done, **status},
    )


def stateful_set(status: dict[str, Any], **spec: Any) -> dict[str, Any]:
    counts = {"replicas": 1, "readyReplicas": 1, "currentReplicas": 1, "updatedReplicas": 1}
    return obj("apps/v1", "StatefulSet", spec={"replicas": 1, **spec}, status={**counts, **status})


def daemon_set(**status: Any) -> dict[str, Any]:
    names = ("current", "updated")
    counts = {f"{name}NumberScheduled": 1 for name in names}
    status = {"observedGeneration": 1, "desiredNumberScheduled": 1, "numberAvailable": 1, "numberReady": 1} | status
    return {**obj("apps/v1", "DaemonSet", status=counts | status), "metadata": {"name": "x", "generation": 1}}


def pod(phase: str | None, **status: Any) -> dict[str, Any]:
    return obj("v1", "Pod", status={"phase": phase, **status})


CRASHING = [{"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]


@pytest.mark.parametrize(
    ("manifest", "status", "message"),
    [
        (obj("v1", "ConfigMap"), "Current", "Resource is always ready"),
        (obj("example.com/v1", "Widget"), "Current", "Resource is current"),
        (
            {**deployment(), "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
            "Terminating",
            "Resource scheduled for deletion",
        ),
        (
            {**deployment(observedGeneration=1), "metadata": {"generation": 2}},
            "InProgress",
            "Deployment generation is 2, but latest observed generation is 1",
        ),
        (deployment(), "Current", "Deployment is available. Replicas: 2"),
        (deployment(replicas=1), "InProgress", "Replicas: 1/2"),
        (deployment(updatedReplicas=1), "InProgress", "Updated: 1/2"),
        (deployment(replicas=3), "InProgress", "Pending termination: 1"),
        (deployment(availableReplicas=1), "InProgress", "Available: 1/2"),
        (deployment(readyReplicas=0), "InProgress", "Ready: 0/2"),
        (deployment(conditions=conditions(Available="True")), "InProgress", "ReplicaSet not Available"),
        (
            deployment(conditions=conditions(Progressing="True/NewReplicaSetAvailable")),
            "InProgress",
            "Deployment not Available",
        ),
        (
            deployment(conditions=conditions(Progressing="False/ProgressDeadlineExceeded")),
            "Failed",
            "Progress deadline exceeded",
        ),
        (
            stateful_set({}),
            "Current",
            "All replicas scheduled as expected. Replicas: 1",
        ),
        (stateful_set({"readyReplicas": 0}), "InProgress", "Ready: 0/1"),
        (stateful_set({"updateRevision": "b"}), "InProgress", "Waiting for updated revision to match current"),
        (
            stateful_set({}, updateStrategy={"type": "OnDelete"}),
            "Current",
            "StatefulSet is using the ondelete update strategy",
        ),
        (
            stateful_set({}, updateStrategy={"rollingUpdate": {"partition": 0}}),
            "Current",
            "Partition rollout complete. updated: 1",
        ),
        (daemon_set(), "Current", "All replicas scheduled as expected. Replicas: 1"),
        (daemon_set(numberReady=0), "InProgress", "Ready: 0/1"),
        (obj("apps/v1", "DaemonSet"), "InProgress", "DaemonSet metadata.generation not found"),
        (obj("v1", "PersistentVolumeClaim"), "InProgress", "PVC is not Bound. phase: unknown"),
        (obj("v1", "PersistentVolumeClaim", status={"phase": "Bound"}), "Current", "PVC is Bound"),
        (pod(None), "InProgress", "Pod phase not available"),
        (pod("Pending"), "InProgress", "Pod is in the Pending phase"),
        (pod("Running"), "InProgress", "Pod is running but is not Ready"),
        (pod("Running", containerStatuses=CRASHING), "Failed", "Containers in CrashLoop state: c"),
        (pod("Running", conditions=conditions(Ready="True")), "Current", "Pod is Ready"),
        (pod("Succeeded"), "Current", "Pod has completed successfully"),
        (obj("batch/v1", "Job"), "InProgress", "Job in progress"),
        (obj("batch/v1", "Job", spec={"suspend": True}), "Current", "Job is suspended"),
        (
            obj("batch/v1", "Job", status={"succeeded": 1, "conditions": conditions(Complete="True")}),
            "Current",
            "Job Completed. succeeded: 1/1",
        ),
        (
            obj("batch/v1", "Job", status={"failed": 7, "conditions": conditions(Failed="True")}),
            "Failed",
            "Job Failed. failed: 7/1",
        ),
        (obj("v1", "Service", spec={"type": "ClusterIP"}), "Current", "Service is ready"),
        (
            obj("v1", "Service", spec={"type": "LoadBalancer"}),
            "InProgress",
            "ClusterIP not set. Service type: LoadBalancer",
        ),
        (
            obj(
                "v1",
                "Service",
                spec={"type": "LoadBalancer", "clusterIP": "10.0.0.1"},
                status={"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
            ),
            "Current",
            "Service is ready",
        ),
        (obj("apiextensions.k8s.io/v1", "CustomResourceDefinition"), "InProgress", "Install in progress"),
        (
            obj(
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                status={"conditions": conditions(NamesAccepted="True", Established="True")},
            ),
            "Current",
            "CRD is established",
        ),
        (
            obj(
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                status={"conditions": conditions(NamesAccepted="False/ListKindConflict")},
            ),
            "Failed",
            "because of ListKindConflict",
        ),
        (obj("x.io/v1", "W", status={"conditions": conditions(Ready="True")}), "Current", "Resource is Ready"),
        (obj("x.io/v1", "W", status={"conditions": conditions(Ready="False/No")}), "InProgress", "because of No"),
        (
            obj("x.io/v1", "W", status={"conditions": conditions(Ready="False/No", Stalled="True/Bad")}),
            "Failed",
            "because of Bad",
        ),
        (
            obj("x.io/v1", "W", status={"conditions": conditions(Ready="True", Reconciling="True/Busy")}),
            "InProgress",
            "because of Busy",
        ),
        (obj("x.io/v1", "W", status={"conditions": "odd"}), "Current", "Resource is current"),
    ],
)
def test_the_status_of_an_object_says_how_far_it_is(manifest: dict[str, Any], status: str, message: str) -> None:
    assert readiness(manifest) == (status, message)
