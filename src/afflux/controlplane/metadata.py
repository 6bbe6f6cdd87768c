"""What the server does with an object's metadata: sets its own part, keeps it, and checks the client's part."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from typing import Final

from afflux.controlplane.errors import FieldError
from afflux.controlplane.field_errors import forbidden, invalid_value, required, too_long
from afflux.controlplane.names import (
    NameProblem,
    label_problem,
    label_value_problem,
    path_segment_problem,
    qualified_problem,
    subdomain_problem,
)
from afflux.controlplane.served_kind import ServedKind
from afflux.objects.manifest import Json, Manifest

_ORDER: Final = (
    *("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp"),
    *("deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences", "finalizers"),
    "managedFields",
)
"""The fields of ObjectMeta, as Go prints them. Others are dropped."""

_SERVER_OWNED: Final = (
    *("namespace", "uid", "resourceVersion", "generation", "creationTimestamp"),
    *("deletionTimestamp", "deletionGracePeriodSeconds"),
)
_DROPPED_WHEN_EMPTY: Final = ("labels", "annotations", "ownerReferences", "finalizers", "managedFields", "generateName")
_STANDARD_FINALIZERS: Final = frozenset({"kubernetes", "orphan", "foregroundDeletion"})
_SUFFIX_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
_ANNOTATION_BYTES: Final = 256 * 1024

_RBAC: Final = "rbac.authorization.k8s.io"
_LABEL_NAMED: Final = frozenset({("", "Namespace"), ("", "Service")})


def stamped(kind: ServedKind, body: Manifest, namespace: str, now: str) -> Manifest:
    """A body as a new object: uid, creationTimestamp and generation set, everything else of the server's dropped.

    The metadata is a new dict, in the order in which Go prints it.
    """
    given = _metadata(body)
    metadata = {key: value for key, value in given.items() if key not in _SERVER_OWNED and key != "selfLink"}
    if namespace:
        metadata["namespace"] = namespace
    metadata["uid"] = _new_uid()
    metadata["resourceVersion"] = ""
    metadata["creationTimestamp"] = now
    if kind.has_generation:
        metadata["generation"] = 1
    return arranged(body, metadata)


def _new_uid() -> str:
    """A random UUID. It is no secret: the process's own generator will do, and asks the system nothing."""
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def carried_over(body: Manifest, live: Manifest) -> Manifest:
    """A body as the next version of a live object: what the server owns in metadata is the live object's.

    ``managedFields`` are left as they are in the body.
    """
    before = live["metadata"]
    metadata = {key: value for key, value in _metadata(body).items() if key not in _SERVER_OWNED and key != "selfLink"}
    metadata["name"] = before["name"]
    for key in _SERVER_OWNED:
        if key in before:
            metadata[key] = before[key]
    return arranged(body, metadata)


def arranged(manifest: Manifest, metadata: Manifest) -> Manifest:
    """The manifest with this metadata, fields in Go's order, empty ones left out."""
    ordered = {
        key: metadata[key]
        for key in _ORDER
        if key in metadata and metadata[key] is not None and (metadata[key] or key not in _DROPPED_WHEN_EMPTY)
    }
    result = {"kind": manifest.get("kind"), "apiVersion": manifest.get("apiVersion"), "metadata": ordered}
    result.update((key, value) for key, value in manifest.items() if key not in result)
    return result


def generated_name(prefix: str) -> str:
    """A name for ``generateName``: the prefix, cut to fit, and five random letters."""
    return prefix[:58] + "".join(random.choices(_SUFFIX_LETTERS, k=5))


def metadata_errors(kind: ServedKind, new: Manifest, old: Manifest | None) -> Iterator[FieldError]:
    """What is wrong with the client's part of the metadata."""
    metadata = new["metadata"]
    if old is None:
        yield from _name_errors(kind, metadata)
    before = old["metadata"] if old is not None else {}
    if metadata.get("labels") != before.get("labels"):
        yield from _label_errors(metadata.get("labels") or {})
    if metadata.get("annotations") != before.get("annotations"):
        yield from _annotation_errors(metadata.get("annotations") or {})
    if metadata.get("ownerReferences") != before.get("ownerReferences"):
        yield from _owner_errors(metadata.get("ownerReferences") or [])
    if metadata.get("finalizers") != before.get("finalizers"):
        yield from _finalizer_errors(kind, metadata, before)


def _metadata(body: Manifest) -> Manifest:
    metadata = body.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _name_problem(kind: ServedKind) -> NameProblem:
    if kind.gvk.group == _RBAC:
        return path_segment_problem
    if (kind.gvk.group, kind.gvk.kind) in _LABEL_NAMED:
        return label_problem
    return subdomain_problem


def _name_errors(kind: ServedKind, metadata: Manifest) -> Iterator[FieldError]:
    name, prefix = metadata.get("name"), metadata.get("generateName")
    # A prefix may end where a name may not: more follows.
    if prefix and (problem := _name_problem(kind)(f"{prefix}a" if prefix.endswith("-") else prefix)):
        yield invalid_value("metadata.generateName", prefix, problem)
    if not name:
        yield required("metadata.name", "name or generateName is required")
    elif problem := _name_problem(kind)(name):
        yield invalid_value("metadata.name", name, problem)


def _label_errors(labels: Json) -> Iterator[FieldError]:
    for key, value in labels.items():
        if problem := qualified_problem(key):
            yield invalid_value("metadata.labels", key, problem)
        if problem := label_value_problem(value):
            yield invalid_value("metadata.labels", value, problem)


def _annotation_errors(annotations: Json) -> Iterator[FieldError]:
    for key in annotations:
        if problem := qualified_problem(key.lower()):
            yield invalid_value("metadata.annotations", key, problem)
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > _ANNOTATION_BYTES:
        yield too_long("metadata.annotations", _ANNOTATION_BYTES)


def _owner_errors(owners: Json) -> Iterator[FieldError]:
    controllers = 0
    for owner in owners:
        for name in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(name):
                yield invalid_value(f"metadata.ownerReferences.{name}", owner.get(name, ""), "must not be empty")
        controllers += bool(owner.get("controller"))
    if controllers > 1:
        words = "Only one reference can have Controller set to true"
        yield invalid_value("metadata.ownerReferences", owners, words)


def _finalizer_errors(kind: ServedKind, metadata: Manifest, before: Manifest) -> Iterator[FieldError]:
    finalizers = metadata.get("finalizers") or []
    for index, finalizer in enumerate(finalizers):
        if problem := qualified_problem(finalizer):
            yield invalid_value("metadata.finalizers", finalizer, problem)
        if not kind.is_custom and "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            # Only the core validation asks for this; custom resources may have a name without a domain.
            words = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid_value(f"metadata.finalizers[{index}]", finalizer, words)
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        yield invalid_value(
            "metadata.finalizers", finalizers, "finalizer orphan and foregroundDeletion cannot be both set"
        )
    added = [each for each in finalizers if each not in (before.get("finalizers") or ())]
    if before.get("deletionTimestamp") and added:
        listed = ", ".join(f'"{each}"' for each in added)
        words = (
            f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}"
        )
        yield forbidden("metadata.finalizers", words)
