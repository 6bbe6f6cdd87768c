"""An OpenAPI v2 document as protobuf: the messages of gnostic's ``openapi.v2``, as far as our document uses them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

import orjson

from afflux.lang import yaml
from afflux.objects.manifest import Json, Manifest

_METHODS: Final = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}
_TEXTS: Final = {"$ref": 1, "format": 2, "title": 3, "description": 4, "pattern": 13}
_DOUBLES: Final = {"multipleOf": 6, "maximum": 7, "minimum": 9}
_NUMBERS: Final = {"maxLength": 11, "minLength": 12, "maxItems": 14, "minItems": 15} | {
    "maxProperties": 17,
    "minProperties": 18,
}
_FLAGS: Final = {"exclusiveMaximum": 8, "exclusiveMinimum": 10, "uniqueItems": 16}


def encode_document(document: Manifest) -> bytes:
    """The document as a ``Document`` message."""
    info = document["info"]
    return b"".join(
        (
            _text(1, document["swagger"]),
            _message(2, _text(1, info["title"]) + _text(2, info["version"])),
            _message(8, b"".join(_named(2, path, _path_item(item)) for path, item in document["paths"].items())),
            _message(9, _named_schemas(document["definitions"])),
        )
    )


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _message(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _text(number: int, text: str) -> bytes:
    return _message(number, text.encode())


def _integer(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _named(number: int, name: str, value: bytes) -> bytes:
    """A ``Named...`` message: 1 name, 2 value."""
    return _message(number, _text(1, name) + _message(2, value))


def _any(value: Json) -> bytes:
    """An ``Any``: the value as YAML in field 2."""
    text = yaml.dump(value) if isinstance(value, dict | list) else orjson.dumps(value).decode() + "\n"
    return _text(2, text)


def _extensions(number: int, node: Manifest) -> bytes:
    return b"".join(_named(number, key, _any(value)) for key, value in node.items() if key.startswith("x-"))


def _path_item(item: Manifest) -> bytes:
    return b"".join(_message(_METHODS[method], _operation(operation)) for method, operation in item.items())


def _operation(operation: Manifest) -> bytes:
    responses = b"".join(_named(1, code, _message(1, _response(each))) for code, each in operation["responses"].items())
    parameters = (_message(8, _query_parameter(each)) for each in operation["parameters"])
    return b"".join(
        (_text(5, operation["operationId"]), *parameters, _message(9, responses), _extensions(13, operation))
    )


def _query_parameter(parameter: Manifest) -> bytes:
    """ParametersItem{1 Parameter{2 NonBodyParameter{3 QueryParameterSubSchema}}}."""
    query = _text(2, parameter["in"]) + _text(4, parameter["name"]) + _text(6, parameter["type"])
    return _message(1, _message(2, _message(3, query)))


def _response(response: Manifest) -> bytes:
    return _text(1, response["description"]) + _message(2, _message(1, _schema(response["schema"])))


def _named_schemas(schemas: Manifest) -> bytes:
    return b"".join(_named(1, name, _schema(schema)) for name, schema in schemas.items())


def _schema(schema: Manifest) -> bytes:
    return b"".join(_schema_parts(schema))


def _schema_parts(schema: Manifest) -> Iterable[bytes]:
    for key, value in schema.items():
        if key in _TEXTS:
            yield _text(_TEXTS[key], value)
        elif key in _DOUBLES:
            yield _double(_DOUBLES[key], value)
        elif key in _NUMBERS:
            yield _integer(_NUMBERS[key], value)
        elif key in _FLAGS:
            yield _integer(_FLAGS[key], int(value))
        else:
            yield _nested(key, value)
    yield _extensions(31, schema)


def _nested(key: str, value: Json) -> bytes:
    match key:
        case "default":
            return _message(5, _any(value))
        case "required":
            return b"".join(_text(19, each) for each in value)
        case "enum":
            return b"".join(_message(20, _any(each)) for each in value)
        case "additionalProperties":
            inner = _integer(2, int(value)) if isinstance(value, bool) else _message(1, _schema(value))
            return _message(21, inner)
        case "type":
            return _message(22, _text(1, value))
        case "items":
            return _message(23, _message(1, _schema(value)))
        case "properties":
            return _message(25, _named_schemas(value))
        case _:
            return b""
