"""``patch`` in its four types: JSON patch, JSON merge patch, strategic merge patch, and apply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import orjson

from afflux.controlplane.conversion import from_storage
from afflux.controlplane.decoding import check_place, decoded
from afflux.controlplane.errors import (
    UNNAMED,
    ApiStatusError,
    FieldError,
    bad_request,
    conflict,
    internal,
    invalid_option,
    not_found,
    patch_rejected,
    unsupported_media_type,
)
from afflux.controlplane.negotiation import decode_yaml
from afflux.controlplane.ownership import Applying
from afflux.controlplane.served_kind import ServedKind
from afflux.controlplane.verbs.read import live_object
from afflux.controlplane.verbs.request import Answer, ApiRequest, answer_written
from afflux.controlplane.writer import Writer, check_patched
from afflux.manifests.strategic_merge import InvalidStrategicPatch, strategic_merge
from afflux.objects.identity import gvk_of
from afflux.objects.json_patch import JsonPatchError, apply_json_patch
from afflux.objects.manifest import Json, Manifest, metadata_of
from afflux.objects.merge_patch import apply_merge_patch

JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"

_MAX_OPERATIONS: Final = 10_000


def patch(writer: Writer, request: ApiRequest) -> Answer:
    """PATCH of an object, or of its status."""
    media_type = request.content_type.partition(";")[0].strip()
    accepted = _accepted(request.kind)
    if media_type not in accepted:
        if media_type == STRATEGIC_PATCH:
            raise unsupported_media_type(accepted)
        raise ApiStatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", UNNAMED)
    if media_type == APPLY_PATCH:
        return _apply(writer, request)
    return _patch(writer, request, media_type)


def _accepted(kind: ServedKind) -> Sequence[str]:
    if kind.is_custom:
        return (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
    return (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)


def _patch(writer: Writer, request: ApiRequest, media_type: str) -> Answer:
    author = request.author()
    live = live_object(writer.store, request)
    before = from_storage(request.kind, live.manifest)
    patched = patched_manifest(before, parse_patch(request.body), media_type, request.kind)
    manifest = decoded(request.kind, patched, author, live=before)
    check_place(manifest, request.target.namespace, request.target.name)
    check_patched(request.kind, live, manifest)
    written = writer.update(request.kind, live, manifest, author, request.target.subresource)
    return answer_written(request, written, author)


def parse_patch(body: bytes) -> Json:
    """A patch body that is JSON. Raises 400."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from error


def patched_manifest(manifest: Manifest, patch_: Json, media_type: str, kind: ServedKind) -> Manifest:
    """The manifest with a patch of the type applied; the input is not changed."""
    match media_type:
        case "application/json-patch+json":
            return _json_patched(manifest, patch_)
        case "application/merge-patch+json":
            _require_object(patch_)
            result: Manifest = apply_merge_patch(manifest, patch_)
            return result
        case _:
            _require_object(patch_)
            return _strategic(manifest, patch_, kind)


def _require_object(patch_: Json) -> None:
    if not isinstance(patch_, dict):
        raise bad_request("error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}")


def _json_patched(manifest: Manifest, operations: Json) -> Manifest:
    if not isinstance(operations, list):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        )
    if len(operations) > _MAX_OPERATIONS:
        words = f"The allowed maximum operations in a JSON patch is {_MAX_OPERATIONS}, got {len(operations)}"
        raise ApiStatusError(413, "RequestEntityTooLarge", words)
    try:
        result: Manifest = apply_json_patch(manifest, operations)
    except JsonPatchError as error:
        raise patch_rejected() from error
    return result


def _strategic(manifest: Manifest, patch_: Manifest, kind: ServedKind) -> Manifest:
    try:
        merged: Manifest = strategic_merge(manifest, patch_, kind.schema)
    except InvalidStrategicPatch as error:
        raise internal(str(error)) from error
    return merged


def _apply(writer: Writer, request: ApiRequest) -> Answer:
    if not request.options.text("fieldManager"):
        words = "Required value: is required for apply patch"
        raise invalid_option("PatchOptions", [FieldError("FieldValueRequired", words, "fieldManager")])
    author, target = request.author(), request.target
    body = _applied_body(request)
    check_place(body, target.namespace, target.name)
    metadata = {**metadata_of(body), "name": target.name}
    body = {**body, "metadata": metadata}
    live = writer.store.get(request.kind.storage, target.namespace, target.name)
    if live is None:
        if target.subresource:
            raise not_found(request.kind.named(target.name))
        if metadata.get("uid"):
            words = (
                f"uid mismatch: the provided object specified uid {metadata['uid']}, and no existing object was found"
            )
            raise conflict(request.kind.named(target.name), words)
        return answer_written(request, writer.create_applied(request.kind, target.namespace, body, author), author)
    force = request.options.flag("force")
    applying = Applying(author.manager, writer.now(), target.subresource, force)
    return answer_written(request, writer.apply(request.kind, live, body, author, applying), author)


def _applied_body(request: ApiRequest) -> Manifest:
    body = decode_yaml(request.body)
    if not isinstance(body, dict):
        raise bad_request("error decoding YAML: the applied configuration must be an object")
    given, gvk = gvk_of(body), request.kind.gvk
    if given != gvk:
        raise bad_request(f"invalid object type: {given.group}/{given.version}, Kind={given.kind}")
    return body
