"""The hundred checks: what clients do, and what must come out. State carries over from one to the next.

Each was observed on a real Kubernetes 1.36. The namespace is ``acc``. A shell check runs with ``kubectl`` as the client
under test, in a directory of its own that holds ``widget.yaml`` and ``deployment.json``; an HTTP check is one request.
"""

# ruff: noqa: E501
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

NS = "/api/v1/namespaces/acc"
APPS = "/apis/apps/v1/namespaces/acc"
WIDGETS = "/apis/example.com/v1/namespaces/acc/widgets"
SCALERS = "namespaces/acc/horizontalpodautoscalers"

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


@dataclass(frozen=True)
class Shell:
    """A script; ``expect`` is a pattern in what it printed (both streams)."""

    number: int
    says: str
    script: str
    expect: str = ""
    code: int = 0
    unsupported: tuple[str, ...] = ()
    """kubectl minors that fail this check on a real server too."""
    without_kubelet: str = ""
    """What it says on a server whose nodes have no kubelet, where a kubelet would have to answer."""


@dataclass(frozen=True)
class Http:
    """A request; ``expect`` is a pattern in the body, with Warning headers after it as ``HDR299 - ...``."""

    number: int
    says: str
    request: str
    status: int
    expect: str = ""
    body: Any = None
    content_type: str = "application/json"
    accept: str = "application/json"


@dataclass(frozen=True)
class Watched:
    """A watch, and what a script does meanwhile."""

    number: int
    says: str
    path: str
    expect: str
    meanwhile: str = ""


Check = Shell | Http | Watched


def deployment(name: str = "d", labels: str = "x", **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": labels}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    whole = {**spec, "replicas": 2, "selector": {"matchLabels": {"a": "x"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": whole}


def config_map(name: str, **more: Any) -> dict[str, Any]:
    metadata = {"name": name, **more.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **more}


def widget(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


def _prunable(*names: str) -> str:
    metadata = {"namespace": "acc", "labels": {"pr": "1"}}
    # The comment makes old clients read it as YAML.
    return "# f\n" + "\n---\n".join(json.dumps(config_map(name, metadata=metadata, data={"a": "1"})) for name in names)


def _owner_script(policy: str) -> str:
    return f"""
kubectl create cm owner -n acc >/dev/null
uid=$(kubectl get cm owner -n acc -o jsonpath={{.metadata.uid}})
kubectl apply -n acc -f - >/dev/null <<END
{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"child","ownerReferences":[
{{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":"$uid"}}]}}}}
END
kubectl delete cm owner -n acc --cascade={policy} >/dev/null
for i in 1 2 3 4 5 6 7 8 9 10; do kubectl get cm child -n acc >/dev/null 2>&1 || break; sleep 0.2; done
kubectl get cm child -n acc >/dev/null 2>&1 && echo kept || echo gone
kubectl delete cm child -n acc --ignore-not-found >/dev/null
"""


_SSA = f"PATCH {NS}/configmaps/s1?fieldManager="
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_ENV_PATCH = '{"spec":{"template":{"spec":{"containers":[{"name":"c","env":[{"name":"E","value":"1"}]}]}}}}'
_HPA = {
    "metadata": {"name": "hp"},
    "spec": {
        "maxReplicas": 3,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
            }
        ],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 5}},
    },
}
_OTHER_SELECTOR = {"spec": {"selector": {"matchLabels": {"a": "y"}}, "template": {"metadata": {"labels": {"a": "y"}}}}}

CHECKS: tuple[Check, ...] = (
    Shell(1, "kubectl finds the server's version", "kubectl version", r"Server Version: .*v\d+\.\d+", unsupported=("1.27",)),
    Shell(2, "a namespace is created", "kubectl create ns acc", "namespace/acc created"),
    Shell(3, "client-side apply creates", "kubectl apply -n acc -f deployment.json", "deployment.apps/d created"),
    Shell(4, "a second client-side apply changes nothing", "kubectl apply -n acc -f deployment.json", "unchanged"),
    Http(5, "server-side apply creates", f"{_SSA}m1", 201, '"manager":"m1","operation":"Apply"',
         config_map("s1", data={"x": "1"}), APPLY),
    Http(6, "a repeated server-side apply is a no-op", f"{_SSA}m1", 200, '"resourceVersion":"SAME"',
         config_map("s1", data={"x": "1"}), APPLY),
    Http(7, "a conflict names manager and field", f"{_SSA}m2", 409,
         r'conflict with \\"m1\\": .data.x.*"causes":\[\{"reason":"FieldManagerConflict"',
         config_map("s1", data={"x": "2"}), APPLY),
    Http(8, "force takes the field", f"{_SSA}m2&force=true", 200, '"x":"2"', config_map("s1", data={"x": "2"}), APPLY),
    Http(9, "a field that is applied no more goes", f"{_SSA}m2", 200, r'"data":\{"y":"1"\}',
         config_map("s1", data={"y": "1"}), APPLY),
    Http(10, "a dry run answers the result", f"PATCH {NS}/configmaps/dry?fieldManager=m&dryRun=All", 201, '"x":"1"',
         config_map("dry", data={"x": "1"}), APPLY),
    Http(11, "and stores nothing", f"GET {NS}/configmaps/dry", 404, '"reason":"NotFound"'),
    Shell(12, "rollout status succeeds", "kubectl rollout status deploy/d -n acc --timeout=20s", "successfully rolled out"),
    Shell(13, "get prints the table", "kubectl get deploy -n acc",
          r"NAME\s+READY\s+UP-TO-DATE\s+AVAILABLE\s+AGE\n+d\s+2/2\s+2\s+2"),
    Shell(14, "wait for a condition", "kubectl wait --for=condition=Available deploy/d -n acc --timeout=10s", "condition met"),
    Shell(15, "a CRD becomes established", "kubectl apply -f widget.yaml && "
          "kubectl wait --for=condition=Established crd/widgets.example.com --timeout=10s", "condition met"),
    Shell(16, "a custom resource is served",
          """echo '{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w1"},"spec":{"size":3}}' """
          "| kubectl apply -n acc -f - && kubectl get widgets -n acc", r"NAME\s+SIZE\s+AGE\n+w1\s+3"),
    Http(17, "a custom resource's defaults are set", f"GET {WIDGETS}/w1", 200, '"color":"red"'),
    Http(18, "a list has a resourceVersion, its items no kind", f"GET {NS}/configmaps", 200,
         r'"kind":"ConfigMapList".*"metadata":\{"resourceVersion":"\d+"\},"items":\[\{"metadata"'),
    Watched(19, "a watch gives ADDED, then live MODIFIED", f"{NS}/configmaps?watch=1&resourceVersion=0",
            "ADDED.*MODIFIED", "kubectl label cm s1 -n acc seen=yes"),
    Watched(20, "initial events end with a bookmark", f"{NS}/configmaps?watch=1&sendInitialEvents=true"
            "&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan", "ADDED.*BOOKMARK.*initial-events-end"),
    Http(21, "a stale PUT is a conflict", f"PUT {NS}/configmaps/s1", 409,
         'the object has been modified.*"reason":"Conflict"', {"metadata": {"name": "s1", "resourceVersion": "1"}}),
    Http(22, "delete answers a Status with the uid", f"DELETE {NS}/configmaps/s1", 200,
         r'"status":"Success","details":\{"name":"s1","kind":"configmaps","uid"'),
    Http(23, "delete of nothing is 404", f"DELETE {NS}/configmaps/s1", 404, r'configmaps \\"s1\\" not found'),
    Http(24, "create of what is there is 409", f"POST {APPS}/deployments", 409, "AlreadyExists", deployment()),
    Shell(25, "create sends protobuf or JSON", "kubectl create cm pb --from-literal=a=b -n acc", "configmap/pb created"),
    Shell(26, "create secret", "kubectl create secret generic sec --from-literal=p=q -n acc && "
          "kubectl get secret sec -n acc -o jsonpath={.data.p}", "cQ=="),
    Shell(27, "a strategic patch merges containers by name", f"kubectl patch deploy d -n acc -p '{_ENV_PATCH}' && "
          "kubectl get deploy d -n acc -o jsonpath={.spec.template.spec.containers[0].image}", "i:1"),
    Shell(28, "null in a merge patch deletes", """kubectl patch cm pb -n acc --type=merge -p '{"data":{"a":null,"b":"1"}}' """
          "&& kubectl get cm pb -n acc -o jsonpath={.data}", r'\{"b":"1"\}'),
    Shell(29, "JSON patch", """kubectl patch cm pb -n acc --type=json -p '[{"op":"add","path":"/data/c","value":"2"}]'""",
          "patched"),
    Shell(30, "a patch without effect says so", """kubectl patch cm pb -n acc --type=merge -p '{"data":{"c":"2"}}'""",
          "no change"),
    Shell(31, "label", "kubectl label cm pb -n acc t=1 && kubectl get cm -n acc -l t=1 -o name", "configmap/pb"),
    Shell(32, "set-based selectors", "kubectl get cm -n acc -l 't in (1,2),!zz' -o name", r"^configmap/pb$"),
    Shell(33, "annotate", "kubectl annotate cm pb -n acc n=hi", "annotated|configmap/pb", unsupported=("1.27",)),
    Shell(34, "scale", "kubectl scale deploy d -n acc --replicas=3 && "
          "kubectl get deploy d -n acc -o jsonpath={.spec.replicas}", "3"),
    Http(35, "generation counts changes of the spec only", f"GET {APPS}/deployments/d", 200, '"generation":3'),
    Shell(36, "diff shows nothing for what is applied", "kubectl replace -n acc -f deployment.json && sleep 1 && "
          "kubectl diff -n acc -f deployment.json --server-side --force-conflicts; echo rc=$?", "rc=0"),
    Shell(37, "diff shows a change", "sed s/i:1/i:2/ deployment.json | "
          "kubectl diff -n acc --server-side --force-conflicts -f - ; echo rc=$?", r"\+\s+- image: i:2|\+.*image: i:2"),
    Http(38, "strict validation refuses unknown fields", f"POST {APPS}/deployments?fieldValidation=Strict", 400,
         r'strict decoding error: unknown field \\"spec.bogus\\"', deployment("z", bogus=1)),
    Http(39, "otherwise there is a Warning", f"POST {APPS}/deployments?fieldValidation=Warn&dryRun=All", 201,
         'HDR299 - "unknown field', deployment("z", bogus=1)),
    Http(40, "a wrong name is 422 with causes", f"POST {NS}/configmaps", 422,
         r'"reason":"Invalid".*"causes":\[\{"reason":"FieldValueInvalid".*"field":"metadata.name"',
         config_map("Bad_Name", data={"x": "1"})),
    Http(41, "a selector is immutable", f"PATCH {APPS}/deployments/d", 422,
         "spec.selector: Invalid value.*field is immutable", _OTHER_SELECTOR, MERGE),
    Http(42, "a selector must match the template", f"POST {APPS}/deployments", 422,
         "`selector` does not match template `labels`", deployment("z", labels="other")),
    Http(43, "a custom resource is held to its maximum", f"POST {WIDGETS}", 422,
         "spec.size in body should be less than or equal to 10", widget("w2", size=99)),
    Http(44, "and to what is required", f"POST {WIDGETS}", 422, "spec.size: Required value", widget("w2", color="red")),
    Http(45, "and to CEL rules", f"POST {WIDGETS}", 422, "big ones are green", widget("w2", size=9)),
    Http(46, "its unknown fields are pruned with a Warning", f"POST {WIDGETS}", 201,
         r'"spec":\{"color":"red","size":1\}.*HDR299', widget("w2", size=1, bogus=1)),
    Http(47, "its status path changes the status only", f"PATCH {WIDGETS}/w2/status", 200, r'"size":1\}.*"phase":"P"',
         {"spec": {"size": 7}, "status": {"phase": "P"}}, MERGE),
    Http(48, "its main path ignores the status", f"PATCH {WIDGETS}/w2", 200, '"phase":"P"',
         {"status": {"phase": "Q"}}, MERGE),
    Shell(49, "printer columns have priorities", "kubectl get widgets w2 -n acc -o wide",
          r"NAME\s+SIZE\s+PHASE\s+AGE\n+w2\s+1\s+P"),
    Http(50, "defaulted keys of list items", f"PATCH {WIDGETS}/w3?fieldManager=a", 201, '"proto":"TCP"',
         widget("w3", size=1, ports=[{"port": 80}], tags=["a"]), APPLY),
    Http(51, "a second manager adds items", f"PATCH {WIDGETS}/w3?fieldManager=b", 200, r'"tags":\["a","b"\]',
         widget("w3", ports=[{"port": 80, "proto": "UDP"}], tags=["b"]), APPLY),
    Http(52, "the first drops only its own", f"PATCH {WIDGETS}/w3?fieldManager=a", 200,
         r'"ports":\[\{"port":80,"proto":"UDP"\}\].*"tags":\["b"\]', widget("w3", size=1), APPLY),
    Http(53, "a strategic patch on a custom resource is 415", f"PATCH {WIDGETS}/w3", 415, "UnsupportedMediaType", {},
         STRATEGIC),
    Shell(54, "a Service gets an address", "kubectl create service clusterip sv --tcp=80 -n acc && "
          "kubectl get svc sv -n acc -o jsonpath={.spec.clusterIP}", r"10\.\d+\.\d+\.\d+"),
    Http(55, "a PUT without it keeps it", f"PUT {NS}/services/sv", 200, r'"clusterIP":"10\.',
         {"metadata": {"name": "sv"}, "spec": {"ports": [{"port": 81}]}}),
    Http(56, "an object with a finalizer", f"POST {NS}/configmaps", 201, "x.io/f",
         config_map("fin", metadata={"finalizers": ["x.io/f"]}, data={"x": "1"})),
    Http(57, "is only marked by delete", f"DELETE {NS}/configmaps/fin", 200, '"deletionTimestamp"'),
    Http(58, "losing the finalizer", f"PATCH {NS}/configmaps/fin", 200, "", {"metadata": {"finalizers": None}}, MERGE),
    Http(59, "deletes it", f"GET {NS}/configmaps/fin", 404, "NotFound"),
    Http(60, "generateName", f"POST {NS}/configmaps", 201, '"name":"g-[a-z0-9]{5}"', {"metadata": {"generateName": "g-"}}),
    Shell(61, "dependents of a deleted owner go", _owner_script("background"), "gone"),
    Shell(62, "unless they are orphaned", _owner_script("orphan"), "kept"),
    Shell(63, "get all knows categories", "kubectl get all -n acc -o name", "deployment.apps/d"),
    Shell(64, "explain", "kubectl explain deployment.spec.replicas", r"(?i)FIELD:? +replicas <integer>"),
    Shell(65, "explain a custom resource", "kubectl explain widget.spec.size", r"(?i)FIELD:? +size <integer>"),
    Shell(66, "api-resources lists the custom resource", "kubectl api-resources --api-group=example.com",
          r"widgets\s+wd\s+example.com/v1\s+true\s+Widget"),
    Http(67, "aggregated discovery", "GET /apis", 200, '"kind": ?"APIGroupDiscoveryList"', accept=_AGGREGATED),
    Http(68, "plain discovery", "GET /apis", 200, '"kind": ?"APIGroupList"'),
    Http(69, "plain resource lists", "GET /apis/apps/v1", 200, '"deployments/scale"'),
    Http(70, "the OpenAPI v3 index", "GET /openapi/v3", 200, "serverRelativeURL"),
    Http(71, "a Table of one object", f"GET {APPS}/deployments/d", 200,
         r'"kind":"Table".*"columnDefinitions".*"object":\{"kind":"PartialObjectMetadata"', accept=_TABLE),
    Http(72, "PartialObjectMetadataList", f"GET {NS}/configmaps", 200, '"kind":"PartialObjectMetadataList"',
         accept=_PARTIAL_LIST),
    Http(73, "pages", f"GET {NS}/configmaps?limit=1", 200, r'"continue":".+?","remainingItemCount":\d+'),
    Http(74, "a field selector", f"GET {NS}/configmaps?fieldSelector=metadata.name%3Dpb", 200,
         r'"items":\[\{"metadata":\{"name":"pb"'),
    Http(75, "an unknown field selector is 400", f"GET {NS}/configmaps?fieldSelector=data.x%3D1", 400,
         "not a known field selector"),
    Shell(76, "edit", 'EDITOR="sed -i s/i:1/i:5/" kubectl edit deploy d -n acc', "edited"),
    Shell(77, "set image", "kubectl set image deploy/d c=i:6 -n acc", "image updated"),
    Shell(78, "rollout restart", "kubectl rollout restart deploy/d -n acc", "restarted"),
    Shell(79, "rollout history", "kubectl rollout history deploy/d -n acc", "REVISION"),
    Shell(80, "describe", "kubectl describe deploy d -n acc", r"Replicas:\s+2 desired"),
    Shell(81, "events", "kubectl events -n acc"),
    Shell(82, "logs of a simulated Pod", "kubectl logs deploy/d -n acc",
          without_kubelet=r"Error from server: Get .https://node-1:10250/containerLogs/acc/d-"),
    Shell(83, "there is a Pod for every replica", "sleep 1; kubectl get pods -n acc -l a=x -o name | wc -l", "[2-9]"),
    Shell(84, "Pods become ready", "kubectl wait --for=condition=Ready pod -l a=x -n acc --timeout=15s", "condition met"),
    Shell(85, "a Job completes", "kubectl create job j --image=b -n acc && "
          "kubectl wait --for=condition=complete job/j -n acc --timeout=20s", "condition met"),
    Shell(86, "a bad image hangs a rollout", "kubectl set image deploy/d c=bad:1 -n acc; "
          "kubectl rollout status deploy/d -n acc --timeout=3s; echo rc=$?", "rc=1"),
    Shell(87, "auth can-i", "kubectl auth can-i create pods -n acc", "yes"),
    Shell(88, "auth whoami", "kubectl auth whoami", "Username", unsupported=("1.27",)),
    Shell(89, "kustomize", "mkdir -p kz && printf 'namespace: acc\\nconfigMapGenerator:\\n- name: kz-c\\n  literals: "
          "[a=1]\\n' > kz/kustomization.yaml && kubectl apply -k kz", "kz-c"),
    Shell(90, "prune by label", f"cat > p.yaml <<'END'\n{_prunable('p1', 'p2')}\nEND\n"
          "kubectl apply -f p.yaml --prune -l pr=1 --prune-allowlist=core/v1/ConfigMap >/dev/null\n"
          f"cat > p.yaml <<'END'\n{_prunable('p1')}\nEND\n"
          "kubectl apply -f p.yaml --prune -l pr=1 --prune-allowlist=core/v1/ConfigMap", "configmap/p2 pruned"),
    Shell(91, "server-side apply takes over client-side ownership", "kubectl apply -n acc --server-side -f p.yaml && "
          "kubectl get cm p1 -n acc -o jsonpath={.metadata.managedFields[*].manager} --show-managed-fields", "kubectl"),
    Http(92, "managedFields can be reset", f"PATCH {NS}/configmaps/p1?fieldManager=r", 200, "",
         [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}], JSON_PATCH),
    Http(93, "apply without a manager is 422", f"PATCH {NS}/configmaps/p1", 422, "fieldManager: Required value",
         config_map("p1", data={"x": "1"}), APPLY),
    Http(94, "an unknown group is 404", "GET /apis/nope.io/v1/x", 404),
    Http(95, "autoscaling v2", f"POST /apis/autoscaling/v2/{SCALERS}", 201, '"minReplicas":1', _HPA),
    Http(96, "read as v1", f"GET /apis/autoscaling/v1/{SCALERS}/hp", 200, '"targetCPUUtilizationPercentage":50'),
    Http(97, "stringData is written only", f"POST {NS}/secrets", 201, r'"data":\{"a":"Yg=="\}',
         {"metadata": {"name": "sd"}, "stringData": {"a": "b"}}),
    Shell(98, "nothing is created in a namespace that goes", "kubectl create cm block -n acc >/dev/null; "
          """kubectl patch cm block -n acc --type=merge -p '{"metadata":{"finalizers":["x.io/y"]}}' >/dev/null; """
          "kubectl delete ns acc --wait=false >/dev/null; kubectl create cm late -n acc; "
          """kubectl patch cm block -n acc --type=merge -p '{"metadata":{"finalizers":null}}' >/dev/null""",
          "being terminated"),
    Shell(99, "a namespace goes with all that is in it", "kubectl wait --for=delete ns/acc --timeout=40s; kubectl get ns acc",
          "NotFound", 1),
    Shell(100, "a deleted CRD is served no more", "kubectl delete crd widgets.example.com --timeout=20s && sleep 1 && "
          "kubectl get widgets", "doesn't have a resource type|could not find the requested", 1),
)  # fmt: skip
