"""Paths that address no resource: version, health, discovery, OpenAPI."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

import orjson

from afflux.controlplane import discovery
from afflux.controlplane.kind_registry import KindRegistry
from afflux.controlplane.negotiation import JSON
from afflux.controlplane.openapi import OpenApi
from afflux.controlplane.openapi_v2 import PROTOBUF_ANSWERED, PROTOBUF_ASKED, OpenApiV2
from afflux.objects.manifest import Json
from afflux.schema.openapi import Schemas

OPEN: Final = frozenset({"/healthz", "/readyz", "/livez", "/version"})
"""What may be read without a token."""

_HEALTH: Final = frozenset({"healthz", "readyz", "livez"})


@dataclass(frozen=True, slots=True)
class FixedAnswer:
    """A whole answer. With an ``etag`` a client that has it gets 304."""

    body: bytes
    content_type: str = JSON
    etag: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class FixedPaths:
    """Answers by path; None for a path that isn't one of these."""

    def __init__(self, registry: KindRegistry, schemas: Schemas) -> None:
        self._registry = registry
        self._openapi = OpenApi(registry, schemas)
        self._openapi_v2 = OpenApiV2(registry, schemas)
        self._version = orjson.dumps(_version(schemas.minor), option=orjson.OPT_INDENT_2)
        self._aggregated: dict[tuple[bool, str], tuple[int, bytes]] = {}

    def answer(self, path: str, accept: str, address: str) -> FixedAnswer | None:
        """The answer to a GET. ``address`` is the server's, as plain discovery names it."""
        segments = [segment for segment in path.split("/") if segment]
        match segments:
            case ["version"]:
                return FixedAnswer(self._version)
            case [first, *_] if first in _HEALTH:
                return FixedAnswer(b"ok", "text/plain; charset=utf-8")
            case ["openapi", "v2"]:
                return self._swagger(accept)
            case ["openapi", "v3", *rest]:
                return self._openapi_v3(rest)
            case ["api"] | ["apis"]:
                return self._root(accept, address, core=segments == ["api"])
            case ["api", version]:
                return _json(discovery.resource_list(self._registry, "", version))
            case ["apis", group]:
                return _json(discovery.group_document(self._registry, group))
            case ["apis", group, version]:
                return _json(discovery.resource_list(self._registry, group, version))
            case []:
                return FixedAnswer(orjson.dumps({"paths": ["/api", "/apis", "/healthz", "/openapi/v3", "/version"]}))
            case _:
                return None

    def _root(self, accept: str, address: str, *, core: bool) -> FixedAnswer:
        media_type = discovery.aggregated_type(accept)
        if not media_type:
            document = discovery.core_versions(address) if core else discovery.group_list(self._registry)
            return FixedAnswer(orjson.dumps(document), headers={"Vary": "Accept"})
        found = self._aggregated.get((core, media_type))
        if found is None or found[0] != self._registry.generation:
            body = orjson.dumps(discovery.aggregated(self._registry, media_type, core=core))
            found = self._aggregated[(core, media_type)] = (self._registry.generation, body)
        return FixedAnswer(found[1], media_type, _etag(found[1]), {"Vary": "Accept"})

    def _swagger(self, accept: str) -> FixedAnswer:
        if PROTOBUF_ASKED in accept:
            body, media_type = self._openapi_v2.as_protobuf(), PROTOBUF_ANSWERED
        else:
            body, media_type = self._openapi_v2.as_json(), JSON
        return FixedAnswer(body, media_type, _etag(body), {"Vary": "Accept"})

    def _openapi_v3(self, rest: list[str]) -> FixedAnswer | None:
        match rest:
            case []:
                return FixedAnswer(orjson.dumps(self._openapi.index()), "text/plain; charset=utf-8")
            case ["api", version]:
                body = self._openapi.document("", version)
            case ["apis", group, version]:
                body = self._openapi.document(group, version)
            case _:
                return None
        if body is None:
            return None
        headers = {"Cache-Control": "public, immutable", "Expires": "Fri, 01 Jan 2100 00:00:00 GMT"}
        return FixedAnswer(body, JSON, _etag(body), headers)


def _json(document: Json) -> FixedAnswer | None:
    return None if document is None else FixedAnswer(orjson.dumps(document))


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32].upper()}"'


def _version(minor: str) -> dict[str, str]:
    major, _, number = minor.partition(".")
    return {
        "major": major,
        "minor": number,
        "emulationMajor": major,
        "emulationMinor": number,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(number) - 1),
        "gitVersion": f"v{minor}.0+afflux",
        "gitCommit": "0000000000000000000000000000000000000000",
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "go1.25",
        "compiler": "gc",
        "platform": "linux/amd64",
    }
