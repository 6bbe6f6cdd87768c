"""Objects, lists and watch events as bytes, in each form that a client can ask for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import orjson

from afflux.controlplane.conversion import from_storage, is_stored_form
from afflux.controlplane.negotiation import Form
from afflux.controlplane.printing import partial_metadata, table
from afflux.controlplane.served_kind import ServedKind
from afflux.controlplane.stored import EventType, StoredObject, StoreEvent
from afflux.lang import yaml
from afflux.objects.manifest import Manifest


def render_object(kind: ServedKind, form: Form, manifest: Manifest, stored: StoredObject | None, include: str) -> bytes:
    """One object. ``manifest`` is in the stored version; ``stored`` gives its bytes where it was stored."""
    match form:
        case Form.JSON:
            if stored is not None and is_stored_form(kind, stored):
                return stored.encoded
            return encode(kind, from_storage(kind, manifest))
        case Form.TABLE:
            shown = from_storage(kind, manifest)
            return table(kind, [shown], _version_meta(manifest), include)
        case Form.PARTIAL:
            return orjson.dumps(partial_metadata(manifest))
        case Form.YAML:
            return as_yaml(from_storage(kind, manifest))


def render_list(kind: ServedKind, form: Form, items: Sequence[StoredObject], meta: Manifest, include: str) -> bytes:
    """A list. ``meta`` is its metadata: resourceVersion, continue, remainingItemCount."""
    match form:
        case Form.JSON:
            head = {"kind": kind.list_kind, "apiVersion": kind.gvk.api_version, "metadata": meta}
            return _list(head, _items(kind, items))
        case Form.TABLE:
            return table(kind, (from_storage(kind, each.manifest) for each in items), meta, include)
        case Form.PARTIAL:
            head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
            return _list(head, (orjson.dumps(partial_metadata(each.manifest)) for each in items))
        case Form.YAML:
            head = {"kind": kind.list_kind, "apiVersion": kind.gvk.api_version, "metadata": meta}
            return as_yaml(orjson.loads(_list(head, _items(kind, items))))


def encode(kind: ServedKind, manifest: Manifest) -> bytes:
    """A manifest as JSON, fields in the order in which Go prints the kind."""
    return orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS if kind.is_custom else None)


def as_yaml(value: Manifest) -> bytes:
    return yaml.dump(value).encode()


class EventForm:
    """How one kind's events are written for watchers of one form. Frames are cached in the event: one encoding each.

    ``headed`` tables carry column definitions; a watch sends them with its first event only.
    """

    def __init__(self, kind: ServedKind, form: Form, include: str) -> None:
        self.kind = kind
        self.form = form
        self.include = include
        self._key = (kind, form, include)

    @property
    def has_header(self) -> bool:
        """Whether the first line of a stream carries column definitions."""
        return self.form is Form.TABLE

    def frame(self, event: StoreEvent, type_: EventType, *, headed: bool = False) -> bytes:
        """A store event as one line. ``type_`` is what it is to the watcher: objects come into view and leave it."""
        key = (self._key, type_, headed)
        found = event.frames.get(key)
        if found is None:
            stored = event.object
            if type_ == "DELETED" and event.type != "DELETED":
                found = self._line(type_, _leaving(event), None, headed)
            else:
                found = self._line(type_, stored.manifest, stored, headed)
            event.frames[key] = found
        return found

    def initial(self, stored: StoredObject, *, headed: bool = False) -> bytes:
        """The synthetic ADDED of an object that is there when the watch begins."""
        return self._line("ADDED", stored.manifest, stored, headed)

    def _line(self, type_: EventType, manifest: Manifest, stored: StoredObject | None, headed: bool) -> bytes:
        if self.form is Form.TABLE:
            shown = [from_storage(self.kind, manifest)]
            body = table(self.kind, shown, _version_meta(manifest), self.include, headed=headed)
        else:
            form = Form.JSON if self.form is Form.YAML else self.form
            body = render_object(self.kind, form, manifest, stored, self.include)
        return b'{"type":"%s","object":%s}\n' % (type_.encode(), body)


def bookmark(kind: ServedKind, form: Form, version: int, *, initial_end: bool = False) -> bytes:
    """A BOOKMARK line: an empty object of the kind, as Go prints it. The one after the initial events says so."""
    metadata: Manifest = {"resourceVersion": str(version)}
    if initial_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    shown = {"kind": kind.gvk.kind, "apiVersion": kind.gvk.api_version, **kind.zero, "metadata": metadata}
    if form is Form.PARTIAL:
        shown = partial_metadata(shown)
    elif form is Form.TABLE:
        shown = {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": [],
            "rows": [],
        }
    return b'{"type":"BOOKMARK","object":%s}\n' % orjson.dumps(shown)


def _leaving(event: StoreEvent) -> Manifest:
    """The last state that matched, under the number of the change that ended the match."""
    assert event.old is not None
    metadata = {**event.old.manifest["metadata"], "resourceVersion": str(event.version)}
    return {**event.old.manifest, "metadata": metadata}


def _version_meta(manifest: Manifest) -> Manifest:
    return {"resourceVersion": manifest["metadata"].get("resourceVersion", "")}


def _list(head: Manifest, items: Iterable[bytes]) -> bytes:
    return b'%s,"items":[%s]}\n' % (orjson.dumps(head)[:-1], b",".join(items))


def _items(kind: ServedKind, items: Iterable[StoredObject]) -> Iterable[bytes]:
    """Items of built-in kinds have no ``kind`` and ``apiVersion``; custom ones do."""
    if kind.is_custom:
        return (_encoded(kind, each) for each in items)
    cut = _identity_length(kind)
    return (b"{" + _encoded(kind, each)[cut:] for each in items)


@lru_cache(maxsize=1024)
def _identity_length(kind: ServedKind) -> int:
    """How many bytes ``{"kind":...,"apiVersion":...,`` takes."""
    return len(orjson.dumps({"kind": kind.gvk.kind, "apiVersion": kind.gvk.api_version}))


def _encoded(kind: ServedKind, stored: StoredObject) -> bytes:
    return stored.encoded if is_stored_form(kind, stored) else encode(kind, from_storage(kind, stored.manifest))
