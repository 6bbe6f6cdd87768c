"""Defaults of the kinds that make Pods: apps, batch and ReplicationControllers."""

from afflux.controlplane.defaults.pod import TEMPLATE
from afflux.controlplane.defaults.rules import Fields, Node


def _rolling(field: str, parameters: Node) -> Fields:
    """A strategy that rolls unless it says otherwise; another strategy takes no rolling parameters."""

    def roll(strategy: Node) -> Node:
        if strategy.get("type") != "RollingUpdate":
            return strategy
        return Fields({"rollingUpdate": {}}, inside={"rollingUpdate": Fields(parameters)})(strategy)

    return Fields({field: {}}, inside={field: Fields({"type": "RollingUpdate"}, then=(roll,))})


DEPLOYMENT = Fields(
    inside={
        "spec": Fields(
            {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600},
            inside={"template": TEMPLATE},
            then=(_rolling("strategy", {"maxUnavailable": "25%", "maxSurge": "25%"}),),
        )
    }
)

_CLAIM = Fields(
    {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"phase": "Pending"}},
    inside={"spec": Fields({"volumeMode": "Filesystem"})},
)
_KEEP_CLAIMS = {"whenDeleted": "Retain", "whenScaled": "Retain"}
STATEFUL_SET = Fields(
    inside={
        "spec": Fields(
            {
                "replicas": 1,
                "podManagementPolicy": "OrderedReady",
                "revisionHistoryLimit": 10,
                "persistentVolumeClaimRetentionPolicy": {},
            },
            inside={"template": TEMPLATE, "persistentVolumeClaimRetentionPolicy": Fields(_KEEP_CLAIMS)},
            each={"volumeClaimTemplates": _CLAIM},
            then=(_rolling("updateStrategy", {"partition": 0}),),
        )
    }
)

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def _template_generation(daemon_set: Node) -> Node:
    """The old counter of template changes, which real servers still show."""
    metadata = daemon_set.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    if TEMPLATE_GENERATION in annotations:
        return daemon_set
    return {**daemon_set, "metadata": {**metadata, "annotations": {**annotations, TEMPLATE_GENERATION: "1"}}}


DAEMON_SET = Fields(
    inside={
        "spec": Fields(
            {"revisionHistoryLimit": 10},
            inside={"template": TEMPLATE},
            then=(_rolling("updateStrategy", {"maxUnavailable": 1, "maxSurge": 0}),),
        )
    },
    then=(_template_generation,),
)

REPLICA_SET = Fields(inside={"spec": Fields({"replicas": 1}, inside={"template": TEMPLATE})})


def _from_template_labels(controller: Node) -> Node:
    """A ReplicationController without selector or labels takes those of its template."""
    spec = controller.get("spec") or {}
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if not labels:
        return controller
    metadata = controller.get("metadata") or {}
    if not spec.get("selector"):
        controller = {**controller, "spec": {**spec, "selector": dict(labels)}}
    if not metadata.get("labels"):
        controller = {**controller, "metadata": {**metadata, "labels": dict(labels)}}
    return controller


REPLICATION_CONTROLLER = Fields(
    inside={"spec": Fields({"replicas": 1}, inside={"template": TEMPLATE})}, then=(_from_template_labels,)
)


def _completions(spec: Node) -> Node:
    """Without either count one Pod does the work; with completions alone, one at a time."""
    if spec.get("completions") is None and spec.get("parallelism") is None:
        return {**spec, "completions": 1, "parallelism": 1}
    return spec if spec.get("parallelism") is not None else {**spec, "parallelism": 1}


def _replacement_policy(spec: Node) -> Node:
    if spec.get("podReplacementPolicy"):
        return spec
    return {**spec, "podReplacementPolicy": "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"}


_ON_POD_CONDITION = Fields(each={"onPodConditions": Fields({"status": "True"})})
_JOB_TEMPLATE = Fields({"metadata": {}}, then=(TEMPLATE,))
JOB = Fields(
    inside={
        "spec": Fields(
            {"backoffLimit": 6, "completionMode": "NonIndexed", "suspend": False, "manualSelector": False},
            inside={
                "template": _JOB_TEMPLATE,
                "podFailurePolicy": Fields(each={"rules": _ON_POD_CONDITION}),
            },
            then=(_completions, _replacement_policy),
        )
    }
)

CRON_JOB = Fields(
    inside={
        "spec": Fields(
            {
                "concurrencyPolicy": "Allow",
                "suspend": False,
                "successfulJobsHistoryLimit": 3,
                "failedJobsHistoryLimit": 1,
            },
            inside={
                "jobTemplate": Fields({"metadata": {}}, inside={"spec": Fields(inside={"template": _JOB_TEMPLATE})})
            },
        )
    }
)
