"""CustomResourceDefinitions: names, versions and schemas that are structural."""

import orjson

from afflux.controlplane.errors import FieldError
from afflux.controlplane.field_errors import duplicate, forbidden, immutable, invalid_value, not_supported, required
from afflux.controlplane.validation.checks import Errors, Node, node, nodes, one_of, present, well_formed
from afflux.controlplane.validation.formats import dns_label, dns_subdomain
from afflux.objects.manifest import Json

_SCHEMA_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_APPROVED = "api-approved.kubernetes.io"
_PROTECTED = (
    f'protected groups must have approval annotation "{_APPROVED}", see '
    "https://github.com/kubernetes/enhancements/pull/1111"
)
_STRANDED = (
    "missing from spec.versions; {0} was previously a storage version, and must remain in spec.versions until a "
    "storage migration ensures no data remains persisted in {0} and removes {0} from status.storedVersions"
)


def validate_crd(new: Node, old: Node | None) -> Errors:
    """As apiextensions-apiserver checks a v1 CRD; group, scope and names stay once it is established."""
    spec = node(new.get("spec"))
    names = node(spec.get("names"))
    name, expected = node(new.get("metadata")).get("name"), f"{names.get('plural')}.{spec.get('group')}"
    if old is None and name != expected:
        yield invalid_value("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    yield from _group_and_scope(spec)
    yield from _versions(spec)
    yield from _names(names)
    if old is not None:
        yield from _unchanged(spec, node(old.get("spec")), established=_is_established(old))
    yield from _stored_versions(new, nodes(spec.get("versions")))
    group = str(spec.get("group") or "")
    approval = node(node(new.get("metadata")).get("annotations")).get(_APPROVED)
    if old is None and group.endswith((".k8s.io", ".kubernetes.io")) and not approval:
        yield required(f"metadata.annotations[{_APPROVED}]", _PROTECTED)


def _group_and_scope(spec: Node) -> Errors:
    group = spec.get("group")
    if not group:
        yield required("spec.group")
    else:
        yield from well_formed("spec.group", group, dns_subdomain)
        if "." not in group:
            yield invalid_value("spec.group", group, "should be a domain with at least one dot")
    scope = spec.get("scope") or ""
    if scope not in ("Cluster", "Namespaced"):
        yield not_supported("spec.scope", scope, ("Cluster", "Namespaced"))
    yield from one_of("spec.conversion.strategy", node(spec.get("conversion")).get("strategy"), ("None", "Webhook"))
    if spec.get("preserveUnknownFields"):
        text = "must be false in order to use defaults in the schema"
        yield invalid_value("spec.preserveUnknownFields", True, text)


def _versions(spec: Node) -> Errors:
    versions = nodes(spec.get("versions"))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        text = "must have exactly one version marked as storage version"
        # Printed in Go's order of fields, not sorted as other values are.
        shown = orjson.dumps([_go_version(version) for version in versions]).decode()
        yield FieldError("FieldValueInvalid", f"Invalid value: {shown}: {text}", "spec.versions")
        return
    seen: set[Json] = set()
    # The server has a schema that all versions share in one place, and names that place.
    shared = all(version.get("schema") == versions[0].get("schema") for version in versions)
    for index, version in enumerate(versions):
        where = f"spec.versions[{index}]"
        yield from _version(version, where, "spec.validation" if shared else f"{where}.schema")
        if version.get("name") in seen:
            yield duplicate(f"{where}.name", version.get("name"))
        seen.add(version.get("name"))


def _version(version: Node, where: str, schema_at: str) -> Errors:
    yield from well_formed(f"{where}.name", version.get("name") or "", dns_label)
    schema = node(version.get("schema")).get("openAPIV3Schema")
    if not isinstance(schema, dict):
        yield required(f"{where}.schema.openAPIV3Schema", "schemas are required" if version.get("schema") else "")
    else:
        yield from _root_schema(schema, f"{schema_at}.openAPIV3Schema")
    for number, column in enumerate(nodes(version.get("additionalPrinterColumns"))):
        yield from present(column, f"{where}.additionalPrinterColumns[{number}]", "name", "type", "jsonPath")


def _go_version(version: Node) -> Node:
    """A version as Go prints it in messages."""
    names = {
        "Name": "name",
        "Served": "served",
        "Storage": "storage",
        "Deprecated": "deprecated",
        "DeprecationWarning": "deprecationWarning",
        "Schema": "schema",
        "Subresources": "subresources",
        "AdditionalPrinterColumns": "additionalPrinterColumns",
        "SelectableFields": "selectableFields",
    }
    flags = ("served", "storage", "deprecated")
    return {shown: version.get(name, False if name in flags else None) for shown, name in names.items()}


def _root_schema(schema: Node, path: str) -> Errors:
    kind = schema.get("type")
    if not kind:
        yield required(f"{path}.type", "must not be empty at the root")
    elif kind != "object":
        yield invalid_value(f"{path}.type", kind, "must be object at the root")
    for name, child in node(schema.get("properties")).items():
        if name not in ("metadata", "apiVersion", "kind"):
            yield from _schema(node(child), f"{path}.properties[{name}]", "for specified object fields")


def _schema(schema: Node, path: str, place: str) -> Errors:
    """A schema is structural where every node says its type, or that it takes anything."""
    kind = schema.get("type")
    free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if not kind and not free:
        yield required(f"{path}.type", f"must not be empty {place}")
    elif kind:
        yield from one_of(f"{path}.type", kind, _SCHEMA_TYPES)
    if kind == "array":
        yield from _array(schema, path)
    if schema.get("properties") and isinstance(schema.get("additionalProperties"), dict):
        yield forbidden(f"{path}.additionalProperties", "must not be used when properties is set")
    for name, child in node(schema.get("properties")).items():
        yield from _schema(node(child), f"{path}.properties[{name}]", "for specified object fields")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _schema(
            schema["additionalProperties"], f"{path}.additionalProperties", "for specified object fields"
        )


def _array(schema: Node, path: str) -> Errors:
    items = schema.get("items")
    if not isinstance(items, dict):
        yield required(f"{path}.items", "must be specified")
        return
    yield from _schema(items, f"{path}.items", "for specified array items")
    list_type, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys")
    yield from one_of(f"{path}.x-kubernetes-list-type", list_type, ("atomic", "map", "set"))
    if list_type == "map" and not keys:
        yield required(f"{path}.x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map")
    for index, key in enumerate(keys or ()):
        if key not in node(items.get("properties")):
            text = "entries of x-kubernetes-list-map-keys must be properties of the items"
            yield invalid_value(f"{path}.x-kubernetes-list-map-keys[{index}]", key, text)


def _names(names: Node) -> Errors:
    for field in ("plural", "kind"):
        if not names.get(field):
            yield required(f"spec.names.{field}")
    for field in ("plural", "singular"):
        if names.get(field):
            yield from well_formed(f"spec.names.{field}", names[field], dns_label)
    for field in ("kind", "listKind"):
        if names.get(field):
            yield from _kind_name(f"spec.names.{field}", str(names[field]))
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        yield invalid_value("spec.names.listKind", names["listKind"], "kind and listKind may not be the same")
    for index, short in enumerate(names.get("shortNames") or ()):
        yield from well_formed(f"spec.names.shortNames[{index}]", short, dns_label)


def _kind_name(field: str, name: str) -> Errors:
    for problem in dns_label(name.lower()):
        text = problem.replace("a lowercase RFC 1123 label", "a DNS-1035 label")
        yield invalid_value(field, name, f"may have mixed case, but should otherwise match: {text}")


def _is_established(crd: Node) -> bool:
    conditions = nodes(node(crd.get("status")).get("conditions"))
    return any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)


def _unchanged(spec: Node, before: Node, *, established: bool) -> Errors:
    fields = [("spec.group", spec.get("group"), before.get("group"))]
    if established:
        names, names_before = node(spec.get("names")), node(before.get("names"))
        fields.append(("spec.scope", spec.get("scope"), before.get("scope")))
        fields.append(("spec.names.kind", names.get("kind"), names_before.get("kind")))
    fields.append(("spec.names.plural", node(spec.get("names")).get("plural"), node(before.get("names")).get("plural")))
    for field, new, old in fields:
        if new != old:
            yield immutable(field, new)


def _stored_versions(crd: Node, versions: list[Node]) -> Errors:
    stored = node(crd.get("status")).get("storedVersions")
    if not stored:
        yield invalid_value("status.storedVersions", stored, "must have at least one stored version")
    names = [version.get("name") for version in versions]
    for index, name in enumerate(stored or ()):
        if name not in names:
            yield invalid_value(f"status.storedVersions[{index}]", name, _STRANDED.format(name))
