"""Which kinds are served, as clients discover them: aggregated in one document, or group by group."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from afflux.controlplane.kind_registry import KindRegistry
from afflux.controlplane.served_kind import ServedKind
from afflux.controlplane.version_order import version_order
from afflux.objects.manifest import Json, Manifest

AGGREGATED_V2: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
AGGREGATED_V2BETA1: Final = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"

_CUSTOM_VERBS: Final = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_STORED_AS: Final = {
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): "v1beta1",
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): "v1beta1",
    ("apiextensions.k8s.io", "CustomResourceDefinition"): "v1beta1",
}
"""The version in the hash where a real server stores an older one than it serves."""


def aggregated_type(accept: str) -> str:
    """The aggregated media type that an Accept header prefers to plain JSON; empty for plain JSON."""
    for clause in accept.split(","):
        media_type, *parameters = (part.strip() for part in clause.split(";"))
        if media_type in ("application/json", "*/*") and "as=APIGroupDiscoveryList" not in parameters:
            return ""
        if "g=apidiscovery.k8s.io" in parameters:
            if "v=v2" in parameters:
                return AGGREGATED_V2
            if "v=v2beta1" in parameters:
                return AGGREGATED_V2BETA1
    return ""


def aggregated(registry: KindRegistry, media_type: str, *, core: bool) -> Manifest:
    """An ``APIGroupDiscoveryList`` of the core group (``/api``) or of all others (``/apis``)."""
    items = [
        {
            "metadata": {"name": group} if group else {},
            "versions": [_version(*each) for each in versions.items()],
        }
        for group, versions in _groups(registry).items()
        if (group == "") is core
    ]
    version = "v2beta1" if media_type == AGGREGATED_V2BETA1 else "v2"
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def core_versions(address: str) -> Manifest:
    """``/api`` in its plain form."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list(registry: KindRegistry) -> Manifest:
    """``/apis`` in its plain form."""
    groups = [_group(group, versions) for group, versions in _groups(registry).items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group_document(registry: KindRegistry, group: str) -> Manifest | None:
    """``/apis/{group}``; None for an unknown group."""
    versions = _groups(registry).get(group)
    return None if versions is None else {"kind": "APIGroup", "apiVersion": "v1", **_group(group, versions)}


def resource_list(registry: KindRegistry, group: str, version: str) -> Manifest | None:
    """``/api/v1`` or ``/apis/{group}/{version}``; None for an unknown one."""
    kinds = _groups(registry).get(group, {}).get(version)
    if kinds is None:
        return None
    resources: list[Manifest] = []
    for kind in kinds:
        resources.append(_resource(kind))
        resources += _subresources(kind)
    listed = {"groupVersion": f"{group}/{version}" if group else version, "resources": resources}
    # A real server leaves the list's own version out of the core group's.
    return {"kind": "APIResourceList", **({"apiVersion": "v1"} if group else {}), **listed}


_Versions = dict[str, list[ServedKind]]


def _groups(registry: KindRegistry) -> dict[str, _Versions]:
    """Kinds by group and version, groups as they came, versions best first."""
    groups: dict[str, _Versions] = {}
    for kind in registry.kinds():
        groups.setdefault(kind.gvk.group, {}).setdefault(kind.gvk.version, []).append(kind)
    return {
        group: {version: versions[version] for version in sorted(versions, key=version_order)}
        for group, versions in groups.items()
    }


def _group(group: str, versions: Iterable[str]) -> Manifest:
    listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def _version(version: str, kinds: Sequence[ServedKind]) -> Manifest:
    return {"version": version, "freshness": "Current", "resources": [_aggregated_resource(kind) for kind in kinds]}


def _aggregated_resource(kind: ServedKind) -> Manifest:
    resource: Manifest = {
        "resource": kind.plural,
        "responseKind": _response_kind(kind, kind.gvk.group, kind.gvk.version, kind.gvk.kind),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": _verbs(kind),
    }
    if kind.short_names:
        resource["shortNames"] = list(kind.short_names)
    if kind.categories:
        resource["categories"] = list(kind.categories)
    if kind.paths:
        resource["subresources"] = [
            {
                "subresource": path.name,
                "responseKind": _response_kind(kind, path.group, path.version, path.kind),
                "verbs": sorted(path.verbs),
            }
            for path in kind.paths
        ]
    return resource


def _verbs(kind: ServedKind) -> list[str]:
    return [verb for verb in _CUSTOM_VERBS if verb in kind.verbs] if kind.is_custom else sorted(kind.verbs)


def _response_kind(kind: ServedKind, group: str, version: str, name: str) -> dict[str, str]:
    """A built-in kind's own group and version go without saying; a custom one's are written out."""
    same = (group, version) == (kind.gvk.group, kind.gvk.version) and not kind.is_custom
    return {"group": "" if same else group, "version": "" if same else version, "kind": name}


def _resource(kind: ServedKind) -> Manifest:
    resource: dict[str, Json] = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.gvk.kind,
        "verbs": _verbs(kind),
    }
    if kind.short_names:
        resource["shortNames"] = list(kind.short_names)
    if kind.categories:
        resource["categories"] = list(kind.categories)
    if "watch" in kind.verbs:
        resource["storageVersionHash"] = _storage_version_hash(kind)
    return resource


def _storage_version_hash(kind: ServedKind) -> str:
    gvk = kind.storage_gvk
    version = _STORED_AS.get((gvk.group, gvk.kind), gvk.version)
    digest = hashlib.sha256(f"{gvk.group}/{version}/{gvk.kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()


def _subresources(kind: ServedKind) -> list[Manifest]:
    listed = []
    for path in kind.paths:
        entry: Manifest = {
            "name": f"{kind.plural}/{path.name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": path.kind,
            "verbs": sorted(path.verbs),
        }
        if (path.group, path.version) != (kind.gvk.group, kind.gvk.version):
            entry |= {"group": path.group, "version": path.version}
        listed.append(entry)
    return listed
