"""What is refused, in the words of a real server."""

from __future__ import annotations

from typing import Any

import pytest

from afflux.controlplane.builtin_kinds import builtin_served_kinds

LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
CONTAINER = {"name": "c", "image": "i"}
OTHER = {"name": "c", "image": "j"}
SELECTOR = {"matchLabels": {"a": "x"}}
NAMESPACED = {
    "ConfigMap": "/api/v1/namespaces/default/configmaps",
    "Secret": "/api/v1/namespaces/default/secrets",
    "Pod": "/api/v1/namespaces/default/pods",
    "Service": "/api/v1/namespaces/default/services",
    "PersistentVolumeClaim": "/api/v1/namespaces/default/persistentvolumeclaims",
    "Deployment.apps": "/apis/apps/v1/namespaces/default/deployments",
    "StatefulSet.apps": "/apis/apps/v1/namespaces/default/statefulsets",
    "Job.batch": "/apis/batch/v1/namespaces/default/jobs",
    "CronJob.batch": "/apis/batch/v1/namespaces/default/cronjobs",
    "Ingress.networking.k8s.io": "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
    "Role.rbac.authorization.k8s.io": "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
    "RoleBinding.rbac.authorization.k8s.io": "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
    "HorizontalPodAutoscaler.autoscaling": "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
}


def template(*containers: Any, labels: Any = None, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": labels or {"a": "x"}}, "spec": {"containers": list(containers), **spec}}


def deployment(*containers: Any, labels: Any = None, **spec: Any) -> dict[str, Any]:
    pods = template(*(containers or (CONTAINER,)), labels=labels)
    return {"spec": {"selector": SELECTOR, "template": pods, **spec}}


def pod(**spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [CONTAINER], **spec}}


def job(policy: str = "Never", **spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [CONTAINER], "restartPolicy": policy}}, **spec}}


REFUSED = [
    (
        "Deployment.apps",
        deployment(labels={"app": "nginx-new"}),
        'spec.template.metadata.labels: Invalid value: {"app":"nginx-new"}: '
        "`selector` does not match template `labels`",
    ),
    (
        "Deployment.apps",
        deployment({"name": "C!"}, {"name": "d", "ports": [{"containerPort": 99999}]}),
        f'[spec.template.spec.containers[0].name: Invalid value: "C!": {LABEL_TEXT}, '
        "spec.template.spec.containers[0].image: Required value, "
        "spec.template.spec.containers[1].image: Required value, "
        "spec.template.spec.containers[1].ports[0].containerPort: Invalid value: 99999: "
        "must be between 1 and 65535, inclusive]",
    ),
    (
        "Deployment.apps",
        deployment(strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
        "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
    ),
    (
        "Deployment.apps",
        deployment(replicas=-1),
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
    ),
    (
        "Deployment.apps",
        deployment(template=template(CONTAINER, restartPolicy="Never")),
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ),
    (
        "Pod",
        pod(volumes=[{"name": "v", "emptyDir": {}, "configMap": {"name": "c"}}]),
        "spec.volumes[0].configMap: Forbidden: may not specify more than 1 volume type",
    ),
    (
        "Pod",
        pod(containers=[{**CONTAINER, "volumeMounts": [{"name": "none", "mountPath": "/x"}]}]),
        'spec.containers[0].volumeMounts[0].name: Not found: "none"',
    ),
    (
        "Pod",
        pod(containers=[{**CONTAINER, "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1500m"}}}]),
        'spec.containers[0].resources.requests: Invalid value: "1500m": must be less than or equal to cpu limit of 1',
    ),
    (
        "Pod",
        pod(containers=[CONTAINER, CONTAINER]),
        'spec.containers[1].name: Duplicate value: "c"',
    ),
    (
        "Service",
        {"spec": {"ports": [{"port": 80}, {"port": 81}]}},
        "[spec.ports[0].name: Required value, spec.ports[1].name: Required value]",
    ),
    ("Service", {"spec": {}}, "spec.ports: Required value"),
    (
        "ConfigMap",
        {"data": {"a b": "1"}},
        "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or "
        "'.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    ),
    ("Secret", {"type": "kubernetes.io/tls", "data": {"tls.crt": "YQ=="}}, "data[tls.key]: Required value"),
    (
        "Secret",
        {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "aHVzaA=="}},
        'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": invalid character in JSON document',
    ),
    (
        "Role.rbac.authorization.k8s.io",
        {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": []}]},
        "rules[0].verbs: Required value: verbs must contain at least one value",
    ),
    (
        "RoleBinding.rbac.authorization.k8s.io",
        {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "ServiceAccount", "name": "s"}]},
        "subjects[0].namespace: Required value",
    ),
    (
        "Job.batch",
        job("Always"),
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ),
    (
        "CronJob.batch",
        {"spec": {"schedule": "hourly", "jobTemplate": job("OnFailure")}},
        'spec.schedule: Invalid value: "hourly": expected exactly 5 fields, found 1: [hourly]',
    ),
    (
        "Ingress.networking.k8s.io",
        {"spec": {"rules": [{"http": {"paths": [{"backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]}},
        "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified",
    ),
    (
        "HorizontalPodAutoscaler.autoscaling",
        {"spec": {"maxReplicas": 0, "minReplicas": 1, "scaleTargetRef": {"kind": "Deployment", "name": "d"}}},
        "[spec.maxReplicas: Invalid value: 0: must be greater than 0, "
        "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`, "
        'spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group]',
    ),
    (
        "PersistentVolumeClaim",
        {"spec": {"accessModes": ["ReadWriteOnce"]}},
        "spec.resources[storage]: Required value",
    ),
]


@pytest.mark.parametrize(("kind", "body", "expected"), REFUSED, ids=lambda value: str(value)[:40])
async def test_a_bad_object_is_refused_in_the_servers_words(api: Any, kind: str, body: Any, expected: str) -> None:
    reply = await api.post(NAMESPACED[kind], {"metadata": {"name": "x"}, **body})
    assert reply.status == 422, reply.text
    assert reply.json["message"] == f'{kind} "x" is invalid: {expected}'
    assert reply.json["reason"] == "Invalid"
    assert reply.json["details"]["kind"] == kind.partition(".")[0]


STATEFUL_SET = {"spec": {"serviceName": "s", "selector": SELECTOR, "template": template(CONTAINER)}}
CLAIM = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
ROLE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
IMMUTABLE = [
    (
        "Deployment.apps",
        deployment(),
        {"spec": {"selector": {"matchLabels": {"b": "y"}}, "template": {"metadata": {"labels": {"b": "y"}}}}},
        'spec.selector: Invalid value: {"matchLabels":{"a":"x","b":"y"}}: field is immutable',
    ),
    (
        "StatefulSet.apps",
        STATEFUL_SET,
        {"spec": {"serviceName": "t"}},
        "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
        "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are "
        "forbidden",
    ),
    ("Secret", {"type": "A"}, {"type": "B"}, 'type: Invalid value: "B": field is immutable'),
    (
        "ConfigMap",
        {"immutable": True, "data": {"a": "1"}},
        {"data": {"a": "2"}},
        "data: Forbidden: field is immutable when `immutable` is set",
    ),
    (
        "Service",
        {"spec": {"ports": [{"port": 80}]}},
        {"spec": {"clusterIP": "10.96.77.77", "clusterIPs": ["10.96.77.77"]}},
        'spec.clusterIPs[0]: Invalid value: ["10.96.77.77"]: may not change once set',
    ),
    (
        "RoleBinding.rbac.authorization.k8s.io",
        {"roleRef": ROLE},
        {"roleRef": {"name": "zz"}},
        'roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"zz"}: '
        "cannot change roleRef",
    ),
]


@pytest.mark.parametrize(("kind", "body", "patch", "expected"), IMMUTABLE, ids=lambda value: str(value)[:30])
async def test_what_is_set_once_stays(api: Any, kind: str, body: Any, patch: Any, expected: str) -> None:
    path = NAMESPACED[kind]
    assert (await api.post(path, {"metadata": {"name": "x"}, **body})).status == 201
    reply = await api.patch(f"{path}/x", patch)
    assert reply.status == 422, reply.text
    assert reply.json["message"] == f'{kind} "x" is invalid: {expected}'


@pytest.mark.parametrize(
    ("kind", "body", "patch", "said"),
    [
        (
            "Job.batch",
            job(),
            {"spec": {"template": {"spec": {"containers": [{**CONTAINER, "image": "j"}]}}}},
            "immutable",
        ),
        ("Pod", pod(), {"spec": {"restartPolicy": "Never"}}, "pod updates may not change fields other than"),
        (
            "PersistentVolumeClaim",
            CLAIM,
            {"spec": {"accessModes": ["ReadWriteMany"]}},
            "spec is immutable after creation",
        ),
    ],
)
async def test_specs_of_running_things_are_frozen(api: Any, kind: str, body: Any, patch: Any, said: str) -> None:
    path = NAMESPACED[kind]
    assert (await api.post(path, {"metadata": {"name": "x"}, **body})).status == 201
    reply = await api.patch(f"{path}/x", patch)
    assert (reply.status, said in reply.json["message"]) == (422, True)


async def test_a_pods_image_may_change(api: Any) -> None:
    assert (await api.post(NAMESPACED["Pod"], {"metadata": {"name": "x"}, **pod()})).status == 201
    images = [{"op": "replace", "path": "/spec/containers/0/image", "value": "j"}]
    reply = await api.patch(f"{NAMESPACED['Pod']}/x", images, "application/json-patch+json")
    assert reply.json["spec"]["containers"][0]["image"] == "j"


async def test_a_config_map_may_hold_a_mebibyte_and_no_more(api: Any) -> None:
    whole = {"metadata": {"name": "x"}, "data": {"a": "y" * (1024 * 1024)}}
    assert (await api.post(f"{NAMESPACED['ConfigMap']}?dryRun=All", whole)).status == 201
    more = {"metadata": {"name": "x"}, "data": {"a": "y" * (1024 * 1024 + 1)}}
    reply = await api.post(f"{NAMESPACED['ConfigMap']}?dryRun=All", more)
    assert reply.json["message"] == 'ConfigMap "x" is invalid: []: Too long: may not be more than 1048576 bytes'


async def test_who_makes_a_webhook_is_told_that_it_is_not_called(api: Any) -> None:
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    reply = await api.post(path, {"metadata": {"name": "hook"}, "webhooks": []})
    assert reply.status == 201
    assert "webhooks are not called by this control plane" in reply.headers["Warning"]


@pytest.mark.parametrize("content", [{}, {"spec": {}}, {"spec": {"template": {}}, "metadata": {"labels": {}}}])
async def test_an_object_with_nothing_in_it_is_accepted_or_refused_but_never_an_error(api: Any, content: Any) -> None:
    wrong = {}
    for kind in builtin_served_kinds("1.36"):
        if "create" not in kind.verbs or "review" in kind.plural or kind.gvk.kind in ("Binding", "Eviction"):
            continue
        base = f"/apis/{kind.gvk.group}" if kind.gvk.group else "/api"
        path = f"{base}/{kind.gvk.version}{'/namespaces/default' if kind.namespaced else ''}/{kind.plural}"
        body = {**content, "metadata": {"name": "x.y", **content.get("metadata", {})}}
        reply = await api.post(f"{path}?dryRun=All", body)
        if reply.status not in (201, 400, 422):
            wrong[kind.gvk.kind] = reply.text
    assert not wrong
