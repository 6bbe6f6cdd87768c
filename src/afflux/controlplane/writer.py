"""Creating and updating objects: the road that every write of the plane walks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from afflux.controlplane import ownership, structural
from afflux.controlplane.admission import admit
from afflux.controlplane.conversion import from_storage, seen_through, to_storage
from afflux.controlplane.defaults import apply_defaults
from afflux.controlplane.errors import (
    ApiStatusError,
    already_exists,
    conflict,
    internal,
    invalid,
    modified,
)
from afflux.controlplane.field_errors import immutable, invalid_value
from afflux.controlplane.kind_registry import KindRegistry
from afflux.controlplane.managed_fields import Unconvertible, View, with_managed_fields
from afflux.controlplane.metadata import carried_over, generated_name, metadata_errors, stamped
from afflux.controlplane.pipeline import Author, WriteContext, WriteVerb, Written
from afflux.controlplane.served_kind import CustomVersion, ServedKind
from afflux.controlplane.store import ObjectTooLarge, Store
from afflux.controlplane.stored import StoredObject
from afflux.controlplane.structural.rulings import Rulings
from afflux.controlplane.typed import decode_typed
from afflux.controlplane.validation import validate
from afflux.objects.identity import GroupVersionKind, gvk_of, parse_api_version
from afflux.objects.manifest import Manifest, metadata_of
from afflux.schema.openapi import FREE_FORM, schema_from_crd

_NAME_TRIES: Final = 8


def rfc3339_now() -> str:
    """UTC, whole seconds, as timestamps of objects are written."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Writer:
    """Writes to one store. Bodies come decoded; everything happens at once, inside the loop."""

    def __init__(self, store: Store, registry: KindRegistry, now: Callable[[], str] = rfc3339_now) -> None:
        self.store = store
        self.registry = registry
        self.now = now

    def context(self, kind: ServedKind, verb: WriteVerb, author: Author, subresource: str = "") -> WriteContext:
        """What admission is told about a write by this author."""
        return WriteContext(
            kind=kind,
            verb=verb,
            subresource=subresource,
            dry_run=author.dry_run,
            user=author.user,
            store=self.store,
            registry=self.registry,
            now=self.now(),
            warnings=author.warnings,
            rulings=author.rulings,
        )

    def create(self, kind: ServedKind, namespace: str, body: Manifest, author: Author) -> Written:
        """Create an object from a body; the name may be generated."""
        if metadata_of(body).get("resourceVersion"):
            raise internal("resourceVersion should not be set on objects to be created")
        body = self._with_name(kind, namespace, body, author.rulings)
        context = self.context(kind, "create", author)
        new = _defaulted(kind, stamped(kind, _reset_status(kind, body), namespace, context.now))
        # What admission adds is nobody's: ownership is of what the client wrote, defaults included.
        new = ownership.after_create(kind, new, author.manager, context.now)
        return self._stored(kind, self._admitted(context, new, None), author, created=True)

    def create_applied(self, kind: ServedKind, namespace: str, body: Manifest, author: Author) -> Written:
        """Create an object from an applied configuration."""
        context = self.context(kind, "create", author)
        applied = ownership.applied(kind, None, body, ownership.Applying(author.manager, context.now), self._view)
        body = _reset_status(kind, _typed(kind, applied.object))
        new = _defaulted(kind, stamped(kind, body, namespace, context.now))
        new = with_managed_fields(new, applied.managed_fields)
        return self._stored(kind, self._admitted(context, new, None), author, created=True)

    def update(
        self, kind: ServedKind, live: StoredObject, body: Manifest, author: Author, subresource: str = ""
    ) -> Written:
        """Replace a live object with a body (of a PUT, or patched). The body's resourceVersion is a precondition."""
        check_preconditions(kind, live, body)
        context = self.context(kind, "update", author, subresource)
        before = from_storage(kind, live.manifest)
        new = _defaulted(kind, _merged_parts(kind, carried_over(body, before), before, subresource), before)
        new = ownership.after_update(
            kind, before, new, ownership.Updating(author.manager, context.now, subresource), self._view
        )
        new = _next_generation(context, self._admitted(context, new, before), before)
        return self.replaced(kind, live, new, author)

    def apply(
        self, kind: ServedKind, live: StoredObject, body: Manifest, author: Author, applying: ownership.Applying
    ) -> Written:
        """Server-side apply a configuration onto a live object."""
        check_patched(kind, live, body)
        context = self.context(kind, "update", author, applying.subresource)
        before = from_storage(kind, live.manifest)
        applied = ownership.applied(kind, before, body, applying, self._view)
        merged = carried_over(_typed(kind, applied.object, before), before)
        new = _defaulted(kind, _merged_parts(kind, merged, before, applying.subresource), before)
        new = with_managed_fields(new, applied.managed_fields)
        new = _next_generation(context, self._admitted(context, new, before), before)
        return self.replaced(kind, live, new, author)

    def replaced(self, kind: ServedKind, live: StoredObject, new: Manifest, author: Author) -> Written:
        """Store the next version of an object, unless it is the live one; remove it if its last finalizer went."""
        if ownership.is_same(from_storage(kind, live.manifest), new):
            return Written(live.manifest, live)
        if _is_released(new):
            if not author.dry_run:
                self.store.remove(live)
            return Written(to_storage(kind, new), None, removed=True)
        return self._stored(kind, new, author)

    def _view(self, manifest: Manifest, api_version: str) -> View | None:
        """An object at the version of one of its owners."""
        source = self.registry.for_gvk(gvk_of(manifest))
        if source is None:
            return None
        if source.custom is not None:
            return _custom_view(source.custom, manifest, api_version)
        group, version = parse_api_version(api_version)
        kind = self.registry.for_gvk(GroupVersionKind(group, version, manifest["kind"]))
        if kind is None or kind.storage != source.storage:
            return None
        return View(seen_through(kind, source, manifest), kind.schema or FREE_FORM)

    def _with_name(self, kind: ServedKind, namespace: str, body: Manifest, rulings: Rulings) -> Manifest:
        metadata = metadata_of(body)
        prefix = metadata.get("generateName")
        if prefix and not metadata.get("name"):
            for _ in range(_NAME_TRIES):
                name = rulings.name = rulings.name or generated_name(prefix)
                if self.store.get(kind.storage, namespace, name) is None:
                    return {**body, "metadata": {**metadata, "name": name}}
                rulings.name = ""
            raise already_exists(kind.named(name))
        live = self.store.get(kind.storage, namespace, metadata.get("name") or "")
        if live is not None:
            terminating = "deletionTimestamp" in live.manifest["metadata"]
            raise already_exists(kind.named(live.name), terminating=terminating)
        return body

    def _admitted(self, context: WriteContext, new: Manifest, old: Manifest | None) -> Manifest:
        """Admitted and validated."""
        return self.validated(context, admit(context, new, old), old)

    def validated(self, context: WriteContext, new: Manifest, old: Manifest | None) -> Manifest:
        """The object, if it is valid. Raises 422."""
        kind = context.kind
        errors = list(metadata_errors(kind, new, old))
        if kind.is_custom:
            errors += structural.validate(kind, new, old, context.warnings, context.rulings)
        else:
            errors += validate(kind, new, old)
        if errors:
            raise invalid(kind.kind_named(new["metadata"].get("name", "")), errors)
        return new

    def _stored(self, kind: ServedKind, new: Manifest, author: Author, *, created: bool = False) -> Written:
        new = to_storage(kind, new)
        if author.dry_run:
            if created:
                new["metadata"].pop("resourceVersion", None)
            return Written(new, None, created)
        try:
            stored = self.store.put(kind.storage, new, sort_keys=kind.is_custom)
        except ObjectTooLarge:
            raise ApiStatusError(500, "", "etcdserver: request is too large") from None
        return Written(new, stored, created)


def _custom_view(custom: CustomVersion, manifest: Manifest, api_version: str) -> View:
    group, version = parse_api_version(api_version)
    raw = custom.versions.get(version) if group == gvk_of(manifest).group else None
    if raw is None:
        raise Unconvertible(f"request to convert CR to an invalid group/version: {api_version}")
    return View({**manifest, "apiVersion": api_version}, schema_from_crd(raw))


def check_preconditions(kind: ServedKind, live: StoredObject, body: Manifest) -> None:
    """A body that names a resourceVersion or a uid is about that version of that object only."""
    metadata = metadata_of(body)
    uid, version = metadata.get("uid"), metadata.get("resourceVersion")
    about = kind.named(live.name)
    if uid and uid != live.uid:
        key = f"/registry/{kind.plural}/{live.namespace}/{live.name}"
        raise conflict(
            about,
            f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
            f"Precondition failed: UID in precondition: {uid}, UID in object meta: {live.uid}",
        )
    if version and version not in ("0", str(live.version)):
        if not str(version).isdigit():
            error = invalid_value("metadata.resourceVersion", version, "must be a number")
            raise invalid(kind.kind_named(live.name), [error])
        raise modified(about)


def check_patched(kind: ServedKind, live: StoredObject, body: Manifest) -> None:
    """The same for what a patch or an apply makes: there the uid is a field like any other, and can't be changed."""
    metadata = metadata_of(body)
    check_preconditions(kind, live, {"metadata": {**metadata, "uid": live.uid}})
    uid = metadata.get("uid")
    if uid and uid != live.uid:
        raise invalid(kind.kind_named(live.name), [immutable("metadata.uid", uid)])


def _defaulted(kind: ServedKind, manifest: Manifest, live: Manifest | None = None) -> Manifest:
    return structural.default(kind, manifest) if kind.is_custom else apply_defaults(kind, manifest, live)


def _typed(kind: ServedKind, merged: Manifest, live: Manifest | None = None) -> Manifest:
    """What an apply left, without the nulls and empty values that a struct would not print."""
    return merged if kind.is_custom else decode_typed(kind, merged, live)[0]


def _reset_status(kind: ServedKind, body: Manifest) -> Manifest:
    """A new object's status is not the client's to set where the kind has a status subresource."""
    if not kind.has_status:
        return body
    reset = {key: value for key, value in body.items() if key != "status"}
    if "status" in kind.zero:
        reset["status"] = kind.zero["status"]
    return reset


def _merged_parts(kind: ServedKind, new: Manifest, live: Manifest, subresource: str) -> Manifest:
    """The parts of the body that the path may write; the rest is the live object's."""
    if subresource == "status":
        return _status_only(kind, new, live)
    if not kind.has_status:
        return new
    merged = {key: value for key, value in new.items() if key != "status"}
    if "status" in live:
        merged["status"] = live["status"]
    return merged


def _status_only(kind: ServedKind, new: Manifest, live: Manifest) -> Manifest:
    merged = dict(live)
    if "status" in new:
        merged["status"] = new["status"]
    else:
        merged.pop("status", None)
    if kind.is_custom:
        metadata = dict(live["metadata"])
    else:
        # Status strategies of built-ins keep the labels and take the other metadata of the body.
        metadata = {key: value for key, value in new["metadata"].items() if key != "labels"}
        if "labels" in live["metadata"]:
            metadata["labels"] = live["metadata"]["labels"]
    merged["metadata"] = metadata
    return merged


def _next_generation(context: WriteContext, new: Manifest, live: Manifest) -> Manifest:
    """Counts changes of what is wanted; a Deployment's annotations belong to that, as ReplicaSets get them."""
    kind = context.kind
    if not kind.has_generation:
        return new
    ignored = {"metadata", "status"} if kind.has_status or not kind.is_custom else {"metadata"}
    keys = (new.keys() | live.keys()) - ignored
    changed = any(new.get(key) != live.get(key) for key in keys)
    if not changed and kind.gvk.kind == "Deployment" and context.subresource != "status":
        changed = _handed_on(new) != _handed_on(live)
    if not changed:
        return new
    generation = live["metadata"].get("generation", 0) + 1
    return {**new, "metadata": {**new["metadata"], "generation": generation}}


def _handed_on(deployment: Manifest) -> dict[str, str]:
    """A Deployment's annotations without its controller's own."""
    annotations = deployment["metadata"].get("annotations") or {}
    return {key: value for key, value in annotations.items() if not key.startswith("deployment.kubernetes.io/")}


def _is_released(new: Manifest) -> bool:
    """Whether an object that is being deleted has nothing left that holds it."""
    metadata = new["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers"):
        return False
    if metadata.get("deletionGracePeriodSeconds"):
        return False
    return not (new["kind"] == "Namespace" and new["apiVersion"] == "v1" and new["spec"].get("finalizers"))
