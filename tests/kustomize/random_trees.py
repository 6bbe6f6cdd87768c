"""Random trees of kustomizations: clashing names, references, patches, replacements, odd YAML."""

import json
from typing import Any

from hypothesis import strategies as st

NAMES = ["web", "api", "db"]
NAMESPACES = ["", "one", "two", "default"]
SCALARS = [
    *(
        [
            "1",
            '"1"',
            "1.10",
            "0x1F",
            "010",
            "1e3",
            "true",
            '"true"',
            "True",
            "yes",
            "on",
            '"off"',
            "null",
            "~",
            '""',
            "2001-01-01",
            "8080",
            "1_000",
            ".5",
            "-0",
        ]
    ),
    *(["12:30:45", "=", "'[]'", "'{}'", "100m", "0o17", "'*'", "plain", "'single'"]),
    *("", "'a: b'", "with space", '"quoted"', "'# no comment'", '"tab\\tand\\u263a"'),
    *("|\n      two\n      lines", ">-\n      folded\n      text", "|+\n      kept\n\n"),
    *("a" * 100, " ".join(["long"] * 30)),
]
TEXTS = ["a", "b-c", "1", "true", "with space", "", "x: y", "null", "8080"]

names = st.sampled_from(NAMES)
namespaces = st.sampled_from(NAMESPACES)
scalars = st.sampled_from(SCALARS)
texts = st.sampled_from(TEXTS)


def block(field: str, pairs: dict[str, str], indent: str) -> str:
    """A mapping of raw scalars, or nothing."""
    lines = "".join(f"{indent}  {key}: {value}\n" for key, value in pairs.items())
    return f"{indent}{field}:\n{lines}" if pairs else ""


raw_pairs = st.dictionaries(st.sampled_from(["app", "tier", "note", "app.kubernetes.io/name"]), scalars, max_size=3)


@st.composite
def heads(draw: st.DrawFn, api_version: str, kind: str, scoped: bool = True) -> str:
    """The beginning of an object: version, kind and metadata."""
    namespace = draw(namespaces) if scoped else ""
    return (
        f"apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: {draw(names)}\n"
        + (f"  namespace: {namespace}\n" if namespace else "")
        + block("labels", draw(raw_pairs), "  ")
        + block("annotations", draw(raw_pairs), "  ")
    )


@st.composite
def pod_specs(draw: st.DrawFn, indent: str) -> str:
    """The fields of a pod that refer to others, with odd scalars."""
    text = f"""\
containers:
- name: main
  image: {draw(st.sampled_from(["nginx", "nginx:1.25", "ghcr.io/o/app@sha256:abc", "reg:5000/a/b:v1"]))}
  args: ["$(WEB)", "{draw(texts).replace('"', "")}"]
  env:
  - name: A
    value: {draw(scalars).replace("      ", "        ") if draw(st.booleans()) else '"$(API)"'}
  - name: B
    valueFrom:
      configMapKeyRef:
        name: {draw(names)}
        key: k
  ports:
  - containerPort: 80
  - containerPort: 443
    protocol: TCP
  resources:
    limits:
      cpu: {draw(st.sampled_from(["1", '"1"', "500m", "0.5", "null"]))}
- name: side
  image: busybox
  envFrom:
  - secretRef:
      name: {draw(names)}
serviceAccountName: {draw(names)}
volumes:
- name: v
  configMap:
    name: {draw(names)}
- name: w
  secret:
    secretName: {draw(names)}
- name: x
  persistentVolumeClaim:
    claimName: {draw(names)}
"""
    return "".join(f"{indent}{line}\n" if line else "\n" for line in text.splitlines())


@st.composite
def workloads(draw: st.DrawFn) -> str:
    """A Deployment, StatefulSet or CronJob."""
    kind = draw(st.sampled_from(["Deployment", "StatefulSet", "CronJob", "Pod"]))
    if kind == "CronJob":
        head = draw(heads("batch/v1", kind))
        return (
            f"{head}spec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n{draw(pod_specs('          '))}"
        )
    if kind == "Pod":
        return f"{draw(heads('v1', kind))}spec:\n{draw(pod_specs('  '))}"
    replicas = draw(st.sampled_from(["  replicas: 1\n", '  replicas: "2"\n', "", "  replicas:\n"]))
    selector = draw(st.sampled_from(["  selector:\n    matchLabels:\n      app: web\n", ""]))
    return (
        f"{draw(heads('apps/v1', kind))}spec:\n{replicas}{selector}  template:\n    spec:\n{draw(pod_specs('      '))}"
    )


@st.composite
def data_objects(draw: st.DrawFn) -> str:
    """A ConfigMap or Secret."""
    kind = draw(st.sampled_from(["ConfigMap", "Secret"]))
    return draw(heads("v1", kind)) + block("data", draw(raw_pairs), "")


@st.composite
def bindings(draw: st.DrawFn) -> str:
    """Roles, bindings and what they name."""
    kind = draw(st.sampled_from(["RoleBinding", "ClusterRoleBinding"]))
    scoped = kind == "RoleBinding"
    head = draw(heads("rbac.authorization.k8s.io/v1", kind, scoped))
    role = "Role" if scoped and draw(st.booleans()) else "ClusterRole"
    name = draw(st.sampled_from([*NAMES, "default"]))
    namespace = draw(st.sampled_from(["one", "two"]))
    return (
        f"{head}roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {role}\n  name: {draw(names)}\n"
        f"subjects:\n- kind: ServiceAccount\n  name: {name}\n"
        + draw(st.sampled_from([f"  namespace: {namespace}\n", ""]))
    )


@st.composite
def others(draw: st.DrawFn) -> str:
    """Objects of other kinds."""
    kind = draw(
        st.sampled_from(["Service", "ServiceAccount", "Namespace", "Role", "ClusterRole", "Ingress", "Custom", "Claim"])
    )
    match kind:
        case "Service":
            return f"{draw(heads('v1', kind))}spec:\n  ports:\n  - port: 80\n    targetPort: 8080\n"
        case "Role" | "ClusterRole":
            head = draw(heads("rbac.authorization.k8s.io/v1", kind, kind == "Role"))
            return f"{head}rules:\n- resources: [configmaps]\n  resourceNames: [{draw(names)}, other]\n"
        case "Ingress":
            rule = f"spec:\n  defaultBackend:\n    service:\n      name: {draw(names)}\n"
            return draw(heads("networking.k8s.io/v1", kind)) + rule + f"  tls:\n  - secretName: {draw(names)}\n"
        case "Custom":
            head = draw(heads("example.com/v1", "Thing"))
            return f"{head}spec:\n  value: {draw(scalars)}\n  items:\n  - name: a\n  - name: b\n"
        case "Claim":
            return draw(heads("v1", "PersistentVolumeClaim")) + "spec:\n  accessModes: [ReadWriteOnce]\n"
    return draw(heads("v1", kind, kind != "Namespace"))


resources = st.one_of(workloads(), workloads(), data_objects(), bindings(), others())

string_maps = st.dictionaries(st.sampled_from(["app", "tier", "x/y"]), texts, max_size=2)
selectors = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["Deployment", "ConfigMap", "Stateful.*", "Service|Secret", ".*"]),
        "name": st.sampled_from(["web", "w.b", "api|db", ".*"]),
        "namespace": st.sampled_from(["one", "default", "t.*"]),
        "labelSelector": st.sampled_from(["app=web", "app", "tier notin (a)"]),
    },
)


def containers(*items: dict[str, Any]) -> dict[str, Any]:
    """A patch of a pod template's containers."""
    return {"spec": {"template": {"spec": {"containers": list(items)}}}}


MERGE_BODIES: list[dict[str, Any]] = [
    {"metadata": {"labels": {"patched": "yes", "app": None}}},
    {"metadata": {"annotations": {"note": None, "n": "1"}}},
    {"metadata": {"annotations": None}},
    {"spec": {"replicas": 5}},
    containers({"name": "side", "image": "nginx:2"}, {"name": "new", "image": "x"}),
    containers({"name": "main", "$patch": "delete"}),
    containers({"name": "main", "resources": {"limits": {"cpu": 2}}}),
    containers({"name": "main", "ports": [{"containerPort": 443, "name": "s"}]}),
    containers({"name": "main", "env": [{"name": "A", "value": "1"}, {"name": "Z"}]}),
    {"spec": {"template": {"spec": {"volumes": [{"$patch": "replace"}, {"name": "only", "emptyDir": {}}]}}}},
    {"data": {"app": "new", "tier": None, "n": 1}},
    {"$patch": "delete"},
    {"spec": {"$patch": "replace", "x": 1}},
    {"spec": None},
    {"spec": {"items": [{"name": "c"}], "value": 3}},
]
KINDS = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("example.com/v1", "Thing"),
]
OPERATIONS: list[dict[str, Any]] = [
    {"op": "add", "path": "/metadata/annotations/added", "value": "1"},
    {"op": "replace", "path": "/metadata/name", "value": "renamed"},
    {"op": "remove", "path": "/spec/template/spec/containers/0"},
    {"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "last", "image": "nginx"}},
    {"op": "replace", "path": "/spec/replicas", "value": 7},
    {"op": "test", "path": "/metadata/name", "value": "web"},
    {"op": "add", "path": "/data", "value": {"a": "b"}},
    {"op": "copy", "from": "/metadata/name", "path": "/metadata/labels"},
    {"op": "move", "from": "/spec", "path": "/was"},
]


@st.composite
def patches(draw: st.DrawFn) -> dict[str, Any]:
    """An entry of ``patches``."""
    target = draw(st.none() | selectors)
    if draw(st.booleans()):
        operations = draw(st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=2))
        entry: dict[str, Any] = {"patch": json.dumps(operations), "target": target or {"kind": "Deployment"}}
        return entry
    api_version, kind = draw(st.sampled_from(KINDS))
    body = draw(st.sampled_from(MERGE_BODIES))
    metadata = {"name": draw(names), **body.get("metadata", {})}
    namespace = draw(namespaces)
    if namespace:
        metadata["namespace"] = namespace
    entry = {"patch": json.dumps({"apiVersion": api_version, "kind": kind, **body, "metadata": metadata})}
    if target is not None:
        entry["target"] = target
    if draw(st.integers(0, 5)) == 0:
        entry["options"] = {"allowNameChange": True, "allowKindChange": draw(st.booleans())}
    return entry


generators = st.fixed_dictionaries(
    {"name": names},
    optional={
        "namespace": st.sampled_from(["one", "two"]),
        "behavior": st.sampled_from(["create", "create", "merge", "replace"]),
        "literals": st.lists(st.sampled_from(["a=1", "b='q'", "c=x=y", "app=z"]), max_size=2, unique=True),
        "files": st.just(["f.txt", "k=f.txt"]),
        "envs": st.just(["e.env"]),
        "options": st.fixed_dictionaries(
            {}, optional={"disableNameSuffixHash": st.booleans(), "labels": string_maps, "immutable": st.booleans()}
        ),
    },
)
FIELDS = [
    "metadata.name",
    "metadata.labels.app",
    "metadata.annotations.[x/y]",
    "spec.replicas",
    "data.app",
    "spec.value",
    "spec.template.spec.containers.[name=main].image",
    "spec.template.spec.containers.*.image",
    "spec.template.spec.containers.0.args.1",
    "spec.template.spec.serviceAccountName",
    "spec.items.[name=b].extra",
]
field_options = st.fixed_dictionaries(
    {},
    optional={
        "create": st.booleans(),
        "delimiter": st.sampled_from([":", "/", "-"]),
        "index": st.integers(-1, 2),
    },
)


@st.composite
def replacements(draw: st.DrawFn) -> dict[str, Any]:
    """An entry of ``replacements``."""
    source = {"kind": draw(st.sampled_from(["ConfigMap", "Deployment", "Secret"])), "name": draw(names)}
    if draw(st.booleans()):
        source["fieldPath"] = draw(st.sampled_from(FIELDS))
    target: dict[str, Any] = {
        "select": draw(selectors),
        "fieldPaths": draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=2)),
    }
    if draw(st.booleans()):
        target["options"] = draw(field_options)
    if draw(st.integers(0, 3)) == 0:
        target["reject"] = [draw(selectors)]
    if draw(st.integers(0, 4)) == 0:
        return {"sourceValue": draw(texts), "targets": [target]}
    return {"source": source, "targets": [target]}


VARIABLES = [
    {"name": "WEB", "objref": {"apiVersion": "v1", "kind": "Service", "name": "web"}},
    {
        "name": "API",
        "objref": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"},
        "fieldref": {"fieldPath": "spec.replicas"},
    },
]
LABEL_OPTIONS = {"includeSelectors": st.booleans(), "includeTemplates": st.booleans()}
GENERATOR_OPTIONS = {"annotations": string_maps, "disableNameSuffixHash": st.booleans()}
METADATA = [
    ["originAnnotations"],
    ["transformerAnnotations"],
    ["originAnnotations", "transformerAnnotations"],
    ["managedByLabel"],
]

customizations = st.fixed_dictionaries(
    {},
    optional={
        "namePrefix": st.sampled_from(["pre-", "p1-"]),
        "nameSuffix": st.sampled_from(["-suf", "-s1"]),
        "namespace": st.sampled_from(["one", "three"]),
        "commonLabels": string_maps,
        "commonAnnotations": string_maps,
        "labels": st.lists(
            st.fixed_dictionaries({"pairs": string_maps}, optional=LABEL_OPTIONS),
            max_size=2,
        ),
        "images": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from(["nginx", "busybox", "ghcr.io/o/app", "reg:5000/a/b"])},
                optional={
                    "newName": st.sampled_from(["nginx", "new/name"]),
                    "newTag": st.sampled_from(["2", "v3"]),
                    "digest": st.just("sha256:def"),
                    "tagSuffix": st.just("-x"),
                },
            ),
            max_size=2,
        ),
        "replicas": st.lists(st.fixed_dictionaries({"name": names, "count": st.integers(0, 9)}), max_size=1),
        "patches": st.lists(patches(), max_size=2),
        "configMapGenerator": st.lists(generators, max_size=2),
        "secretGenerator": st.lists(generators, max_size=1),
        "generatorOptions": st.fixed_dictionaries({}, optional=GENERATOR_OPTIONS),
        "replacements": st.lists(replacements(), max_size=2),
        "vars": st.lists(st.sampled_from(VARIABLES), max_size=1),
        "sortOptions": st.sampled_from([{"order": "fifo"}, {"order": "legacy"}]),
        "buildMetadata": st.sampled_from(METADATA),
    },
)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, str]:
    """Files of an overlay over one or two bases and sometimes a component."""
    files: dict[str, str] = {}
    bases = draw(st.sampled_from([1, 1, 2]))
    for index in range(bases):
        documents = draw(st.lists(resources, min_size=1, max_size=6, unique_by=identity))
        files[f"base{index}/all.yaml"] = "---\n".join(documents)
        kustomization = some(draw(customizations), draw)
        files[f"base{index}/kustomization.yaml"] = json.dumps(
            {"resources": ["all.yaml"], "namePrefix": f"b{index}-", **kustomization}
        )
    overlay = {"resources": [f"../base{index}" for index in range(bases)], **some(draw(customizations), draw)}
    if draw(st.booleans()):
        overlay["components"] = ["../component"]
        component = {
            "apiVersion": "kustomize.config.k8s.io/v1alpha1",
            "kind": "Component",
            **some(draw(customizations), draw),
        }
        files["component/kustomization.yaml"] = json.dumps(component)
    files["top/kustomization.yaml"] = json.dumps(overlay)
    for directory in ("base0", "base1", "top", "component"):
        files[f"{directory}/f.txt"] = "file\ncontents\n"
        files[f"{directory}/e.env"] = "E=1\n# no\nF\n"
    return files


def identity(document: str) -> tuple[str, ...]:
    """What two documents of one file rarely share: kind and name."""
    return tuple(line for line in document.splitlines() if line.startswith(("kind:", "  name:")))[:2]


def some(customization: dict[str, Any], draw: st.DrawFn) -> dict[str, Any]:
    """A few of the fields: with all of them nothing would ever build."""
    kept = draw(st.sets(st.sampled_from(sorted(customization)), max_size=3)) if customization else set()
    return {key: value for key, value in customization.items() if key in kept}
