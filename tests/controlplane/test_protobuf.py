"""Protobuf bodies: what Go clients send, built here by hand from the wire format."""

import base64
from typing import Any

import pytest

from afflux.controlplane import protobuf
from afflux.controlplane.errors import ApiStatusError

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def part(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value & (1 << 64) - 1)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def body(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\0" + part(1, part(1, api_version) + part(2, kind)) + part(2, raw) + part(3, "") + part(4, "")


def metadata(name: str) -> bytes:
    """As Go writes it: empty strings, zero generation and an empty time included."""
    empty = b"".join(part(number, "") for number in (2, 3, 4, 5, 6))
    return part(1, part(1, name) + empty + part(7, 0) + part(8, b"") + part(11, part(1, "l") + part(2, "1")))


def test_zero_values_of_metadata_are_left_out() -> None:
    raw = metadata("a") + part(2, part(1, "k") + part(2, "v"))
    assert protobuf.decode(body("v1", "ConfigMap", raw)) == {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "a", "labels": {"l": "1"}},
        "data": {"k": "v"},
    }


def test_bytes_quantities_times_and_either_types_are_read() -> None:
    secret = protobuf.decode(body("v1", "Secret", metadata("s") + part(2, part(1, "p") + part(2, b"\x00q"))))
    assert secret["data"] == {"p": base64.b64encode(b"\x00q").decode()}
    resources = part(1, part(1, "cpu") + part(2, part(1, "100m")))
    probe = part(1, part(2, part(1, "/") + part(2, part(1, 1) + part(2, 0) + part(3, "web"))))
    container = part(1, "c") + part(2, "i:1") + part(8, resources) + part(10, probe)
    template = part(2, part(2, container) + part(4, -1))
    strategy = part(4, part(2, part(1, part(1, 0) + part(2, 3) + part(3, ""))))
    deployment = protobuf.decode(
        body("apps/v1", "Deployment", metadata("d") + part(2, part(1, 2) + part(3, template) + strategy))
    )
    spec = deployment["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"] == {"rollingUpdate": {"maxUnavailable": 3}}
    pod = spec["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == -1
    assert pod["containers"][0]["resources"] == {"limits": {"cpu": "100m"}}
    assert pod["containers"][0]["livenessProbe"] == {"httpGet": {"path": "/", "port": "web"}}


@pytest.mark.parametrize(
    "wrong",
    [b"{}", b"k8s\0\x0a\xff", body("v1", "Nothing", b""), body("v1", "ConfigMap", b"\x0b"), b"k8s\0" + b"\xff" * 20],
)
def test_what_is_no_message_is_a_bad_request(wrong: bytes) -> None:
    with pytest.raises(ApiStatusError) as caught:
        protobuf.decode(wrong)
    assert caught.value.code == 400


async def test_a_protobuf_body_creates(api: Any) -> None:
    raw = metadata("pb") + part(2, part(1, "k") + part(2, "v"))
    path = "/api/v1/namespaces/default/configmaps"
    made = await api.request("POST", path, body("v1", "ConfigMap", raw), Content_Type=MEDIA_TYPE)
    assert (made.status, made.json["data"]) == (201, {"k": "v"})
