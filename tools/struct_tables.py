"""Make the table of API structs: field names, protobuf numbers and Go types, as the control plane decodes bodies with.

Input: a JSON file that maps Go packages (``core/v1``) to messages to ``{number: [json name, Go type, wire type]}``,
read from the struct tags of a Kubernetes release. Output: one line of JSON, only messages reachable from what clients
send, types resolved to ``s`` (string), ``i`` (int32), ``l`` (int64), ``b`` (bool), ``y`` (bytes), ``d`` (double),
``@Special`` or a message's name; ``[]`` before a type is a list, ``{}`` a map from strings, ``*`` a pointer in Go
(absent differs from zero). A field without a name is inlined. ``!`` after a type: Go prints the field even when it is
empty, zero or false (its tag has no ``omitempty``), as read from the sources in MODULES, the ``k8s.io`` folder of Go's
module cache.

    tools/struct_tables.py FIELDS.json MODULES src/afflux/controlplane/data/structs.json
"""

import json
import re
import sys
from pathlib import Path

SPECIAL = {"Time", "MicroTime", "Quantity", "IntOrString", "FieldsV1", "RawExtension", "Duration"}
SPECIAL |= {"JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray"}
SCALARS = {"string": "s", "bool": "b", "int32": "i", "int64": "l", "int": "l"}
SCALARS |= {"[]byte": "y", "float64": "d", "UID": "s", "NodeName": "s"}
MISSING = {
    "apiextensions/v1.CustomResourceConversion": "1 strategy string",
    "apiextensions/v1.CustomResourceSubresourceScale": "1 specReplicasPath string",
    "apiextensions/v1.WebhookConversion": "2 clientConfig *WebhookClientConfig",
    "autoscaling/v2.ContainerResourceMetricSource": "1 name string, 2 target MetricTarget",
    "autoscaling/v2.ContainerResourceMetricStatus": "1 name string, 2 current MetricValueStatus",
    "autoscaling/v2.ExternalMetricSource": "1 metric MetricIdentifier, 2 target MetricTarget",
    "autoscaling/v2.ExternalMetricStatus": "1 metric MetricIdentifier, 2 current MetricValueStatus",
    "autoscaling/v2.HorizontalPodAutoscalerCondition": "1 type string, 2 status string",
    "autoscaling/v2.MetricIdentifier": "1 name string, 2 selector *metav1.LabelSelector",
    "autoscaling/v2.MetricSpec": "1 type string",
    "autoscaling/v2.MetricStatus": "1 type string",
    "autoscaling/v2.MetricTarget": "1 type string",
    "autoscaling/v2.ObjectMetricSource": "1 describedObject CrossVersionObjectReference, 2 target MetricTarget, "
    "3 metric MetricIdentifier",
    "autoscaling/v2.ObjectMetricStatus": "1 metric MetricIdentifier, 2 current MetricValueStatus, "
    "3 describedObject CrossVersionObjectReference",
    "autoscaling/v2.PodsMetricSource": "1 metric MetricIdentifier, 2 target MetricTarget",
    "autoscaling/v2.PodsMetricStatus": "1 metric MetricIdentifier, 2 current MetricValueStatus",
    "autoscaling/v2.ResourceMetricSource": "1 name string, 2 target MetricTarget",
    "autoscaling/v2.ResourceMetricStatus": "1 name string, 2 current MetricValueStatus",
    "core/v1.ContainerExtendedResourceRequest": "1 containerName string, 2 resourceName string, 3 requestName string",
    "core/v1.EphemeralContainer": "1  EphemeralContainerCommon",
    "core/v1.EventSeries": "1 count int32, 2 lastObservedTime metav1.MicroTime",
    "core/v1.LinuxContainerUser": "1 uid int64, 2 gid int64",
    "core/v1.PersistentVolumeClaimTemplate": "2 spec PersistentVolumeClaimSpec",
    "core/v1.PodExtendedResourceClaimStatus": "2 resourceClaimName string",
    "core/v1.PodResourceClaim": "1 name string",
    "core/v1.PodResourceClaimStatus": "1 name string",
    "core/v1.ResourceHealth": "2 health string",
    "discovery/v1.EndpointConditions": "1 ready *bool, 2 serving *bool, 3 terminating *bool",
    "discovery/v1.EndpointHints": "1 forZones []ForZone, 2 forNodes []ForNode",
    "discovery/v1.EndpointPort": "1 name *string, 2 protocol *string, 4 appProtocol *string",
    "discovery/v1.ForNode": "1 name string",
    "discovery/v1.ForZone": "1 name string",
    "events/v1.Event": "6 action string, 7 reason string",
    "networking/v1.IPBlock": "1 cidr string",
    "storage/v1.CSIStorageCapacity": "3 storageClassName string",
}
"""Fields whose tags are written in another order, which the input leaves out."""

EMPTY_STRUCTS = {"apiextensions/v1.CustomResourceSubresourceStatus"}
PACKAGES = [
    "admissionregistration/v1", "apiextensions/v1", "apps/v1", "authentication/v1", "authorization/v1",
    "autoscaling/v1", "autoscaling/v2", "batch/v1", "certificates/v1", "coordination/v1", "core/v1", "discovery/v1",
    "events/v1", "flowcontrol/v1", "meta/v1", "networking/v1", "node/v1", "policy/v1", "rbac/v1",
    "scheduling/v1", "storage/v1",
]  # fmt: skip


SOURCES = {
    "apiextensions": "apiextensions-apiserver@*/pkg/apis/apiextensions/{}/*.go",
    "meta": "apimachinery@*/pkg/apis/meta/{}/*.go",
}
STRUCT = re.compile(r"^type (\w+) struct \{$(.*?)^\}$", re.MULTILINE | re.DOTALL)
TAG = re.compile(r'^\s+\w+\s+(\S+)\s+`.*?json:"([^",]+)"', re.MULTILINE)


def printed_always(modules: Path, package: str) -> set[tuple[str, str]]:
    """Structs and their fields whose tags have a name and no options."""
    group, version = package.split("/")
    pattern = SOURCES.get(group, f"api@*/{group}/{{}}/*.go").format(version)
    found = set()
    for source in modules.glob(pattern):
        for name, body in STRUCT.findall(source.read_text()):
            found |= {(name, field) for go_type, field in TAG.findall(body) if not go_type.startswith("*")}
    return found


class Tables:
    def __init__(self, packages: dict, modules: Path) -> None:
        self.packages = packages
        self.kept = {package: printed_always(modules, package) for package in PACKAGES}
        self.messages: dict[str, dict[str, str]] = {}

    def message(self, package: str, name: str) -> str:
        """Take a message and all it refers to into the output; returns its name there."""
        full = f"{package}.{name}"
        if full not in self.messages:
            fields = self.messages[full] = {}
            for number, (json_name, go_type, _) in self.packages[package][name].items():
                fields[number] = self.field(package, name, json_name, go_type)
            for missing in filter(None, MISSING.get(full, "").split(", ")):
                number, json_name, go_type = missing.split(" ")
                fields[number] = self.field(package, name, json_name, go_type)
        return full

    def field(self, package: str, name: str, json_name: str, go_type: str) -> str:
        mark = "!" if (name, json_name) in self.kept.get(package, ()) else ""
        return f"{json_name}:{self.resolve(package, go_type)}{mark}"

    def resolve(self, package: str, go_type: str) -> str:
        if go_type in SCALARS:
            return SCALARS[go_type]
        if go_type.startswith("*"):
            return "*" + self.resolve(package, go_type[1:])
        if go_type.startswith("[]"):
            return "[]" + self.resolve(package, go_type[2:]).lstrip("*")
        if go_type.startswith("map["):
            return "{}" + self.resolve(package, go_type.split("]", 1)[1])
        owner, _, name = go_type.rpartition(".")
        if name in SPECIAL:
            return f"@{name}"
        return self.named(self.package_of(package, owner), name)

    def package_of(self, package: str, owner: str) -> str:
        if not owner:
            return package
        path = self.packages[package]["_imports"][owner]
        return "meta/v1" if path.endswith("meta/v1") else "/".join(path.split("/")[-2:])

    def empty(self, package: str, name: str) -> str:
        return self.messages.setdefault(f"{package}.{name}", {}) or f"{package}.{name}"

    def named(self, package: str, name: str) -> str:
        if name == "ResourceList":
            return "{}@Quantity"
        definition = self.packages.get(package, {}).get(name)
        if definition is None:
            # Not in the tags: a struct without fields, or a string of another package.
            return self.empty(package, name) if f"{package}.{name}" in EMPTY_STRUCTS else "s"
        alias = definition.get("alias")
        if alias is None:
            return self.message(package, name)
        resolved = self.resolve(package, alias)
        # A named list of strings is a message of its own (ExtraValue); of messages it is simply repeated.
        return "@Strings" if resolved == "[]s" else resolved


def main() -> None:
    source, modules, target = map(Path, sys.argv[1:4])
    tables = Tables(json.loads(source.read_text()), modules)
    for package in PACKAGES:
        for name, definition in tables.packages[package].items():
            if name != "_imports" and "alias" not in definition and not name.endswith("List"):
                tables.message(package, name)
    target.write_text(json.dumps(dict(sorted(tables.messages.items())), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
