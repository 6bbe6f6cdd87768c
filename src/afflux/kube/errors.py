"""What can go wrong at the door.

::

    KubeError
    ├── ConfigError          a kubeconfig that can't be used
    ├── NoMatch              a kind that the server doesn't serve
    ├── LeaseLost            we aren't the leader (in ``fence``; so is PermitOutdated, which nobody outside sees)
    └── ApiError             an answer of the server, in its own words
        ├── BadRequest  Unauthorized  Forbidden  NotFound  MethodNotAllowed  Gone  TooManyRequests
        ├── Conflict ── AlreadyExists
        ├── Invalid
        ├── InvalidAnswer    not what an API server answers: something on the way to it speaks (code 0)
        └── Unreachable      no answer at all (code 0)
"""

from typing import NamedTuple

import orjson

from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Json, Manifest


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
    """An answer that isn't a success. ``message`` is the server's own; ``about`` is the name of the object that it is
    about, empty where it is about none."""

    def __init__(
        self, code: int, reason: str, message: str, causes: tuple[ErrorCause, ...] = (), about: str = ""
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.causes = causes
        self.about = about


class BadRequest(ApiError):
    """400: the object can't be decoded, or an option is wrong."""


class Unauthorized(ApiError):
    """401: the credentials aren't accepted."""


class Forbidden(ApiError):
    """403: this identity may not do that."""


class NotFound(ApiError):
    """404, said by an API server: there is no such object (or resource)."""


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


class InvalidAnswer(ApiError):
    """An answer that no API server gives: a page of a proxy, half a document. It says nothing about the cluster."""

    def __init__(self, message: str) -> None:
        super().__init__(0, "InvalidAnswer", message)


class Unreachable(ApiError):
    """No answer: the connection failed or timed out."""

    def __init__(self, message: str) -> None:
        super().__init__(0, "Unreachable", message)


def is_away(error: BaseException) -> bool:
    """Whether an error says that no API server was there that could have answered: what was known of its state may be
    another when it is back."""
    return isinstance(error, ApiError) and (error.code == 0 or error.code >= 500)


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
    details = details if isinstance(details, dict) else {}
    causes = tuple(
        ErrorCause(str(c.get("reason") or ""), str(c.get("message") or ""), str(c.get("field") or ""))
        for c in details.get("causes") or ()
        if isinstance(c, dict)
    )
    kind = AlreadyExists if reason == "AlreadyExists" else _BY_CODE.get(code, ApiError)
    if kind is NotFound and not status:
        kind = ApiError  # a proxy's page, or a path that nothing serves: it isn't known that an object is gone
    return kind(code, reason, message, causes, str(details.get("name") or ""))


def error_from_answer(code: int, body: bytes) -> ApiError:
    """The error that an HTTP answer means, whatever its body is."""
    try:
        status = orjson.loads(body)
    except orjson.JSONDecodeError:
        status = None
    return error_from_status(status, code, body[:1024].decode("utf-8", "replace"))


def is_unserved(error: ApiError) -> bool:
    """Whether a 404 is about a path and not about an object: the kind may be served no longer, or something on the way
    answers in the server's place."""
    return error.code == 404 and not error.about


def parsed(body: bytes) -> Manifest:
    """A JSON object; anything else in its place (a proxy's page) is an ``InvalidAnswer``."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidAnswer(f"the server answered with something that isn't JSON: {_beginning(body)}") from error
    if not isinstance(value, dict):
        raise InvalidAnswer(f"the server answered with something that isn't an object: {_beginning(body)}")
    return value


def _beginning(body: bytes) -> str:
    return body[:200].decode("utf-8", "replace").strip()
