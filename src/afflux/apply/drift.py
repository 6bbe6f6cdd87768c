"""Whether a live object differs from what an apply would make of it, and where.

Labels, annotations, and everything but metadata and status count (Flux's hasDrifted). Both sides are the server's own
answers, so that defaults and other managers' fields are equal on both.
"""

from collections.abc import Iterator

from afflux.objects.equality import json_equal
from afflux.objects.manifest import Json, Manifest, annotations_of, labels_of, metadata_of

_NOT_COMPARED = frozenset({"metadata", "status"})
_MOST_POINTERS = 50


def compared(live: Manifest) -> Json:
    """The parts of an object in which drift is looked for."""
    rest = {key: value for key, value in live.items() if key not in _NOT_COMPARED}
    return [labels_of(live), annotations_of(live), rest]


def is_creation(dry_run: Manifest) -> bool:
    """Whether a dry run says that the object would be created: its answer has no resourceVersion."""
    return not metadata_of(dry_run).get("resourceVersion")


def drift_between(live: Manifest | None, dry_run: Manifest) -> tuple[str, ...]:
    """JSON pointers of the fields that an apply would change, at most 50; ``("",)`` where it would create."""
    if live is None or is_creation(dry_run):
        return ("",)
    pointers: list[str] = []
    for pointer in _differences(live, dry_run):
        pointers.append(pointer)
        if len(pointers) == _MOST_POINTERS:
            break
    return tuple(pointers)


def _differences(live: Manifest, dry_run: Manifest) -> Iterator[str]:
    yield from _walk(labels_of(live), labels_of(dry_run), "/metadata/labels")
    yield from _walk(annotations_of(live), annotations_of(dry_run), "/metadata/annotations")
    for key in {**live, **dry_run}:
        if key not in _NOT_COMPARED:
            yield from _member(live, dry_run, key, "")


def _walk(old: Json, new: Json, path: str) -> Iterator[str]:
    if json_equal(old, new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from _member(old, new, key, path)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _walk(before, after, f"{path}/{index}")
    else:
        yield path


def _member(old: Manifest, new: Manifest, key: str, path: str) -> Iterator[str]:
    pointer = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
    if key in old and key in new:
        yield from _walk(old[key], new[key], pointer)
    else:
        yield pointer
