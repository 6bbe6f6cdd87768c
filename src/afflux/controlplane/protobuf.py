"""Request bodies in ``application/vnd.kubernetes.protobuf``, as Go clients send them. Decoding only.

A body is ``k8s\\0`` and a message ``Unknown{1 typeMeta{1 apiVersion, 2 kind}, 2 raw}``; ``raw`` is the object.
"""

from __future__ import annotations

import base64
import datetime
import struct
from collections.abc import Callable, Iterator
from typing import Final

import orjson

from afflux.controlplane.errors import bad_request
from afflux.controlplane.go_structs import FieldType, Struct, struct_for
from afflux.objects.identity import GroupVersionKind, parse_api_version
from afflux.objects.manifest import Json, Manifest

MAGIC: Final = b"k8s\x00"

_ALWAYS_WRITTEN: Final = ("generateName", "namespace", "selfLink", "uid", "resourceVersion", "name")
"""Strings of metadata that Go writes even when they are empty."""

_Value = int | bytes


class _Malformed(Exception):
    """Bytes that are no protobuf message."""


def decode(body: bytes) -> Manifest:
    """The object in a body, as the same client would have sent it in JSON. Raises 400 for what can't be read."""
    if body[:4] != MAGIC:
        raise bad_request("the body is not a Kubernetes protobuf message: it doesn't start with k8s\\0")
    try:
        return _object(body[4:])
    except (_Malformed, IndexError, UnicodeDecodeError, struct.error, orjson.JSONDecodeError) as error:
        raise bad_request(f"the protobuf body can't be decoded: {error}") from error


def _object(data: bytes) -> Manifest:
    unknown = dict(_fields(data))
    type_meta = dict(_fields(_bytes(unknown.get(1, b""))))
    api_version, kind = _text(type_meta.get(1, b"")), _text(type_meta.get(2, b""))
    group, version = parse_api_version(api_version)
    found = struct_for(GroupVersionKind(group, version, kind))
    if found is None:
        raise bad_request(f'no kind "{kind}" is registered for version "{api_version}" in protobuf bodies')
    manifest = {"kind": kind, "apiVersion": api_version, **_message(found, _bytes(unknown.get(2, b"")))}
    return _tidied(manifest)


def _tidied(manifest: Manifest) -> Manifest:
    """Drop what Go writes for zero values and JSON would have left out."""
    metadata = manifest.get("metadata")
    if isinstance(metadata, dict):
        for key in _ALWAYS_WRITTEN:
            if not metadata.get(key, True):
                del metadata[key]
        if not metadata.get("generation", True):
            del metadata["generation"]
    if not manifest.get("status", True):
        del manifest["status"]
    return manifest


def _varint(data: bytes, at: int) -> tuple[int, int]:
    shift = result = 0
    while True:
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
        shift += 7
        if shift > 63:
            raise _Malformed("a number is too long")


def _fields(data: bytes) -> Iterator[tuple[int, _Value]]:
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            value: _Value
            value, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            value, at = data[at : at + size], at + size
        elif wire == 2:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        else:
            raise _Malformed(f"wire type {wire} is not used")
        if at > end:
            raise _Malformed("the message is cut off")
        yield key >> 3, value


def _message(type_: Struct, data: bytes) -> Manifest:
    result: Manifest = {}
    for number, value in _fields(data):
        field = type_.by_number.get(number)
        if field is None:
            continue
        if not field.name:
            result.update(_message(field.struct, _bytes(value)))
        elif field.container == "[]":
            result.setdefault(field.name, []).append(_single(field, value))
        elif field.container == "{}":
            pair = dict(_fields(_bytes(value)))
            result.setdefault(field.name, {})[_text(pair.get(1, b""))] = _single(field, pair.get(2, b""))
        else:
            decoded = _single(field, value)
            if decoded is not None:
                result[field.name] = decoded
    return result


def _single(field: FieldType, value: _Value) -> Json:
    if not field.code:
        return _message(field.struct, _bytes(value))
    return _DECODERS[field.code](value)


def _bytes(value: _Value) -> bytes:
    if isinstance(value, int):
        raise _Malformed("a number where a message was expected")
    return value


def _text(value: _Value) -> str:
    return _bytes(value).decode()


def _signed(value: _Value) -> int:
    number = int.from_bytes(value, "little") if isinstance(value, bytes) else value
    return number - (1 << 64) if number >> 63 else number


def _time(value: _Value) -> str | None:
    parts = {number: _signed(part) for number, part in _fields(_bytes(value))}
    if not parts.get(1):
        return None
    moment = datetime.datetime.fromtimestamp(parts[1], datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(value: _Value) -> str | None:
    parts = {number: _signed(part) for number, part in _fields(_bytes(value))}
    if not parts.get(1):
        return None
    moment = datetime.datetime.fromtimestamp(parts[1], datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + f".{parts.get(2, 0) // 1000:06d}Z"


def _int_or_string(value: _Value) -> int | str:
    parts = dict(_fields(_bytes(value)))
    return _text(parts.get(3, b"")) if parts.get(1) else _signed(parts.get(2, 0))


def _quantity(value: _Value) -> str:
    return _text(dict(_fields(_bytes(value))).get(1, b"0"))


def _raw(value: _Value) -> Json:
    return orjson.loads(_bytes(dict(_fields(_bytes(value))).get(1, b"")) or b"null")


def _duration(value: _Value) -> str:
    return f"{_signed(dict(_fields(_bytes(value))).get(1, 0)) / 1e9:g}s"


def _strings(value: _Value) -> list[str]:
    return [_text(item) for _, item in _fields(_bytes(value))]


def _double(value: _Value) -> float:
    return float(struct.unpack("<d", _bytes(value))[0])


def _base64(value: _Value) -> str:
    return base64.b64encode(_bytes(value)).decode()


_DECODERS: Final[dict[str, Callable[[_Value], Json]]] = {
    "s": _text,
    "i": _signed,
    "l": _signed,
    "b": bool,
    "y": _base64,
    "d": _double,
    "@Strings": _strings,
    "@Time": _time,
    "@MicroTime": _micro_time,
    "@Quantity": _quantity,
    "@IntOrString": _int_or_string,
    "@FieldsV1": _raw,
    "@RawExtension": _raw,
    "@JSON": _raw,
    "@Duration": _duration,
}
