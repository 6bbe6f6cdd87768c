"""What is known of an object from our own last dealings with it, so that less has to be asked.

After a clean dry run: that another one would find nothing, told by a look at the live object; and after such a look
that not even another look would, told by the watch of its kind. After a write: that nobody has touched the object
since, told by the resourceVersion that a dry run shows.

What an apply makes of an object depends on our manifest, on the object but its status, on who owns its fields, and on
its kind's schema. The first three are the fingerprint; where the last may change (custom kinds), there is none.
"""

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from afflux.apply.drift import compared
from afflux.apply.live_changes import LiveChanges, Look
from afflux.kube.client import Target
from afflux.objects.identity import ObjectRef, gvk_of
from afflux.objects.manifest import Json, Manifest, annotations_of, labels_of, metadata_of
from afflux.schema.openapi import builtin_schemas

_LARGEST_KEPT = 8 * 1024
"""Bytes of an object that is kept rather than read again."""


class _Clean(NamedTuple):
    """Digests of a manifest and of an object that it left as it was."""

    desired: bytes
    live: bytes


class _Written(NamedTuple):
    """An object as a write of ours had left it."""

    identity: tuple[str, str]
    content: bytes


class _Seen(NamedTuple):
    """A look at an object that found it clean, and the object as JSON."""

    look: Look
    version: str
    live: bytes
    """Empty where it is too large to be kept."""


@dataclass
class Fingerprints:
    """The fingerprints of one owner's objects after their last clean dry run. In memory: a new process knows none."""

    changes: LiveChanges | None = None
    _clean: dict[ObjectRef, _Clean] = field(default_factory=dict)
    _written: dict[ObjectRef, _Written] = field(default_factory=dict)
    _seen: dict[ObjectRef, _Seen] = field(default_factory=dict)

    def knows(self, ref: ObjectRef, desired: Manifest) -> bool:
        """Whether the last dry run of the object was of this manifest, and clean."""
        known = self._clean.get(ref)
        return known is not None and known.desired == _digest(desired)

    def is_clean(self, ref: ObjectRef, desired: Manifest, live: Manifest) -> bool:
        """Whether a dry run of this manifest over this object is known to change nothing."""
        known = self._clean.get(ref)
        return known is not None and known == _Clean(_digest(desired), fingerprint(live))

    def remember(self, ref: ObjectRef, desired: Manifest, live: Manifest) -> None:
        """A dry run of this manifest over this object changed nothing."""
        if builtin_schemas().for_kind(gvk_of(desired)) is not None:
            self._clean[ref] = _Clean(_digest(desired), fingerprint(live))

    def look(self, target: Target) -> Look | None:
        """To be taken before an object is read, and given to ``saw`` where it was clean."""
        return None if self.changes is None else self.changes.look(target.gvk)

    def saw(self, ref: ObjectRef, look: Look | None, live: Manifest) -> None:
        """The object was read after a look, and is clean."""
        if look is not None:
            metadata = {name: value for name, value in metadata_of(live).items() if name != "managedFields"}
            state = orjson.dumps({**live, "metadata": metadata})
            kept = state if len(state) <= _LARGEST_KEPT else b""
            self._seen[ref] = _Seen(look, str(metadata.get("resourceVersion") or ""), kept)

    def look_again(self) -> None:
        """Whatever happens next, no look of before counts."""
        self._seen.clear()

    def is_unchanged(self, ref: ObjectRef, target: Target) -> bool:
        """Whether nobody has changed the object since it was found clean."""
        seen = self._seen.get(ref)
        return (
            seen is not None and self.changes is not None and self.changes.is_unchanged(target, seen.look, seen.version)
        )

    def unchanged(self, ref: ObjectRef, target: Target) -> Manifest | None:
        """The object as it was found clean, where nobody has changed it since and it isn't large; without its
        managedFields."""
        if not self.is_unchanged(ref, target) or not self._seen[ref].live:
            return None
        live: Manifest = orjson.loads(self._seen[ref].live)
        return live

    def wrote(self, ref: ObjectRef, answer: Manifest) -> None:
        """What the server answered to a write of ours."""
        self._clean.pop(ref, None)
        self._seen.pop(ref, None)
        self._written[ref] = _Written(_identity(answer), _content(answer))

    def is_as_written(self, ref: ObjectRef, dry_run: Manifest) -> bool:
        """Whether a dry run was of the very state that our last write had left."""
        written = self._written.get(ref)
        return written is not None and written.identity == _identity(dry_run)

    def is_content_as_written(self, ref: ObjectRef, dry_run: Manifest) -> bool:
        """Whether that state would be kept in all that counts as drift."""
        return self._written[ref].content == _content(dry_run)


def fingerprint(live: Manifest) -> bytes:
    """A digest of all in a live object that decides what an apply makes of it."""
    metadata = metadata_of(live)
    entries = [entry for entry in metadata.get("managedFields") or [] if entry.get("subresource") != "status"]
    version = metadata.get("generation") or metadata.get("resourceVersion")
    return _digest([metadata.get("uid"), version, labels_of(live), annotations_of(live), entries])


def _identity(live: Manifest) -> tuple[str, str]:
    metadata = metadata_of(live)
    return str(metadata.get("uid") or ""), str(metadata.get("resourceVersion") or "")


def _content(live: Manifest) -> bytes:
    """A digest of all in which drift is looked for."""
    return _digest(compared(live))


def _digest(value: Json) -> bytes:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).digest()
