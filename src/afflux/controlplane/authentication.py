"""Who asks: bearer tokens, ServiceAccount tokens that the plane itself issued, and impersonation."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping

import orjson

from afflux.controlplane.authorization import Attempt
from afflux.controlplane.errors import bad_request, unauthorized
from afflux.controlplane.pipeline import User
from afflux.objects.manifest import Manifest

ADMIN = User("kubernetes-admin", groups=("system:masters", "system:authenticated"))
"""Who holds the kubeconfig."""

ANONYMOUS = User("system:anonymous", groups=("system:unauthenticated",))

_SERVICE_ACCOUNT = "system:serviceaccount:"


class Authenticator:
    """Knows the admin's token and the key that ServiceAccount tokens are signed with. Neither shows in a repr."""

    __slots__ = ("_admin_token", "_key")

    def __init__(self, admin_token: str) -> None:
        self._admin_token = admin_token.encode()
        self._key = hashlib.sha256(b"service-account-tokens:" + self._admin_token).digest()

    def authenticate(self, authorization: str) -> User:
        """The user of an Authorization header; anonymous without one. Raises 401 for a token that isn't known."""
        if not authorization:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise unauthorized()
        if hmac.compare_digest(token.encode("utf-8", "surrogateescape"), self._admin_token):
            return ADMIN
        return self._service_account(token)

    def issue(self, namespace: str, name: str, uid: str, lifetime_seconds: int) -> str:
        """A token for a ServiceAccount."""
        now = int(time.time())
        claims: Manifest = {
            "sub": f"{_SERVICE_ACCOUNT}{namespace}:{name}",
            "uid": uid,
            "iat": now,
            "exp": now + lifetime_seconds,
            "jti": secrets.token_hex(8),
        }
        signed = f"{_base64(orjson.dumps({'alg': 'HS256', 'typ': 'JWT'}))}.{_base64(orjson.dumps(claims))}"
        return f"{signed}.{_base64(self._signature(signed))}"

    def _service_account(self, token: str) -> User:
        signed, _, signature = token.rpartition(".")
        expected = _base64(self._signature(signed)).encode() if signed.isascii() else b""
        if not hmac.compare_digest(expected, signature.encode("utf-8", "surrogateescape")) or not expected:
            raise unauthorized()
        claims = orjson.loads(_unbase64(signed.partition(".")[2]))
        if claims["exp"] < time.time():
            raise unauthorized()
        return User(claims["sub"], claims["uid"], service_account_groups(claims["sub"]))

    def _signature(self, signed: str) -> bytes:
        return hmac.digest(self._key, signed.encode(), "sha256")


def service_account_groups(user_name: str) -> tuple[str, ...]:
    """The groups that come with a ServiceAccount's name; none for other names."""
    if not user_name.startswith(_SERVICE_ACCOUNT):
        return ()
    namespace = user_name.removeprefix(_SERVICE_ACCOUNT).partition(":")[0]
    return ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")


def impersonated(
    headers: Mapping[str, str], groups: Iterable[str], extra: Mapping[str, tuple[str, ...]]
) -> User | None:
    """The user that ``Impersonate-*`` headers ask for; None without any. Raises 400 for groups of nobody."""
    name = headers.get("Impersonate-User", "")
    given = tuple(groups)
    if not name:
        if given or extra or headers.get("Impersonate-Uid"):
            raise bad_request("groups, a uid or extras are to be impersonated without impersonating a user")
        return None
    if name.startswith(_SERVICE_ACCOUNT) and not given:
        given = service_account_groups(name)
    elif "system:authenticated" not in given:
        given = (*given, "system:authenticated")
    return User(name, headers.get("Impersonate-Uid", ""), given, tuple(extra.items()))


def impersonation_attempts(
    user: User, groups: Iterable[str], extra: Mapping[str, tuple[str, ...]]
) -> Iterator[Attempt]:
    """All that somebody must be allowed to impersonate to be taken for ``user`` with these groups and extras."""
    if user.name.startswith(_SERVICE_ACCOUNT):
        namespace, _, name = user.name.removeprefix(_SERVICE_ACCOUNT).partition(":")
        yield Attempt("impersonate", resource="serviceaccounts", namespace=namespace, name=name)
    else:
        yield Attempt("impersonate", resource="users", name=user.name)
    for group in groups:
        yield Attempt("impersonate", resource="groups", name=group)
    if user.uid:
        yield Attempt("impersonate", "authentication.k8s.io", "uids", name=user.uid)
    for key, values in extra.items():
        for value in values:
            yield Attempt("impersonate", "authentication.k8s.io", "userextras", key, name=value)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
