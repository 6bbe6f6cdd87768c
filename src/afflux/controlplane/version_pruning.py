"""What an apply takes out of an object whose owners wrote through different versions."""

from __future__ import annotations

from afflux.controlplane.managed_fields import Managers, Owned, Views
from afflux.manifests.field_set import FieldSet, fieldset_of, with_named_parents
from afflux.manifests.structured_merge import remove_fields
from afflux.objects.manifest import Manifest
from afflux.schema.openapi import Schema


def pruned_across(merged: Manifest, last: Owned, managers: Managers, views: Views, api_version: str) -> Manifest:
    """``merged`` without what ``last`` held and nobody owns any more, at the version that is written through.

    What was held is taken out at the version of ``last``; what others own is put back, version by version, each
    owner's fields being paths at the owner's own version. A version that isn't served any more owns nothing.
    """
    view = views(merged, last.api_version)
    if view is None:
        return merged
    before = with_named_parents(last.fields, view.schema)
    left: Manifest = remove_fields(view.object, before, view.schema)
    for version, fields in _owned_by_version(managers, first=last.api_version).items():
        whole, part = views(merged, version), views(left, version)
        if whole is not None and part is not None:
            owned = with_named_parents(fields, whole.schema)
            gone = _present(whole.object, whole.schema) - _present(part.object, whole.schema)
            left = remove_fields(whole.object, gone - owned, whole.schema)
    at_last, kept = views(merged, last.api_version), views(left, last.api_version)
    if at_last is not None and kept is not None:
        # Only what the manager itself held goes: what was dangling before stays as it was.
        gone = _present(at_last.object, at_last.schema) - _present(kept.object, at_last.schema)
        left = remove_fields(at_last.object, gone & before, at_last.schema)
    result = views(left, api_version)
    return merged if result is None else result.object


def _present(value: Manifest, schema: Schema) -> FieldSet:
    return with_named_parents(fieldset_of(value, schema), schema)


def _owned_by_version(managers: Managers, *, first: str) -> dict[str, FieldSet]:
    found: dict[str, FieldSet] = {}
    for owned in sorted(managers.values(), key=lambda owned: (owned.api_version != first, owned.api_version)):
        found[owned.api_version] = found.get(owned.api_version, frozenset()) | owned.fields
    return found
