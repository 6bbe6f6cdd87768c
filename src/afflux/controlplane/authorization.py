"""What a user may do: RBAC over the roles in the store, or everything where it is off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from afflux.controlplane.errors import ApiStatusError, Named
from afflux.controlplane.pipeline import User
from afflux.controlplane.served_kind import StorageKey
from afflux.controlplane.store import StoreReader
from afflux.objects.manifest import Manifest

_GROUP: Final = "rbac.authorization.k8s.io"
_ROLES: Final = StorageKey(_GROUP, "roles")
_CLUSTER_ROLES: Final = StorageKey(_GROUP, "clusterroles")
_ROLE_BINDINGS: Final = StorageKey(_GROUP, "rolebindings")
_CLUSTER_ROLE_BINDINGS: Final = StorageKey(_GROUP, "clusterrolebindings")


_EVERYBODY: Final[tuple[Manifest, ...]] = (
    {
        "verbs": ["create"],
        "apiGroups": ["authorization.k8s.io", "authentication.k8s.io"],
        "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"],
    },
    {
        "verbs": ["get"],
        "nonResourceURLs": ["/", "/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"],
    },
    {"verbs": ["get"], "nonResourceURLs": ["/version", "/version/", "/healthz", "/livez", "/readyz"]},
)
"""What a cluster's standard roles give to every authenticated user: discovery, and asking about oneself."""


class Attempt(NamedTuple):
    """What is tried. ``path`` is set instead of a resource for paths such as ``/version``."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


class Authorizer:
    """Decides. With ``enforced`` off, everything is allowed to everybody who is authenticated."""

    def __init__(self, store: StoreReader, *, enforced: bool) -> None:
        self._store = store
        self.enforced = enforced

    def allows(self, user: User, attempt: Attempt) -> bool:
        """Whether a rule of a role bound to the user allows the attempt; ``system:masters`` may do everything."""
        if not self.enforced or "system:masters" in user.groups:
            return True
        return any(_rule_allows(rule, attempt) for rule in self.rules(user, attempt.namespace))

    def require(self, user: User, attempt: Attempt) -> None:
        """Raise 403 for what isn't allowed."""
        if not self.allows(user, attempt):
            raise _forbidden(user, attempt)

    def rules(self, user: User, namespace: str) -> Iterator[Manifest]:
        """Every rule that applies to the user cluster-wide, and in the namespace if one is given."""
        if not self.enforced or "system:masters" in user.groups:
            yield {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
            yield {"verbs": ["*"], "nonResourceURLs": ["*"]}
            return
        yield from _EVERYBODY
        for binding in self._store.list(_CLUSTER_ROLE_BINDINGS):
            if _binds(binding.manifest, user, ""):
                yield from self._role_rules(binding.manifest["roleRef"], "")
        if namespace:
            for binding in self._store.list(_ROLE_BINDINGS, namespace):
                if _binds(binding.manifest, user, namespace):
                    yield from self._role_rules(binding.manifest["roleRef"], namespace)

    def _role_rules(self, reference: Manifest, namespace: str) -> Iterator[Manifest]:
        if reference.get("kind") == "Role":
            role = self._store.get(_ROLES, namespace, reference.get("name", ""))
        else:
            role = self._store.get(_CLUSTER_ROLES, "", reference.get("name", ""))
        if role is not None:
            yield from role.manifest.get("rules") or ()


def _binds(binding: Manifest, user: User, namespace: str) -> bool:
    for subject in binding.get("subjects") or ():
        kind, name = subject.get("kind"), subject.get("name")
        if kind == "User" and name == user.name:
            return True
        if kind == "Group" and name in user.groups:
            return True
        owner = subject.get("namespace") or namespace
        if kind == "ServiceAccount" and user.name == f"system:serviceaccount:{owner}:{name}":
            return True
    return False


def _rule_allows(rule: Manifest, attempt: Attempt) -> bool:
    if not _covers(rule.get("verbs"), attempt.verb):
        return False
    if attempt.path:
        return any(_path_covers(path, attempt.path) for path in rule.get("nonResourceURLs") or ())
    if not _covers(rule.get("apiGroups"), attempt.group):
        return False
    if not _resource_covered(rule.get("resources") or (), attempt):
        return False
    names = rule.get("resourceNames")
    return not names or attempt.name in names


def _covers(values: list[str] | None, wanted: str) -> bool:
    return values is not None and (wanted in values or "*" in values)


def _resource_covered(resources: Iterable[str], attempt: Attempt) -> bool:
    wanted = f"{attempt.resource}/{attempt.subresource}" if attempt.subresource else attempt.resource
    return any(
        each in ("*", wanted) or (bool(attempt.subresource) and each == f"*/{attempt.subresource}")
        for each in resources
    )


def _path_covers(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def _forbidden(user: User, attempt: Attempt) -> ApiStatusError:
    if attempt.path:
        words = f'User "{user.name}" cannot {attempt.verb} path "{attempt.path}"'
        return ApiStatusError(403, "Forbidden", f"forbidden: {words}")
    about = Named(attempt.group, attempt.resource, attempt.name)
    what = f"{attempt.resource}/{attempt.subresource}" if attempt.subresource else attempt.resource
    where = f'in the namespace "{attempt.namespace}"' if attempt.namespace else "at the cluster scope"
    subject = f'{about.qualified} "{attempt.name}"' if attempt.name else about.qualified
    words = f'User "{user.name}" cannot {attempt.verb} resource "{what}" in API group "{attempt.group}" {where}'
    return ApiStatusError(403, "Forbidden", f"{subject} is forbidden: {words}", about)
