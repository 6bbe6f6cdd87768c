"""Who owns which field after a write: ``managed_fields`` and ``server_side_apply`` as the writer needs them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from afflux.controlplane import managed_fields, server_side_apply
from afflux.controlplane.errors import ApiStatusError
from afflux.controlplane.managed_fields import ResetFields, Views, Writing, with_managed_fields
from afflux.controlplane.served_kind import ServedKind
from afflux.objects.manifest import Manifest

_LABELS_RESET: Final = frozenset({"apps", "batch"})
"""Groups whose status writes may not set labels."""


@dataclass(frozen=True, slots=True)
class Updating:
    """An update by a manager through a subresource (empty: the object itself)."""

    manager: str
    now: str
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Applying:
    """A server-side apply by a manager through a subresource; ``force`` takes fields from others."""

    manager: str
    now: str
    subresource: str = ""
    force: bool = False


def after_create(kind: ServedKind, new: Manifest, manager: str, now: str) -> Manifest:
    """A new object, its fields owned by who created it."""
    writing = _writing(kind, manager, now, "")
    return with_managed_fields(new, managed_fields.update(None, new, kind.schema, writing, zero=kind.zero))


def after_update(
    kind: ServedKind, live: Manifest, new: Manifest, updating: Updating, views: Views | None = None
) -> Manifest:
    """The next version of an object, what changed owned by who changed it."""
    writing = _writing(kind, updating.manager, updating.now, updating.subresource)
    return with_managed_fields(new, managed_fields.update(live, new, kind.schema, writing, zero=kind.zero, views=views))


def applied(
    kind: ServedKind, live: Manifest | None, body: Manifest, applying: Applying, views: Views | None = None
) -> server_side_apply.Applied:
    """An applied configuration merged into the live object. Raises 409 with a cause a field, 400 or 500."""
    writing = _writing(kind, applying.manager, applying.now, applying.subresource)
    try:
        return server_side_apply.apply(
            live, body, kind.schema, writing, force=applying.force, zero=kind.zero, views=views
        )
    except server_side_apply.ApplyConflict as error:
        raise _conflict(error) from error
    except managed_fields.Unconvertible as error:
        raise ApiStatusError(500, "", str(error)) from error
    except server_side_apply.ApplyInvalid as error:
        reason = "BadRequest" if error.code == 400 else ""
        raise ApiStatusError(error.code, reason, str(error)) from error


def is_same(live: Manifest, new: Manifest) -> bool:
    """Whether nothing is to be written: equal but for times of ownership."""
    return managed_fields.is_unchanged(live, new)


def _writing(kind: ServedKind, manager: str, now: str, subresource: str) -> Writing:
    return Writing(manager, kind.gvk.api_version, now, subresource, _reset(kind, subresource))


@cache
def _reset(kind: ServedKind, subresource: str) -> ResetFields:
    if subresource == "status":
        if kind.is_custom:
            return ResetFields(only=("f:status",))
        labels = (("f:metadata", "f:labels"),) if kind.gvk.group in _LABELS_RESET else ()
        return ResetFields(ignored=(("f:spec",), *labels))
    return ResetFields(ignored=(("f:status",),)) if kind.has_status else ResetFields()


def _conflict(error: server_side_apply.ApplyConflict) -> ApiStatusError:
    causes = [
        {"reason": "FieldManagerConflict", "message": cause.message, "field": cause.field} for cause in error.causes
    ]
    return ApiStatusError(409, "Conflict", str(error), None, causes)
