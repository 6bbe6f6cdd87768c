"""The ``scale`` subresource of workloads and of custom resources that declare one."""

from __future__ import annotations

from typing import Final

import orjson

from afflux.controlplane.conversion import from_storage
from afflux.controlplane.errors import internal_error, invalid
from afflux.controlplane.field_errors import invalid_value
from afflux.controlplane.managed_fields import Writing, own_scale, with_managed_fields
from afflux.controlplane.negotiation import decode_body, decode_yaml
from afflux.controlplane.pipeline import Author
from afflux.controlplane.printers.column import selector_text
from afflux.controlplane.served_kind import ServedKind
from afflux.controlplane.stored import StoredObject
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
    scale = _scale_of(request.kind, live.manifest, strict=False)
    wanted = _wanted(request, scale)
    check_preconditions(request.kind, live, wanted)
    replicas = (wanted.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        error = invalid_value("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid(request.kind.kind_named(live.name), [error])
    operation = "Apply" if request.content_type.startswith(APPLY_PATCH) else "Update"
    written = _write(writer, request, live, replicas, author, operation)
    return Answer(orjson.dumps(_scale_of(request.kind, written, strict=False)), warnings=author.warnings, wrote=True)


def _wanted(request: ApiRequest, scale: Manifest) -> Manifest:
    if request.method == "PUT":
        body, _ = decode_body(request.body, request.content_type, "Scale")
        result: Manifest = body
        return result
    media_type = request.content_type.partition(";")[0].strip()
    if media_type == APPLY_PATCH:
        applied: Manifest = decode_yaml(request.body)
        return applied
    if media_type == "application/strategic-merge-patch+json":
        media_type = "application/merge-patch+json"
    return patched_manifest(scale, parse_patch(request.body), media_type, request.kind)


def _write(
    writer: Writer, request: ApiRequest, live: StoredObject, replicas: int, author: Author, operation: str
) -> Manifest:
    kind = request.kind
    before = from_storage(kind, live.manifest)
    path = _path(kind.custom.spec_replicas_path if kind.custom else _REPLICAS)
    if _at(before, path) == replicas:
        return live.manifest
    new = _with(before, path, replicas)
    writing = Writing(author.manager, kind.gvk.api_version, writer.now(), "scale")
    entries = own_scale(before, writing, operation, tuple(f"f:{part}" for part in path))
    metadata = {**new["metadata"]}
    if kind.has_generation:
        metadata["generation"] = metadata.get("generation", 0) + 1
    new = with_managed_fields({**new, "metadata": metadata}, entries)
    return writer.replaced(kind, live, new, author).manifest


def _scale_of(kind: ServedKind, manifest: Manifest, *, strict: bool) -> Manifest:
    manifest = from_storage(kind, manifest)
    custom = kind.custom
    replicas = _at(manifest, _path(custom.spec_replicas_path if custom else _REPLICAS))
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
