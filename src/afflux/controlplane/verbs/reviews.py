"""Kinds that are asked, not stored: who am I, may I, what may I; and tokens for ServiceAccounts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import orjson

from afflux.controlplane import ownership
from afflux.controlplane.authentication import Authenticator
from afflux.controlplane.authorization import Attempt, Authorizer
from afflux.controlplane.errors import ApiStatusError, invalid
from afflux.controlplane.field_errors import invalid_value
from afflux.controlplane.negotiation import decode_body
from afflux.controlplane.pipeline import User
from afflux.controlplane.store import Store
from afflux.controlplane.verbs.read import live_object
from afflux.controlplane.verbs.request import Answer, ApiRequest
from afflux.controlplane.writer import rfc3339_now
from afflux.objects.manifest import Json, Manifest

_SHORTEST_TOKEN: Final = 600
_DEFAULT_TOKEN: Final = 3600


def _body(request: ApiRequest) -> Manifest:
    value: Json = {}
    if request.body.strip():
        value, _ = decode_body(request.body, request.content_type, request.kind.gvk.kind)
    body: Manifest = value if isinstance(value, dict) else {}
    return body


def _answer(request: ApiRequest, spec: Json, status: Manifest, *, stamped: bool = False) -> Answer:
    gvk = request.kind.gvk
    metadata = {"creationTimestamp": rfc3339_now()} if stamped else {}
    review: Manifest = {"kind": gvk.kind, "apiVersion": gvk.api_version, "metadata": metadata}
    if spec is not None:
        manager = request.options.field_manager(request.user_agent)
        review = ownership.after_create(request.kind, {**review, "spec": spec}, manager, rfc3339_now())
    return Answer(orjson.dumps({**review, "status": status}), 201)


def _user_info(user: User) -> Manifest:
    info: Manifest = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra}
    return info


def self_subject_review(authorizer: Authorizer, request: ApiRequest) -> Answer:
    """Who asks."""
    return _answer(request, None, {"userInfo": _user_info(request.user)}, stamped=True)


def self_subject_access_review(authorizer: Authorizer, request: ApiRequest) -> Answer:
    """Whether who asks may do something."""
    spec = _body(request).get("spec") or {}
    return _answer(request, spec, {"allowed": authorizer.allows(request.user, _attempt(spec))})


def subject_access_review(authorizer: Authorizer, request: ApiRequest) -> Answer:
    """Whether somebody may do something."""
    spec = _body(request).get("spec") or {}
    user = User(spec.get("user", ""), groups=tuple(spec.get("groups") or ()))
    return _answer(request, spec, {"allowed": authorizer.allows(user, _attempt(spec))})


def self_subject_rules_review(authorizer: Authorizer, request: ApiRequest) -> Answer:
    """All rules that apply to who asks, in a namespace (which the answer doesn't repeat)."""
    spec = _body(request).get("spec") or {}
    rules = list(authorizer.rules(request.user, spec.get("namespace", "")))
    status = {
        "resourceRules": [rule for rule in rules if "nonResourceURLs" not in rule],
        "nonResourceRules": [rule for rule in rules if "nonResourceURLs" in rule],
        "incomplete": False,
    }
    return _answer(request, {}, status)


def token_review(authenticator: Authenticator, request: ApiRequest) -> Answer:
    """Whose a token is."""
    spec = _body(request).get("spec") or {}
    try:
        user = authenticator.authenticate(f"Bearer {spec.get('token', '')}")
    except ApiStatusError:
        return _answer(request, {}, {"authenticated": False, "error": "the token is not valid"})
    return _answer(request, {}, {"authenticated": True, "user": _user_info(user)})


def _attempt(spec: Manifest) -> Attempt:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if path:
        return Attempt(path.get("verb", ""), path=path.get("path", ""))
    resource = resource or {}
    return Attempt(
        verb=resource.get("verb", ""),
        group=resource.get("group", ""),
        resource=resource.get("resource", ""),
        subresource=resource.get("subresource", ""),
        namespace=resource.get("namespace", ""),
        name=resource.get("name", ""),
    )


Review = Callable[[Authorizer, ApiRequest], Answer]

REVIEWS: Final[dict[str, Review]] = {
    "SelfSubjectReview": self_subject_review,
    "SelfSubjectAccessReview": self_subject_access_review,
    "SubjectAccessReview": subject_access_review,
    "LocalSubjectAccessReview": subject_access_review,
    "SelfSubjectRulesReview": self_subject_rules_review,
}
"""By Kind; their groups are authorization.k8s.io and authentication.k8s.io."""


def create_token(store: Store, authenticator: Authenticator, request: ApiRequest) -> Answer:
    """POST of a TokenRequest to ``serviceaccounts/{name}/token``."""
    account = live_object(store, request)
    spec = {name: value for name, value in (_body(request).get("spec") or {}).items() if value is not None}
    seconds = spec.get("expirationSeconds") or _DEFAULT_TOKEN
    if seconds < _SHORTEST_TOKEN:
        error = invalid_value("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
        raise invalid(request.kind.kind_named(account.name)._replace(resource="TokenRequest"), [error])
    token = authenticator.issue(account.namespace, account.name, account.uid, seconds)
    expiry = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
    token_request = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {
            "name": account.name,
            "namespace": account.namespace,
            "uid": account.uid,
            "creationTimestamp": rfc3339_now(),
            "managedFields": [_requested(request, spec)],
        },
        "spec": {
            "audiences": ["https://kubernetes.default.svc"],
            "boundObjectRef": None,
            **spec,
            "expirationSeconds": seconds,
        },
        "status": {"token": token, "expirationTimestamp": expiry},
    }
    return Answer(orjson.dumps(token_request), 201)


def _requested(request: ApiRequest, spec: Manifest) -> Manifest:
    """Who set what of a TokenRequest."""
    fields: Manifest = {f"f:{name}": {} for name in sorted({*spec, "expirationSeconds"})}
    return {
        "manager": request.options.field_manager(request.user_agent),
        "operation": "Update",
        "apiVersion": "authentication.k8s.io/v1",
        "time": rfc3339_now(),
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": fields},
        "subresource": "token",
    }
