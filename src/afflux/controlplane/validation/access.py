"""Roles and their bindings."""

from afflux.controlplane.field_errors import invalid_value, not_supported, required
from afflux.controlplane.validation.checks import Errors, Node, node, nodes

_GROUP = "rbac.authorization.k8s.io"


def validate_role(new: Node, old: Node | None) -> Errors:
    """Each rule names verbs, and the groups and resources they are for."""
    for index, rule in enumerate(nodes(new.get("rules"))):
        yield from _rule(rule, f"rules[{index}]", namespaced=True)


def validate_cluster_role(new: Node, old: Node | None) -> Errors:
    """As a Role's; rules may be for URLs, too."""
    for index, rule in enumerate(nodes(new.get("rules"))):
        yield from _rule(rule, f"rules[{index}]", namespaced=False)


def _rule(rule: Node, path: str, *, namespaced: bool) -> Errors:
    if not rule.get("verbs"):
        yield required(f"{path}.verbs", "verbs must contain at least one value")
    if urls := rule.get("nonResourceURLs"):
        if namespaced:
            text = "namespaced rules cannot apply to non-resource URLs"
            yield invalid_value(f"{path}.nonResourceURLs", urls, text)
        if any(rule.get(name) for name in ("apiGroups", "resources", "resourceNames")):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid_value(f"{path}.nonResourceURLs", urls, text)
        return
    if not rule.get("apiGroups"):
        yield required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield required(f"{path}.resources", "resource rules must supply at least one resource")


def validate_role_binding(new: Node, old: Node | None) -> Errors:
    """A role in the namespace or the cluster; it can't be exchanged."""
    yield from _binding(new, old, ("Role", "ClusterRole"), namespaced=True)


def validate_cluster_role_binding(new: Node, old: Node | None) -> Errors:
    """A cluster role; it can't be exchanged."""
    yield from _binding(new, old, ("ClusterRole",), namespaced=False)


def _binding(new: Node, old: Node | None, kinds: tuple[str, ...], *, namespaced: bool) -> Errors:
    role = node(new.get("roleRef"))
    if role.get("apiGroup") != _GROUP:
        yield not_supported("roleRef.apiGroup", role.get("apiGroup") or "", (_GROUP,))
    if role.get("kind") not in kinds:
        yield not_supported("roleRef.kind", role.get("kind") or "", kinds)
    if not role.get("name"):
        yield required("roleRef.name")
    for index, subject in enumerate(nodes(new.get("subjects"))):
        yield from _subject(subject, f"subjects[{index}]")
    if old is not None and role != node(old.get("roleRef")):
        shown = {"APIGroup": role.get("apiGroup"), "Kind": role.get("kind"), "Name": role.get("name")}
        yield invalid_value("roleRef", shown, "cannot change roleRef")


def _subject(subject: Node, path: str) -> Errors:
    if not subject.get("name"):
        yield required(f"{path}.name")
    match subject.get("kind"):
        case "ServiceAccount":
            if subject.get("apiGroup"):
                yield not_supported(f"{path}.apiGroup", subject["apiGroup"], ("",))
            if not subject.get("namespace"):
                yield required(f"{path}.namespace")
        case "User" | "Group":
            if subject.get("apiGroup") != _GROUP:
                yield not_supported(f"{path}.apiGroup", subject.get("apiGroup") or "", (_GROUP,))
        case other:
            yield not_supported(f"{path}.kind", other or "", ("ServiceAccount", "User", "Group"))
