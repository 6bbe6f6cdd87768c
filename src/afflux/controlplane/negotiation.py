"""Which form an answer takes (Accept), and what a body is (Content-Type)."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

import orjson

from afflux.controlplane import duplicate_fields, protobuf
from afflux.controlplane.errors import bad_request, not_acceptable, unrecognized, unsupported_media_type
from afflux.lang import yaml
from afflux.objects.manifest import Json

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"

_AVAILABLE = (JSON, YAML, PROTOBUF, f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")
_READABLE = (JSON, YAML, PROTOBUF)


class Form(StrEnum):
    """How an answer is written."""

    JSON = "json"
    YAML = "yaml"
    TABLE = "table"
    PARTIAL = "partial"
    """``PartialObjectMetadata`` and its list."""

    @property
    def content_type(self) -> str:
        return YAML if self is Form.YAML else JSON


_AS = {"Table": Form.TABLE, "PartialObjectMetadata": Form.PARTIAL, "PartialObjectMetadataList": Form.PARTIAL}


@lru_cache(maxsize=256)
def negotiate(accept: str) -> Form:
    """The first acceptable form of an Accept header, left to right; 406 when there is none."""
    if not accept:
        return Form.JSON
    for clause in accept.split(","):
        form = _form(clause)
        if form is not None:
            return form
    raise not_acceptable(_AVAILABLE)


def _form(clause: str) -> Form | None:
    media_type, *rest = (part.strip() for part in clause.split(";"))
    parameters = dict(part.partition("=")[::2] for part in rest)
    if media_type in (YAML, "application/x-yaml") and "as" not in parameters:
        return Form.YAML
    if media_type not in (JSON, "*/*", "application/*"):
        return None
    if "as" not in parameters:
        return Form.JSON
    if parameters.get("g") == "meta.k8s.io" and parameters.get("v") == "v1":
        return _AS.get(parameters["as"])
    return None


def decode_body(body: bytes, content_type: str, expected: str = "") -> tuple[Json, list[str]]:
    """The value in a body, and the paths of fields that it holds twice (the last one wins).

    ``expected`` is the Kind that an error names.
    """
    media_type = content_type.partition(";")[0].strip() or JSON
    if media_type == PROTOBUF:
        return protobuf.decode(body), []
    if media_type == JSON:
        return _decode_json(body, expected)
    if media_type in (YAML, "application/x-yaml"):
        return decode_yaml(body), []
    raise unsupported_media_type(_READABLE)


def decode_yaml(body: bytes) -> Json:
    """A YAML (or JSON) body, as apply patches are sent."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        value: Json = yaml.load(body.decode())
        return value
    except (yaml.YamlError, UnicodeDecodeError) as error:
        raise bad_request(f"error decoding YAML: {error}") from error


def _decode_json(body: bytes, expected: str) -> tuple[Json, list[str]]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        why = f"couldn't get version/kind; json parse error: {error}"
        raise unrecognized(expected, why, body) from error
    return value, duplicate_fields.find(body, value)
