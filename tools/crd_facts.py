"""Facts of a CustomResourceDefinition, without its prose: what two CRDs must agree on.

    python tools/crd_facts.py CRD.yaml [CRD.yaml ...] > facts.json

Reads CRD files (Flux's are in ``config/crd/bases`` of its controllers) and prints, for each, its names, scope and
annotations, and for each version its flags, columns, subresources and one line of facts a field.
"""

import json
import sys
from pathlib import Path

from afflux.lang.yaml import load
from afflux.objects.manifest import Manifest

FACTS = ("type", "pattern", "default", "enum", "format", "minLength", "maxLength", "minimum", "required")
COLUMN = ("name", "type", "jsonPath")
RULES = "x-kubernetes-validations"
GENERATOR = "controller-gen.kubebuilder.io/version"


def crd_facts(crd: Manifest) -> Manifest:
    """The facts of a CRD; lists without an order are sorted."""
    spec, annotations = crd["spec"], dict(crd["metadata"].get("annotations") or {})
    annotations.pop(GENERATOR, None)
    names = {key: sorted(value) if isinstance(value, list) else value for key, value in spec["names"].items()}
    return {
        "name": crd["metadata"]["name"],
        "annotations": annotations,
        "group": spec["group"],
        "names": names,
        "scope": spec["scope"],
        "versions": {version["name"]: version_facts(version) for version in spec["versions"]},
    }


def version_facts(version: Manifest) -> Manifest:
    """The facts of one version of a CRD."""
    fields: Manifest = {}
    collect(version["schema"]["openAPIV3Schema"], "", fields)
    return {
        "served": version["served"],
        "storage": version["storage"],
        "subresources": sorted(version.get("subresources") or {}),
        "columns": [
            [column["name"], column["type"], column["jsonPath"]] for column in version["additionalPrinterColumns"]
        ],
        "fields": fields,
    }


def collect(schema: Manifest, path: str, fields: Manifest) -> None:
    """Notes a node's facts under its path: ``.spec.images[].name``, ``.spec.labels{}`` for the values of a map."""
    facts = {fact: schema[fact] for fact in FACTS if fact in schema}
    for fact in ("enum", "required"):
        if fact in facts:
            facts[fact] = sorted(facts[fact])
    if RULES in schema:
        facts["rules"] = sorted([rule["rule"], rule.get("message", "")] for rule in schema[RULES])
    fields[path or "."] = facts
    for name, child in (schema.get("properties") or {}).items():
        collect(child, f"{path}.{name}", fields)
    if isinstance(schema.get("items"), dict):
        collect(schema["items"], f"{path}[]", fields)
    if isinstance(schema.get("additionalProperties"), dict):
        collect(schema["additionalProperties"], f"{path}{{}}", fields)


def main(paths: list[str]) -> None:
    """Prints the facts of the CRDs in ``paths``."""
    facts = [crd_facts(load(Path(path).read_text(), source=path)) for path in paths]
    print(json.dumps({entry["name"]: entry for entry in facts}, indent=1, sort_keys=True))


if __name__ == "__main__":
    main(sys.argv[1:])
