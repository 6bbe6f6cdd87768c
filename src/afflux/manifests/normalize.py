"""Manifests as Flux sends them to a server: what a round trip through Kubernetes' own types makes of them."""

import base64
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from afflux.objects.identity import gvk_of
from afflux.objects.manifest import Json, Manifest, metadata_of
from afflux.schema.openapi import Schema, builtin_schemas

FieldPath: TypeAlias = tuple[str | int, ...]
"""Where a field is: names and list indexes."""

_RBAC: Final = "rbac.authorization.k8s.io"


def field_path_text(path: FieldPath) -> str:
    """A path as Kubernetes prints it: ``spec.template.spec.containers[0].foo``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def unknown_fields(manifest: Manifest, schema: Schema) -> list[FieldPath]:
    """Fields that the schema doesn't declare, in the order in which they are written."""
    return list(_unknown(manifest, schema, ()))


def normalize(manifest: Manifest) -> Manifest:
    """What Flux would send for a manifest; the manifest itself where that is the same. Inputs are not changed.

    Built-in kinds lose unknown fields and nulls and get the protocol of ports, ``stringData`` of a Secret moves into
    ``data``; Role and ClusterRole stay as written. ``status`` goes (except a CRD's), and so does a null
    ``creationTimestamp``.
    """
    gvk = gvk_of(manifest)
    schema = builtin_schemas().for_kind(gvk)
    if schema is not None and (gvk.group, gvk.kind) not in ((_RBAC, "Role"), (_RBAC, "ClusterRole")):
        manifest = _pruned(manifest, schema)
        if special := _SPECIAL.get((gvk.group, gvk.kind)):
            manifest = special(manifest)
    if "status" in manifest and gvk.kind != "CustomResourceDefinition":
        manifest = {name: value for name, value in manifest.items() if name != "status"}
    return _without_null_timestamps(manifest)


def _unknown(value: Json, schema: Schema, path: FieldPath) -> Iterator[FieldPath]:
    if isinstance(value, dict):
        if schema.type != "object":
            return
        for name, child in value.items():
            declared = schema.child(name)
            if declared is None:
                yield (*path, name)
            else:
                yield from _unknown(child, declared, (*path, name))
    elif isinstance(value, list) and schema.type == "array":
        for index, item in enumerate(value):
            yield from _unknown(item, schema.items, (*path, index))


def _pruned(value: Json, schema: Schema) -> Json:
    """``value`` without unknown fields, and with the protocols of ports."""
    if isinstance(value, dict) and schema.type == "object":
        return _pruned_object(value, schema)
    if isinstance(value, list) and schema.type == "array":
        items = [_pruned(item, schema.items) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def _pruned_object(value: dict[str, Json], schema: Schema) -> dict[str, Json]:
    kept: dict[str, Json] = {}
    changed = False
    for name, child in value.items():
        declared = schema.child(name)
        if declared is None or (child is None and name in schema.names):
            changed = True
            continue
        # A null among the texts of a map is Go's empty text.
        kept[name] = "" if child is None and declared.type == "string" else _pruned(child, declared)
        changed |= kept[name] is not child
    if _is_port(schema) and not value.get("protocol"):
        kept["protocol"] = "TCP"
        changed = True
    return kept if changed else value


def _is_port(schema: Schema) -> bool:
    """A container's or a Service's port: the only objects that are found in their list by their protocol."""
    protocol = schema.property("protocol")
    return protocol is not None and protocol.has_default


def _folded(secret: Manifest) -> Manifest:
    """``stringData`` wins over ``data``, as on the server."""
    texts = secret.get("stringData")
    if not isinstance(texts, dict) or not all(text is None or isinstance(text, str) for text in texts.values()):
        return secret  # left for the server to refuse
    data = dict(secret.get("data") or {})
    for name, text in texts.items():
        data[name] = base64.b64encode((text or "").encode()).decode()
    folded = {key: value for key, value in secret.items() if key not in ("stringData", "data")}
    return {**folded, "data": data} if data else folded


def _without_invalid_bundle(crd: Manifest) -> Manifest:
    """A conversion webhook's ``caBundle`` that isn't a certificate (a placeholder for an injector) would be refused."""
    client = _at(crd, "spec", "conversion", "webhook", "clientConfig")
    if not isinstance(client, dict) or "caBundle" not in client or _is_certificate(client["caBundle"]):
        return crd
    spec, conversion, webhook = crd["spec"], crd["spec"]["conversion"], crd["spec"]["conversion"]["webhook"]
    kept = {name: value for name, value in client.items() if name != "caBundle"}
    webhook = {**webhook, "clientConfig": kept}
    return {**crd, "spec": {**spec, "conversion": {**conversion, "webhook": webhook}}}


def _is_certificate(bundle: Json) -> bool:
    try:
        return b"-----BEGIN CERTIFICATE-----" in base64.b64decode(bundle, validate=True)
    except (TypeError, ValueError):
        return False


_SPECIAL: Final[dict[tuple[str, str], Callable[[Manifest], Manifest]]] = {
    ("", "Secret"): _folded,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _without_invalid_bundle,
}


def _without_null_timestamps(manifest: Manifest) -> Manifest:
    """Generated manifests carry ``creationTimestamp: null``, in templates too."""
    manifest = _without_null_timestamp(manifest)
    template = _at(manifest, "spec", "template")
    if isinstance(template, dict):
        bare = _without_null_timestamp(template)
        if bare is not template:
            manifest = {**manifest, "spec": {**manifest["spec"], "template": bare}}
    return manifest


def _without_null_timestamp(holder: dict[str, Json]) -> dict[str, Json]:
    metadata = metadata_of(holder)
    if metadata.get("creationTimestamp", "") is not None:
        return holder
    return {**holder, "metadata": {name: value for name, value in metadata.items() if name != "creationTimestamp"}}


def _at(value: Json, *path: str) -> Json:
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
