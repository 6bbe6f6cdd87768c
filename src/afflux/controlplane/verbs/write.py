"""``create``, ``update`` and ``delete``: bodies that are whole objects, or options."""

from __future__ import annotations

from typing import Final

import orjson

from afflux.controlplane.decoding import check_identified, check_place, decoded
from afflux.controlplane.deletion import DeleteOptions, delete, options_from
from afflux.controlplane.errors import invalid, not_found
from afflux.controlplane.field_errors import invalid_value
from afflux.controlplane.negotiation import Form, decode_body
from afflux.controlplane.pipeline import Author, Written
from afflux.controlplane.rendering import render_list
from afflux.controlplane.selection import selection_of
from afflux.controlplane.served_kind import ServedKind
from afflux.controlplane.stored import StoredObject
from afflux.controlplane.verbs.read import live_object
from afflux.controlplane.verbs.request import Answer, ApiRequest, answer_written
from afflux.controlplane.writer import Writer
from afflux.objects.manifest import Json, Manifest, metadata_of

_CREATED_BY_PUT: Final = frozenset({"Lease", "Event", "Endpoints", "Service", "LimitRange"})
"""Kinds whose PUT creates what isn't there; so do RBAC's."""

_ANSWERS_WITH_OBJECT: Final = frozenset(
    {"Pod", "Service", "ServiceAccount", "PersistentVolumeClaim", "StorageClass", "PodTemplate", "ResourceQuota"}
    | {"Namespace", "Job"}
)
"""Built-in kinds whose deletion is answered with the object; others get a Status."""


def create(writer: Writer, request: ApiRequest) -> Answer:
    """POST to a collection."""
    author = request.author()
    body, doubles = decode_body(request.body, request.content_type, request.kind.gvk.kind)
    check_identified(request.kind, body, request.body)
    manifest = decoded(request.kind, body, author, doubles)
    check_place(manifest, request.target.namespace, "")
    written = writer.create(request.kind, request.target.namespace, manifest, author)
    return answer_written(request, written, author)


def update(writer: Writer, request: ApiRequest) -> Answer:
    """PUT of an object or of one of its subresources ``status`` and ``finalize``."""
    author, target = request.author(), request.target
    body, doubles = decode_body(request.body, request.content_type, request.kind.gvk.kind)
    check_identified(request.kind, body, request.body)
    manifest = decoded(request.kind, body, author, doubles)
    check_place(manifest, target.namespace, target.name)
    live = writer.store.get(request.kind.storage, target.namespace, target.name)
    if live is None:
        return answer_written(request, _created_by_put(writer, request, manifest, author), author)
    _require_version(request.kind, manifest, live.name)
    if target.subresource == "finalize":
        manifest = _finalized(live, manifest)
    written = writer.update(request.kind, live, manifest, author, target.subresource)
    return answer_written(request, written, author)


def delete_object(writer: Writer, request: ApiRequest) -> Answer:
    """DELETE of one object."""
    author = request.author()
    live = live_object(writer.store, request)
    written = delete(writer, request.kind, live, _delete_options(request), author)
    if written.removed and request.kind.gvk.kind not in _ANSWERS_WITH_OBJECT:
        body = orjson.dumps(_success(request.kind, live))
        return Answer(body, warnings=author.warnings, wrote=True)
    return answer_written(request, written, author)


def delete_collection(writer: Writer, request: ApiRequest) -> Answer:
    """DELETE of everything that is selected; answers what was deleted."""
    author = request.author()
    options = _delete_options(request)
    selection = selection_of(request.kind, request.target.namespace, request.options)
    doomed = [each for each in writer.store.list(request.kind.storage, selection.namespace) if selection.matches(each)]
    for live in doomed:
        delete(writer, request.kind, live, options, author)
    meta = {"resourceVersion": str(writer.store.version)}
    body = render_list(request.kind, Form.JSON, doomed, meta, request.include)
    return Answer(body, warnings=author.warnings, wrote=True)


def _created_by_put(writer: Writer, request: ApiRequest, manifest: Manifest, author: Author) -> Written:
    gvk, target = request.kind.gvk, request.target
    allowed = gvk.kind in _CREATED_BY_PUT or gvk.group == "rbac.authorization.k8s.io"
    if not allowed or target.subresource or metadata_of(manifest).get("uid"):
        raise not_found(request.kind.named(target.name))
    metadata = {key: value for key, value in metadata_of(manifest).items() if key != "resourceVersion"}
    manifest = {**manifest, "metadata": {**metadata, "name": target.name}}
    return writer.create(request.kind, target.namespace, manifest, author)


def _require_version(kind: ServedKind, manifest: Manifest, name: str) -> None:
    """Custom resources are replaced only under a precondition."""
    if kind.is_custom and not metadata_of(manifest).get("resourceVersion"):
        error = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid(kind.named(name), [error])


def _finalized(live: StoredObject, body: Manifest) -> Manifest:
    """``/finalize`` of a Namespace writes its ``spec.finalizers`` only."""
    finalizers: Json = (body.get("spec") or {}).get("finalizers")
    spec = {key: value for key, value in live.manifest["spec"].items() if key != "finalizers"}
    if finalizers:
        spec["finalizers"] = finalizers
    version = metadata_of(body).get("resourceVersion")
    metadata = {**live.manifest["metadata"], "resourceVersion": version or str(live.version)}
    return {**live.manifest, "metadata": metadata, "spec": spec}


def _delete_options(request: ApiRequest) -> DeleteOptions:
    body: Json = {}
    if request.body.strip():
        body, _ = decode_body(request.body, request.content_type, "DeleteOptions")
    body = dict(body) if isinstance(body, dict) else {}
    options = request.options
    for name in ("propagationPolicy",):
        if options.text(name):
            body.setdefault(name, options.text(name))
    if options.has("gracePeriodSeconds"):
        body.setdefault("gracePeriodSeconds", options.number("gracePeriodSeconds"))
    if options.has("orphanDependents"):
        body.setdefault("orphanDependents", options.flag("orphanDependents"))
    return options_from(body)


def _success(kind: ServedKind, live: StoredObject) -> Manifest:
    details = {"name": live.name, "group": kind.gvk.group, "kind": kind.plural, "uid": live.uid}
    if not kind.gvk.group:
        del details["group"]
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
