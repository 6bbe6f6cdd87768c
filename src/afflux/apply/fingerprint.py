"""Telling by a look at the live object that a dry run would find nothing, because it found nothing last time.

What an apply makes of an object depends on our manifest, on the object but its status, on who owns its fields, and on
its kind's schema. The first three are the fingerprint; where the last may change (custom kinds), there is none.
"""

import hashlib
from dataclasses import dataclass, field

import orjson

from afflux.objects.identity import ObjectRef, gvk_of
from afflux.objects.manifest import Json, Manifest, annotations_of, labels_of, metadata_of
from afflux.schema.openapi import builtin_schemas


@dataclass
class Fingerprints:
    """The fingerprints of one owner's objects after their last clean dry run. In memory: a new process knows none."""

    _clean: dict[ObjectRef, bytes] = field(default_factory=dict)

    def is_clean(self, ref: ObjectRef, desired: Manifest, live: Manifest) -> bool:
        """Whether a dry run of this manifest over this object is known to change nothing."""
        known = self._clean.get(ref)
        return known is not None and known == fingerprint(desired, live)

    def remember(self, ref: ObjectRef, desired: Manifest, live: Manifest) -> None:
        """A dry run of this manifest over this object changed nothing."""
        if builtin_schemas().for_kind(gvk_of(desired)) is not None:
            self._clean[ref] = fingerprint(desired, live)

    def forget(self) -> None:
        """Look at everything again."""
        self._clean.clear()


def fingerprint(desired: Manifest, live: Manifest) -> bytes:
    """A digest of all that decides what an apply of ``desired`` makes of ``live``."""
    metadata = metadata_of(live)
    entries = [entry for entry in metadata.get("managedFields") or [] if entry.get("subresource") != "status"]
    parts: list[Json] = [
        metadata.get("uid"),
        metadata.get("generation") or metadata.get("resourceVersion"),
        labels_of(live),
        annotations_of(live),
        entries,
        desired,
    ]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()
