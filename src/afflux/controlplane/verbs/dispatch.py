"""Which verb a method and a path mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from afflux.controlplane.authentication import Authenticator
from afflux.controlplane.authorization import Attempt, Authorizer
from afflux.controlplane.errors import ApiStatusError, method_not_allowed, resource_not_found
from afflux.controlplane.verbs import patch, pod_actions, read, reviews, scale, write
from afflux.controlplane.verbs.request import Answer, ApiRequest
from afflux.controlplane.writer import Writer

_BY_METHOD: Final = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}

Verb = Callable[[Writer, ApiRequest], Answer]

_MAIN: Final[dict[str, Verb]] = {
    "get": lambda writer, request: read.get(writer.store, request),
    "list": lambda writer, request: read.list_objects(writer.store, request),
    "create": write.create,
    "update": write.update,
    "patch": patch.patch,
    "delete": write.delete_object,
    "deletecollection": write.delete_collection,
}
_STATUS: Final[dict[str, Verb]] = {"get": _MAIN["get"], "update": write.update, "patch": patch.patch}
_SUBRESOURCES: Final[dict[str, dict[str, Verb]]] = {
    "status": _STATUS,
    "scale": {"get": scale.get_scale, "update": scale.write_scale, "patch": scale.write_scale},
    "finalize": {"update": write.update},
    "approval": _STATUS,
    "eviction": {"create": pod_actions.evict},
    "binding": {"create": pod_actions.bind},
    "ephemeralcontainers": {"get": _MAIN["get"], "update": write.update, "patch": patch.patch},
    "resize": {"get": _MAIN["get"], "update": write.update, "patch": patch.patch},
}
_NOT_SIMULATED: Final = frozenset({"exec", "attach", "portforward", "proxy"})


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Sends each request to its verb, once it is authorised."""

    writer: Writer
    authenticator: Authenticator
    authorizer: Authorizer

    def answer(self, request: ApiRequest) -> Answer:
        """The whole answer to a request that is neither a watch nor a log."""
        verb, target, kind = verb_of(request), request.target, request.kind
        self.authorize(request, verb)
        if kind.gvk.kind in reviews.REVIEWS and verb == "create":
            return reviews.REVIEWS[kind.gvk.kind](self.authorizer, request)
        if kind.gvk.kind == "TokenReview" and verb == "create":
            return reviews.token_review(self.authenticator, request)
        if not target.subresource:
            if verb not in kind.verbs:
                raise method_not_allowed()
            return _MAIN[verb](self.writer, request)
        return self._subresource(request, verb)

    def authorize(self, request: ApiRequest, verb: str) -> None:
        """Raise 403 for what the user may not do."""
        target = request.target
        attempt = Attempt(verb, target.group, target.plural, target.subresource, target.namespace, target.name)
        self.authorizer.require(request.user, attempt)

    def _subresource(self, request: ApiRequest, verb: str) -> Answer:
        name = request.target.subresource
        if name not in request.kind.subresources:
            raise resource_not_found()
        if name == "token" and verb == "create":
            return reviews.create_token(self.writer.store, self.authenticator, request)
        if name in _NOT_SIMULATED:
            words = f"{name} is not possible: workloads are simulated, no container runs"
            raise ApiStatusError(501, "NotImplemented", words)
        found = _SUBRESOURCES.get(name, {}).get(verb)
        if found is None:
            raise method_not_allowed()
        return found(self.writer, request)


def verb_of(request: ApiRequest) -> str:
    """The verb of a request, as RBAC names it. Raises 405 where the path doesn't go with the method."""
    target = request.target
    verb = _BY_METHOD.get(request.method)
    if verb is None:
        raise method_not_allowed()
    if target.name:
        if verb == "create" and not target.subresource:
            raise method_not_allowed()
        if target.watch:
            return "watch"
        return verb
    if verb == "get":
        return "watch" if target.watch or request.options.flag("watch") else "list"
    if verb == "delete":
        return "deletecollection"
    if verb != "create" or (request.kind.namespaced and not target.namespace):
        raise method_not_allowed()
    return verb
