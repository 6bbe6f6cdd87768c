"""``get`` and ``list``."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final, NamedTuple

import orjson

from afflux.controlplane.bucket import HistoryGone
from afflux.controlplane.errors import (
    FieldError,
    bad_request,
    expired,
    internal,
    invalid_option,
    not_found,
    version_too_large,
)
from afflux.controlplane.options import Options
from afflux.controlplane.rendering import render_list, render_object
from afflux.controlplane.selection import Selection, selection_of
from afflux.controlplane.store import Store
from afflux.controlplane.stored import StoredObject
from afflux.controlplane.verbs.request import Answer, ApiRequest, deprecations
from afflux.objects.manifest import Manifest

_EXPIRED: Final = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter."
)


def get(store: Store, request: ApiRequest) -> Answer:
    """One object."""
    stored = live_object(store, request)
    body = render_object(request.kind, request.form, stored.manifest, stored, request.include)
    return Answer(body, content_type=request.form.content_type, warnings=deprecations(request.kind))


def live_object(store: Store, request: ApiRequest) -> StoredObject:
    """The object that the path names. Raises 404."""
    target = request.target
    stored = store.get(request.kind.storage, target.namespace, target.name)
    if stored is None:
        raise not_found(request.kind.named(target.name))
    return stored


class _Page(NamedTuple):
    items: Sequence[StoredObject]
    meta: Manifest


class _Token(NamedTuple):
    """Where a paginated list goes on: after the object at this place, as of this version."""

    version: int
    namespace: str
    name: str

    def encode(self) -> str:
        return base64.urlsafe_b64encode(orjson.dumps([self.version, self.namespace, self.name])).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> _Token:
        try:
            read = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except ValueError as error:
            raise bad_request(f"invalid continue token: {error}") from error
        match read:
            case [int(version), str(namespace), str(name)]:
                return cls(version, namespace, name)
        raise bad_request("invalid continue token: not one of this server")


def list_objects(store: Store, request: ApiRequest) -> Answer:
    """All selected objects, or a page of them."""
    selection = selection_of(request.kind, request.target.namespace, request.options, request.target.name)
    page = _page(store, request, selection)
    body = render_list(request.kind, request.form, page.items, page.meta, request.include)
    return Answer(body, content_type=request.form.content_type, warnings=deprecations(request.kind))


def _page(store: Store, request: ApiRequest, selection: Selection) -> _Page:
    options = request.options
    limit = options.number("limit") or 0
    token = _Token.decode(options.text("continue")) if options.text("continue") else None
    version = token.version if token else _wanted_version(store, options)
    found = _selected(store, request, selection, version)
    total_known = selection.is_all
    if token is not None:
        place = (token.namespace, token.name)
        found = [each for each in found if (each.namespace, each.name) > place]
    meta: Manifest = {"resourceVersion": str(store.version if version is None else version)}
    if limit and len(found) > limit:
        last = found[limit - 1]
        meta["continue"] = _Token(int(meta["resourceVersion"]), last.namespace, last.name).encode()
        if total_known:
            meta["remainingItemCount"] = len(found) - limit
        found = found[:limit]
    return _Page(found, meta)


def _wanted_version(store: Store, options: Options) -> int | None:
    """The version at which history must be read, or None for the newest state."""
    text, match = options.text("resourceVersion"), options.text("resourceVersionMatch")
    if match and not text:
        words = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise invalid_option("ListOptions", [FieldError("FieldValueForbidden", words, "resourceVersionMatch")])
    if match not in ("", "Exact", "NotOlderThan"):
        words = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        raise invalid_option("ListOptions", [FieldError("FieldValueNotSupported", words, "resourceVersionMatch")])
    if not text:
        return None
    version = parse_version(text)
    if version > store.version:
        raise version_too_large(version, store.version)
    return version if match == "Exact" and version else None


def parse_version(text: str) -> int:
    """A resourceVersion option as a number. Raises 500, as the server does."""
    if not text.isascii() or not text.isdigit():
        detail = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise internal(f'resourceVersion: Invalid value: "{text}": {detail}')
    return int(text)


def _selected(store: Store, request: ApiRequest, selection: Selection, version: int | None) -> Sequence[StoredObject]:
    bucket = store.bucket(request.kind.storage)
    if selection.fields is not None and selection.fields.name and selection.namespace and version is None:
        one = bucket.get(selection.namespace, selection.fields.name)
        return [one] if one is not None and selection.matches(one) else []
    if version is None:
        objects = bucket.objects(selection.namespace)
    else:
        try:
            objects = iter(bucket.at(version, selection.namespace))
        except HistoryGone:
            raise expired(_EXPIRED) from None
    return list(objects) if selection.is_all else [each for each in objects if selection.matches(each)]
