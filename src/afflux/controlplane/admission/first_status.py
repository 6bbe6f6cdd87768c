"""The status that an object has when it is created, by kind (embedded-api 2.6): what Go prints for it."""

from collections.abc import Callable

from afflux.objects.manifest import Json, Manifest


def _fixed(status: Manifest) -> Callable[[str], Manifest]:
    return lambda now: {name: dict(value) if isinstance(value, dict) else value for name, value in status.items()}


def _volume(now: str) -> Manifest:
    return {"phase": "Pending", "lastPhaseTransitionTime": now}


_NODE_INFO = (
    "machineID systemUUID bootID kernelVersion osImage containerRuntimeVersion kubeletVersion kubeProxyVersion "
    "operatingSystem architecture"
)
_NODE: dict[str, Json] = {
    "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
    "nodeInfo": dict.fromkeys(_NODE_INFO.split(), ""),
}
_DAEMON_SET = {"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0}
_DISRUPTIONS = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}

FIRST_STATUS: dict[tuple[str, str], Callable[[str], Manifest]] = {
    ("", "Namespace"): _fixed({"phase": "Active"}),
    ("", "Service"): _fixed({"loadBalancer": {}}),
    ("", "PersistentVolumeClaim"): _fixed({"phase": "Pending"}),
    ("", "PersistentVolume"): _volume,
    ("", "Node"): _fixed(_NODE),
    ("", "ResourceQuota"): _fixed({}),
    ("", "ReplicationController"): _fixed({"replicas": 0}),
    ("apps", "Deployment"): _fixed({}),
    ("apps", "StatefulSet"): _fixed({"replicas": 0, "availableReplicas": 0}),
    ("apps", "DaemonSet"): _fixed(_DAEMON_SET),
    ("apps", "ReplicaSet"): _fixed({"replicas": 0}),
    ("batch", "Job"): _fixed({}),
    ("batch", "CronJob"): _fixed({}),
    ("networking.k8s.io", "Ingress"): _fixed({"loadBalancer": {}}),
    ("policy", "PodDisruptionBudget"): _fixed(_DISRUPTIONS),
    ("autoscaling", "HorizontalPodAutoscaler"): _fixed({"desiredReplicas": 0, "currentMetrics": None}),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): _fixed({}),
    ("apiregistration.k8s.io", "APIService"): _fixed({}),
}
"""Kinds without a line have none. Argument: the time, RFC 3339. (Pods get theirs in ``pods``, CRDs in their module.)"""
