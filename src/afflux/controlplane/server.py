"""HTTP in front of the verbs: who may connect, bodies, answers, streams."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import orjson
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from afflux.controlplane.authentication import ANONYMOUS, impersonated, impersonation_attempts
from afflux.controlplane.authorization import Attempt
from afflux.controlplane.errors import (
    ApiStatusError,
    bad_request,
    resource_not_found,
    too_large,
    unauthorized,
)
from afflux.controlplane.fan_out import FanOut
from afflux.controlplane.fixed_paths import OPEN, FixedAnswer, FixedPaths
from afflux.controlplane.negotiation import JSON, negotiate
from afflux.controlplane.options import Options
from afflux.controlplane.persistence import StateError
from afflux.controlplane.pipeline import User
from afflux.controlplane.routes import Target, parse_target
from afflux.controlplane.structural.rulings import RuleCourt
from afflux.controlplane.verbs import logs
from afflux.controlplane.verbs.dispatch import Dispatcher, verb_of
from afflux.controlplane.verbs.read import live_object
from afflux.controlplane.verbs.request import Answer, ApiRequest
from afflux.controlplane.verbs.watch import Watch
from afflux.objects.manifest import Manifest

_log = structlog.get_logger(__name__)

BODY_BYTES: Final = 3 * 1024 * 1024
"""The largest request body."""

_OPTIONS_KINDS: Final = {
    "POST": "CreateOptions",
    "PUT": "UpdateOptions",
    "PATCH": "PatchOptions",
    "DELETE": "DeleteOptions",
}
_NO_CACHE: Final = {"Cache-Control": "no-cache, private"}
_SERVICE_NAMES: Final = frozenset(
    {"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
)

Committed = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ApiHandler:
    """Handles every HTTP request of a plane. ``committed`` waits until what was written is durable; ``patience`` is how
    many seconds a body may take."""

    dispatcher: Dispatcher
    fan_out: FanOut
    fixed: FixedPaths
    pod_logs: logs.PodLogs
    court: RuleCourt
    committed: Committed
    host: str
    patience: float

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; refusals become Status objects."""
        try:
            return await self._answer(request)
        except ApiStatusError as error:
            return _refusal(error)
        except StateError as error:
            return _refusal(ApiStatusError(500, "InternalError", str(error)))
        except (ConnectionResetError, HttpProcessingError):
            raise
        except (RecursionError, orjson.JSONEncodeError) as error:
            return _refusal(bad_request(f"the object can't be read: {error}"))
        except Exception as error:
            _log.exception("request failed", method=request.method, path=request.path)
            return _refusal(ApiStatusError(500, "InternalError", f"Internal error occurred: {type(error).__name__}"))

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        _check_host(request.host, self.host)
        raw_path = request.raw_path.partition("?")[0]
        user = self._user(request, raw_path.rstrip("/"))
        target = parse_target(raw_path)
        if target is None:
            return self._fixed(request, unquote(raw_path), user)
        return await self._resource(request, target, user)

    def _user(self, request: web.BaseRequest, path: str) -> User:
        headers = request.headers
        user = self.dispatcher.authenticator.authenticate(headers.get("Authorization", ""))
        if user is ANONYMOUS and path not in OPEN:
            raise unauthorized()
        prefix = "impersonate-extra-"
        extra = {
            unquote(key[len(prefix) :].lower()): tuple(headers.getall(key))
            for key in headers
            if key.lower().startswith(prefix)
        }
        groups = headers.getall("Impersonate-Group", ())
        wanted = impersonated(headers, groups, extra)
        if wanted is None:
            return user
        for attempt in impersonation_attempts(wanted, groups, extra):
            self.dispatcher.authorizer.require(user, attempt)
        return wanted

    def _fixed(self, request: web.BaseRequest, path: str, user: User) -> web.Response:
        if user is not ANONYMOUS:
            self.dispatcher.authorizer.require(user, Attempt("get", path=path))
        answer = self.fixed.answer(path, request.headers.get("Accept", ""), request.host)
        if answer is None:
            return _page_not_found()
        return _fixed_response(answer, request.headers.get("If-None-Match", ""))

    async def _resource(self, request: web.BaseRequest, target: Target, user: User) -> web.StreamResponse:
        registry = self.dispatcher.writer.registry
        kind = registry.lookup(target.group, target.version, target.plural)
        if kind is None:
            if registry.has_group(target.group):
                raise resource_not_found()
            return _page_not_found()
        if kind.namespaced is False and target.namespace:
            raise resource_not_found()
        api_request = ApiRequest(
            method=request.method,
            target=target,
            kind=kind,
            options=Options(request.rel_url.raw_query_string, _OPTIONS_KINDS.get(request.method, "ListOptions")),
            user=user,
            form=negotiate(request.headers.get("Accept", "")),
            body=await _body(request, self.patience),
            content_type=request.headers.get("Content-Type", JSON),
            user_agent=request.headers.get("User-Agent", ""),
        )
        if target.subresource == "log" and request.method == "GET":
            return await self._log(request, api_request)
        if request.method == "GET" and (not target.name or target.watch) and verb_of(api_request) == "watch":
            self.dispatcher.authorize(api_request, "watch")
            watch = Watch(self.dispatcher.writer.store, self.fan_out, api_request)
            return await _stream(request, watch.lines(), JSON)
        answer = await self.court.settled(lambda: self.dispatcher.answer(api_request), api_request.rulings)
        if answer.wrote and not api_request.options.has("dryRun"):
            await self.committed()
        return _response(answer)

    async def _log(self, request: web.BaseRequest, api_request: ApiRequest) -> web.StreamResponse:
        self.dispatcher.authorize(api_request, "get")
        if "log" not in api_request.kind.subresources:
            raise resource_not_found()
        pod = live_object(self.dispatcher.writer.store, api_request)
        wanted = logs.log_options(api_request.options, time.time())
        path = self.pod_logs.file_for(pod)
        _check_container(api_request, pod.manifest)
        if not pod.manifest["spec"].get("nodeName"):
            # Nothing runs yet that could say something.
            return web.Response(status=204, headers=_NO_CACHE)
        chunks = logs.stream_file(path, wanted) if path else _silence(wanted.follow)
        return await _stream(request, chunks, "text/plain")


async def _silence(follow: bool) -> AsyncIterator[bytes]:
    """The log of a simulated container: it says nothing, for as long as somebody listens."""
    if follow:
        await asyncio.Event().wait()
    yield b""


def _check_container(request: ApiRequest, pod: Manifest) -> None:
    spec = pod["spec"]
    names = [each["name"] for each in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))]
    container = request.options.text("container")
    if container and container not in names:
        raise bad_request(f"container {container} is not valid for pod {request.target.name}")
    if not container and len(spec.get("containers") or ()) > 1:
        listed = " ".join(each["name"] for each in spec["containers"])
        raise bad_request(
            f"a container name must be specified for pod {request.target.name}, choose one of: [{listed}]"
        )


def _check_host(header: str, served: str) -> None:
    """A page in a browser that was led here by another name is not let in (DNS rebinding)."""
    host = header.rsplit(":", 1)[0] if not header.endswith("]") else header
    host = host.strip("[]").lower()
    if host in _SERVICE_NAMES or host == served.lower():
        return
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ApiStatusError(421, "BadRequest", f'this server is not "{host}"') from None


async def _body(request: web.BaseRequest, patience: float) -> bytes:
    if not request.body_exists:
        return b""
    try:
        async with asyncio.timeout(patience):
            return await request.read()
    except TimeoutError:
        raise ApiStatusError(408, "Timeout", f"the request's body did not arrive within {patience:g} s") from None
    except web.HTTPRequestEntityTooLarge:
        raise too_large(f"Request entity too large: limit is {BODY_BYTES}") from None


def _response(answer: Answer) -> web.Response:
    response = web.Response(body=answer.body, status=answer.code, headers=_NO_CACHE)
    response.headers["Content-Type"] = answer.content_type
    for text in answer.warnings:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        response.headers.add("Warning", f'299 - "{escaped}"')
    return response


def _refusal(error: ApiStatusError) -> web.Response:
    response = web.Response(body=orjson.dumps(error.body()), status=error.code, headers=_NO_CACHE)
    response.headers["Content-Type"] = JSON
    response.headers["Audit-Id"] = str(uuid.uuid4())
    if error.retry_after:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _page_not_found() -> web.Response:
    return web.Response(text="404 page not found\n", status=404, headers=_NO_CACHE)


def _fixed_response(answer: FixedAnswer, known: str) -> web.Response:
    headers = {"Content-Type": answer.content_type, **answer.headers}
    if answer.etag:
        headers["ETag"] = answer.etag
        if answer.etag in known:
            del headers["Content-Type"]
            return web.Response(status=304, headers=headers)
    return web.Response(body=answer.body, headers=headers)


async def _stream(request: web.BaseRequest, chunks: AsyncIterator[bytes], content_type: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": content_type, **_NO_CACHE})
    await response.prepare(request)
    # The client may go at any moment: that ends the stream, and is no error.
    with contextlib.suppress(ConnectionResetError):
        async for chunk in chunks:
            await response.write(chunk)
        await response.write_eof()
    return response
