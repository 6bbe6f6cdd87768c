"""The ``scale`` subresource of workloads and of custom resources that declare one."""

from __future__ import annotations

from typing import Final

import orjson

from afflux.controlplane import ownership
from afflux.controlplane.conversion import from_storage
from afflux.controlplane.errors import internal_error, invalid
from afflux.controlplane.field_errors import invalid_value
from afflux.controlplane.kind_registry import KindRegistry
from afflux.controlplane.managed_fields import managers_of, with_managed_fields
from afflux.controlplane.negotiation import decode_body, decode_yaml
from afflux.controlplane.ownership import Applying, Updating
from afflux.controlplane.pipeline import Author
from afflux.controlplane.printers.column import selector_text
from afflux.controlplane.scale_ownership import ReplicasPaths, entries_of_parent, entries_of_scale, scale_kind
from afflux.controlplane.served_kind import ServedKind
from afflux.controlplane.verbs.patch import APPLY_PATCH, parse_patch, patched_manifest
from afflux.controlplane.verbs.read import live_object
from afflux.controlplane.verbs.request import Answer, ApiRequest
from afflux.controlplane.writer import Writer, check_preconditions
from afflux.objects.manifest import Json, Manifest

_REPLICAS: Final = ".spec.replicas"
_STATUS_REPLICAS: Final = ".status.replicas"


def get_scale(writer: Writer, request: ApiRequest) -> Answer:
    """GET of ``/scale``."""
    live = live_object(writer.store, request)
    return Answer(orjson.dumps(_scale_of(request.kind, live.manifest, strict=True)))


def write_scale(writer: Writer, request: ApiRequest) -> Answer:
    """PUT or PATCH of ``/scale``."""
    author = request.author()
    live = live_object(writer.store, request)
    before = from_storage(request.kind, live.manifest)
    paths = _replicas_paths(writer.registry, request.kind)
    scale = _scale_of(request.kind, before, strict=False)
    scale["metadata"]["managedFields"] = entries_of_scale(managers_of(before), paths)
    wanted = _wanted(request, scale)
    check_preconditions(request.kind, live, wanted)
    scaled = _scaled(request, scale, wanted, author, writer.now())
    replicas = (scaled.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        error = invalid_value("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid(request.kind.kind_named(live.name), [error])
    owners = scaled["metadata"].get("managedFields") or []
    entries = entries_of_parent(managers_of(before), owners, paths, request.kind.gvk.api_version)
    new = with_managed_fields(_with_replicas(request.kind, before, replicas), entries)
    if new is not before:
        new = writer.validated(writer.context(request.kind, "update", author, "scale"), new, before)
    written = writer.replaced(request.kind, live, new, author).manifest
    return Answer(orjson.dumps(_scale_of(request.kind, written, strict=False)), warnings=author.warnings, wrote=True)


def _wanted(request: ApiRequest, scale: Manifest) -> Manifest:
    if request.method == "PUT":
        body, _ = decode_body(request.body, request.content_type, "Scale")
        result: Manifest = body
        return result
    if _is_apply(request):
        applied: Manifest = decode_yaml(request.body)
        return applied
    media_type = request.content_type.partition(";")[0].strip()
    if media_type == "application/strategic-merge-patch+json":
        media_type = "application/merge-patch+json"
    return patched_manifest(scale, parse_patch(request.body), media_type, request.kind)


def _is_apply(request: ApiRequest) -> bool:
    return request.content_type.startswith(APPLY_PATCH)


def _scaled(request: ApiRequest, scale: Manifest, wanted: Manifest, author: Author, now: str) -> Manifest:
    """The Scale after this write, its owners with it. Raises 409 where an apply meets another owner."""
    if _is_apply(request):
        applying = Applying(author.manager, now, "scale", request.options.flag("force"))
        applied = ownership.applied(scale_kind(), scale, wanted, applying)
        return with_managed_fields(applied.object, applied.managed_fields)
    spec = wanted.get("spec") or {}
    after = {**scale, "spec": spec if spec.get("replicas") else {}}  # as Go prints it: no zero
    return ownership.after_update(scale_kind(), scale, after, Updating(author.manager, now, "scale"))


def _with_replicas(kind: ServedKind, before: Manifest, replicas: int) -> Manifest:
    path = _path(_replicas_path(kind))
    if _at(before, path) == replicas:
        return before
    new = _with(before, path, replicas)
    if not kind.has_generation:
        return new
    return {**new, "metadata": {**new["metadata"], "generation": new["metadata"].get("generation", 0) + 1}}


def _replicas_paths(registry: KindRegistry, kind: ServedKind) -> ReplicasPaths:
    """Where each served version of the kind keeps its replicas."""
    return {
        version.gvk.api_version: tuple(f"f:{part}" for part in _path(_replicas_path(version)))
        for version in registry.kinds()
        if version.storage == kind.storage
    }


def _replicas_path(kind: ServedKind) -> str:
    return kind.custom.spec_replicas_path if kind.custom else _REPLICAS


def _scale_of(kind: ServedKind, manifest: Manifest, *, strict: bool) -> Manifest:
    manifest = from_storage(kind, manifest)
    custom = kind.custom
    replicas = _at(manifest, _path(_replicas_path(kind)))
    if replicas is None and strict and custom:
        raise internal_error(f'the spec replicas field "{custom.spec_replicas_path}" does not exist')
    current = _at(manifest, _path(custom.status_replicas_path if custom else _STATUS_REPLICAS)) or 0
    metadata = manifest["metadata"]
    status: Manifest = {"replicas": current}
    selector = _selector(kind, manifest)
    if selector:
        status["selector"] = selector
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def _selector(kind: ServedKind, manifest: Manifest) -> str:
    if kind.custom is not None:
        path = kind.custom.label_selector_path
        return str(_at(manifest, _path(path)) or "") if path else ""
    selector = manifest["spec"].get("selector")
    if kind.gvk.kind == "ReplicationController":
        selector = {"matchLabels": selector}
    return selector_text(selector)


def _path(text: str) -> list[str]:
    return [part for part in text.split(".") if part]


def _at(manifest: Manifest, path: list[str]) -> Json:
    value: Json = manifest
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _with(manifest: Manifest, path: list[str], value: Json) -> Manifest:
    head, *rest = path
    below = manifest.get(head)
    return {**manifest, head: _with(below if isinstance(below, dict) else {}, rest, value) if rest else value}
