"""What can go wrong at the door.

::

    KubeError
    ├── ConfigError          a kubeconfig that can't be used
    ├── NoMatch              a kind that the server doesn't serve
    └── ApiError             an answer of the server, in its own words
        ├── BadRequest  Unauthorized  Forbidden  NotFound  MethodNotAllowed  Gone  TooManyRequests
        ├── Conflict ── AlreadyExists
        ├── Invalid
        └── Unreachable      no answer at all (code 0)
"""

from typing import NamedTuple

import orjson

from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Json


class KubeError(Exception):
    """Anything that the API server or the way to it is responsible for."""


class ConfigError(KubeError):
    """A kubeconfig that can't be used; the message names the file and the entry, never a secret."""


class NoMatch(KubeError):
    """The server serves no such kind."""

    def __init__(self, gvk: GroupVersionKind) -> None:
        super().__init__(f'no matches for kind "{gvk.kind}" in version "{gvk.api_version}"')
        self.gvk = gvk


class ErrorCause(NamedTuple):
    """One of ``details.causes``: ``reason`` such as ``FieldManagerConflict``, ``field`` a path such as ``.data.a``."""

    reason: str
    message: str
    field: str


class ApiError(KubeError):
    """An answer that isn't a success. ``message`` is the server's own."""

    def __init__(self, code: int, reason: str, message: str, causes: tuple[ErrorCause, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.causes = causes


class BadRequest(ApiError):
    """400: the object can't be decoded, or an option is wrong."""


class Unauthorized(ApiError):
    """401: the credentials aren't accepted."""


class Forbidden(ApiError):
    """403: this identity may not do that."""


class NotFound(ApiError):
    """404: there is no such object (or resource)."""


class MethodNotAllowed(ApiError):
    """405: the resource doesn't serve this verb."""


class Conflict(ApiError):
    """409: somebody else changed or owns it."""


class AlreadyExists(Conflict):
    """409 with the reason ``AlreadyExists``."""


class Gone(ApiError):
    """410: the resource version or the continue token is too old."""


class Invalid(ApiError):
    """422: the object doesn't pass validation."""


class TooManyRequests(ApiError):
    """429: still refused after waiting as the server asked."""


class Unreachable(ApiError):
    """No answer: the connection failed or timed out."""

    def __init__(self, message: str) -> None:
        super().__init__(0, "Unreachable", message)


_BY_CODE: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}


def error_from_status(status: Json, code: int, text: str = "") -> ApiError:
    """The error that a ``metav1.Status`` means; ``text`` stands in where the answer was none."""
    status = status if isinstance(status, dict) and status.get("kind") == "Status" else {}
    reason = str(status.get("reason") or "")
    message = str(status.get("message") or text.strip() or f"the server answered with status {code}")
    details = status.get("details")
    raw = details.get("causes") if isinstance(details, dict) else None
    causes = tuple(
        ErrorCause(str(c.get("reason") or ""), str(c.get("message") or ""), str(c.get("field") or ""))
        for c in raw or ()
        if isinstance(c, dict)
    )
    kind = AlreadyExists if reason == "AlreadyExists" else _BY_CODE.get(code, ApiError)
    return kind(code, reason, message, causes)


def error_from_answer(code: int, body: bytes) -> ApiError:
    """The error that an HTTP answer means, whatever its body is."""
    try:
        status = orjson.loads(body)
    except orjson.JSONDecodeError:
        status = None
    return error_from_status(status, code, body[:1024].decode("utf-8", "replace"))


def parsed(body: bytes) -> Json:
    """A JSON body; anything else in its place (a proxy's page) is an ``ApiError`` that says so."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        text = body[:200].decode("utf-8", "replace").strip()
        raise ApiError(0, "InvalidAnswer", f"the server answered with something that isn't JSON: {text}") from error
