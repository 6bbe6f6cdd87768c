"""Refusals as the API words them: a Status object with a code, a reason, a message and causes.

``ApiStatusError`` is the one error that reaches a client; the functions below build it for each case with the exact
words of kube-apiserver, because clients match on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from afflux.objects.manifest import Json, Manifest


class FieldError(NamedTuple):
    """One thing wrong with a field. ``message`` is as printed after the path: ``Invalid value: "x": must be ...``."""

    reason: str
    message: str
    field: str

    @property
    def text(self) -> str:
        return f"{self.field}: {self.message}"


class Named(NamedTuple):
    """What a Status speaks about: ``resource`` is the plural, or the Kind for validation errors."""

    group: str
    resource: str
    name: str = ""

    @property
    def qualified(self) -> str:
        return f"{self.resource}.{self.group}" if self.group else self.resource


UNNAMED = Named("", "")
"""For a Status that has details about nothing in particular: ``"details": {}``."""


@dataclass(slots=True)
class ApiStatusError(Exception):
    """A request refused. ``causes`` are Status causes as JSON; ``retry_after`` is in seconds."""

    code: int
    reason: str
    message: str
    about: Named | None = None
    causes: Sequence[Manifest] = ()
    retry_after: int = 0
    uid: str = ""

    def __str__(self) -> str:
        return self.message

    def body(self) -> Manifest:
        """The Status object for the answer's body."""
        status: Manifest = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.about is not None or self.causes or self.retry_after:
            status["details"] = self._details()
        status["code"] = self.code
        return status

    def _details(self) -> dict[str, Json]:
        details: dict[str, Json] = {}
        if self.about is not None:
            named = {"name": self.about.name, "group": self.about.group, "kind": self.about.resource, "uid": self.uid}
            details.update({key: value for key, value in named.items() if value})
        if self.causes:
            details["causes"] = list(self.causes)
        if self.retry_after:
            details["retryAfterSeconds"] = self.retry_after
        return details


def not_found(about: Named) -> ApiStatusError:
    return ApiStatusError(404, "NotFound", f'{about.qualified} "{about.name}" not found', about)


def resource_not_found() -> ApiStatusError:
    """An unknown resource in a known group."""
    return ApiStatusError(404, "NotFound", "the server could not find the requested resource", UNNAMED)


def already_exists(about: Named, *, terminating: bool = False) -> ApiStatusError:
    prefix = "object is being deleted: " if terminating else ""
    return ApiStatusError(409, "AlreadyExists", f'{prefix}{about.qualified} "{about.name}" already exists', about)


def conflict(about: Named, why: str) -> ApiStatusError:
    message = f'Operation cannot be fulfilled on {about.qualified} "{about.name}": {why}'
    return ApiStatusError(409, "Conflict", message, about)


def modified(about: Named) -> ApiStatusError:
    """A stale resourceVersion."""
    words = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(about, words)


def invalid(about: Named, errors: Sequence[FieldError]) -> ApiStatusError:
    """Validation failed; ``about.resource`` is the Kind."""
    texts = [error.text for error in errors]
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    causes = [{"reason": error.reason, "message": error.message, "field": error.field} for error in errors]
    return ApiStatusError(422, "Invalid", f'{about.qualified} "{about.name}" is invalid: {listed}', about, causes)


def forbidden(about: Named, why: str, *, causes: Sequence[Manifest] = ()) -> ApiStatusError:
    return ApiStatusError(403, "Forbidden", f'{about.qualified} "{about.name}" is forbidden: {why}', about, causes)


def bad_request(message: str) -> ApiStatusError:
    return ApiStatusError(400, "BadRequest", message)


def unrecognized(kind: str, why: str, body: bytes) -> ApiStatusError:
    """A body that isn't an object of the kind (an empty kind: of any); how it begins is shown."""
    about = f" (must be of type {kind})" if kind else ""
    size = 30
    if not body.startswith(b"{"):
        begins = body[:size].hex() if len(body) > size else body.decode("utf-8", "replace")
    else:
        begins = body[:size].decode("utf-8", "replace")
    summary = f"{begins} ..." if len(body) > size else begins or "<empty>"
    return bad_request(f"the object provided is unrecognized{about}: {why} ({summary})")


def unprocessable(message: str) -> ApiStatusError:
    """422 without a named object: a patch that does not fit."""
    return ApiStatusError(422, "Invalid", message, UNNAMED)


def internal(message: str) -> ApiStatusError:
    return ApiStatusError(500, "", message)


def internal_error(message: str) -> ApiStatusError:
    """What the server itself calls an internal error."""
    return ApiStatusError(500, "InternalError", f"Internal error occurred: {message}", None, [{"message": message}])


def method_not_allowed() -> ApiStatusError:
    message = "the server does not allow this method on the requested resource"
    return ApiStatusError(405, "MethodNotAllowed", message, UNNAMED)


def not_acceptable(available: Sequence[str]) -> ApiStatusError:
    message = f"406: Not Acceptable\n\nAvailable representations: {', '.join(available)}"
    return ApiStatusError(406, "NotAcceptable", message, UNNAMED)


def unsupported_media_type(accepted: Sequence[str]) -> ApiStatusError:
    words = "the body of the request was in an unknown format - accepted media types include: "
    return ApiStatusError(415, "UnsupportedMediaType", words + ", ".join(accepted), UNNAMED)


def invalid_option(options: str, errors: Sequence[FieldError]) -> ApiStatusError:
    """A wrong query option; ``options`` is e.g. ``ListOptions``."""
    return invalid(Named("meta.k8s.io", options), errors)


def patch_rejected() -> ApiStatusError:
    """A JSON patch whose test fails or whose path is missing."""
    return unprocessable("the server rejected our request due to an error in our request")


def version_too_large(wanted: int, current: int) -> ApiStatusError:
    """A list at a resourceVersion that is still to come."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    message = f"Timeout: Too large resource version: {wanted}, current: {current}"
    return ApiStatusError(504, "Timeout", message, None, causes, retry_after=1)


def too_large(message: str) -> ApiStatusError:
    return ApiStatusError(413, "RequestEntityTooLarge", message)


def expired(message: str) -> ApiStatusError:
    """A continue token or resourceVersion that history no longer covers."""
    return ApiStatusError(410, "Expired", message)


def unauthorized() -> ApiStatusError:
    return ApiStatusError(401, "Unauthorized", "Unauthorized")
