"""Flux's words for what the server refused."""

import re2

from afflux.kube.errors import ApiError, Conflict, Invalid, KubeError, NotFound
from afflux.objects.identity import ObjectRef

_IMMUTABLE = re2.compile(r"is\simmutable|immutable\sfield")
_WRITTEN_MEANWHILE = "the object has been modified"
_MANAGER_CONFLICT = "FieldManagerConflict"


def is_immutable(error: ApiError) -> bool:
    """Whether a refusal may mean that an immutable field was changed; any conflict or invalid object counts, as in
    kubectl and Flux, but for the one that only says that somebody else wrote at the same time."""
    if isinstance(error, Conflict) and _WRITTEN_MEANWHILE in str(error):
        return False
    return isinstance(error, Conflict | Invalid) or _IMMUTABLE.search(str(error)) is not None


def dry_run_failure(ref: ObjectRef, error: KubeError) -> str:
    """A failed dry run as Flux's DryRunErr says it."""
    if isinstance(error, NotFound):
        missing = "not found" if ref.namespace else "namespace not specified"
        return f"{ref.subject} {missing}: {error}"
    reason = _reason(error)
    return f"{ref.subject} dry-run failed{f' ({reason})' if reason else ''}: {error}"


def _reason(error: KubeError) -> str:
    if not isinstance(error, ApiError):
        return ""
    conflicts = any(cause.reason == _MANAGER_CONFLICT for cause in error.causes)
    return _MANAGER_CONFLICT if conflicts else error.reason
