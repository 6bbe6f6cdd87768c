"""Make the table of API structs: field names, protobuf numbers and Go types, as the control plane decodes bodies with.

Input: a JSON file that maps Go packages (``core/v1``) to messages to ``{number: [json name, Go type, wire type]}``,
read from the struct tags of a Kubernetes release. Output: one line of JSON, only messages reachable from what clients
send, types resolved to ``s`` (string), ``i`` (int32), ``l`` (int64), ``b`` (bool), ``y`` (bytes), ``d`` (double),
``@Special`` or a message's name; ``[]`` before a type is a list, ``{}`` a map from strings, ``*`` a pointer in Go
(absent differs from zero). A field without a name is inlined.

    tools/struct_tables.py FIELDS.json src/afflux/controlplane/data/structs.json
"""

import json
import sys
from pathlib import Path

SPECIAL = {"Time", "MicroTime", "Quantity", "IntOrString", "FieldsV1", "RawExtension", "Duration"}
SPECIAL |= {"JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray"}
SCALARS = {"string": "s", "bool": "b", "int32": "i", "int64": "l", "int": "l"}
SCALARS |= {"[]byte": "y", "float64": "d", "UID": "s", "NodeName": "s"}
PACKAGES = [
    "admissionregistration/v1", "apiextensions/v1", "apps/v1", "authentication/v1", "authorization/v1",
    "autoscaling/v1", "autoscaling/v2", "batch/v1", "certificates/v1", "coordination/v1", "core/v1", "discovery/v1",
    "events/v1", "flowcontrol/v1", "meta/v1", "networking/v1", "node/v1", "policy/v1", "rbac/v1", "resource/v1",
    "scheduling/v1", "storage/v1",
]  # fmt: skip


class Tables:
    def __init__(self, packages: dict) -> None:
        self.packages = packages
        self.messages: dict[str, dict[str, str]] = {}

    def message(self, package: str, name: str) -> str:
        """Take a message and all it refers to into the output; returns its name there."""
        full = f"{package}.{name}"
        if full not in self.messages:
            fields = self.messages[full] = {}
            for number, (json_name, go_type, _) in self.packages[package][name].items():
                fields[number] = f"{json_name}:{self.resolve(package, go_type)}"
        return full

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

    def named(self, package: str, name: str) -> str:
        if name == "ResourceList":
            return "{}@Quantity"
        definition = self.packages.get(package, {}).get(name)
        if definition is None:
            return "s"
        alias = definition.get("alias")
        if alias is None:
            return self.message(package, name)
        resolved = self.resolve(package, alias)
        # A named list of strings is a message of its own (ExtraValue); of messages it is simply repeated.
        return "@Strings" if resolved == "[]s" else resolved


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    tables = Tables(json.loads(source.read_text()))
    for package in PACKAGES:
        for name, definition in tables.packages[package].items():
            if name != "_imports" and "alias" not in definition and not name.endswith("List"):
                tables.message(package, name)
    target.write_text(json.dumps(dict(sorted(tables.messages.items())), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
