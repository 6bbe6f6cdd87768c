"""JSON merge patch (RFC 7386)."""

from afflux.objects.manifest import Json


def apply_merge_patch(target: Json, patch: Json) -> Json:
    """``target`` with ``patch`` merged into it: objects recurse, null removes, everything else replaces.

    Returns a new value that shares what did not change with its inputs; neither input is changed. Where nothing changes
    the result is ``target`` itself.
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    changed = not isinstance(target, dict)
    for key, value in patch.items():
        if value is None:
            changed |= merged.pop(key, _ABSENT) is not _ABSENT
            continue
        before = merged.get(key, _ABSENT)
        after = apply_merge_patch(before, value)
        if after is not before:
            merged[key] = after
            changed = True
    return merged if changed else target


_ABSENT = object()
