"""IP addresses and CIDR blocks, in the strict forms that Kubernetes takes."""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

from afflux.lang.kubernetes_cel.opaque import Method, Opaque, content_of, kind_of, opaque, plain
from afflux.objects.manifest import Json

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Block: TypeAlias = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def parse_ip(text: str) -> Opaque:
    """An address. ``ValueError``, also for zones and IPv4 in IPv6."""
    return opaque("ip", str(_address(text)))


def _address(text: str) -> Address:
    if "%" in text:
        raise ValueError(f"IP Address {text[:100]!r} parse error during conversion from string: zones are not allowed")
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        raise ValueError(f"IPv4-mapped IPv6 address {text[:100]!r} is not allowed")
    return address


def parse_cidr(text: str) -> Opaque:
    """A block. ``ValueError``."""
    base, slash, bits = text.partition("/")
    if not slash or not bits.isdecimal() or (len(bits) > 1 and bits.startswith("0")):
        raise ValueError(f"network address {text[:100]!r} parse error during conversion from string")
    return opaque("cidr", str(ipaddress.ip_interface(f"{_address(base)}/{bits}")))


def is_canonical(text: str) -> bool:
    """Whether an address is written as it would be printed. ``ValueError`` for what is no address."""
    return str(_address(text)) == text


def _ip(value: Json) -> Address:
    given = plain(value)
    return _address(given) if isinstance(given, str) else ipaddress.ip_address(content_of(given, "ip"))


def _cidr(value: Json) -> Block:
    given = plain(value)
    return ipaddress.ip_interface(content_of(parse_cidr(given) if isinstance(given, str) else given, "cidr"))


def _contains(block: Json, other: Json) -> bool:
    network, address = _cidr(block).network, _ip(other)
    return address.version == network.version and address in network


def _contains_block(block: Json, other: Json) -> bool:
    outer, inner = _cidr(block).network, _cidr(other).network
    if isinstance(outer, ipaddress.IPv4Network):
        return isinstance(inner, ipaddress.IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, ipaddress.IPv6Network) and inner.subnet_of(outer)


def _is_global_unicast(value: Json) -> bool:
    address = _ip(value)
    broadcast = str(address) == "255.255.255.255"
    special = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not (special or broadcast)


def _is_local_multicast(value: Json) -> bool:
    address = _ip(value)
    if isinstance(address, ipaddress.IPv4Address):
        return address in ipaddress.IPv4Network("224.0.0.0/24")
    return address.is_multicast and address.packed[1] & 0x0F == 0x02


def text_of(value: Json) -> str:
    """``string(...)`` of an address or a block."""
    given = plain(value)
    kind = kind_of(given)
    if kind not in ("ip", "cidr"):
        raise ValueError("no such overload")
    return str(content_of(given, kind))


IP_METHODS: dict[str, Method] = {
    "family": lambda value: _ip(value).version,
    "isUnspecified": lambda value: _ip(value).is_unspecified,
    "isLoopback": lambda value: _ip(value).is_loopback,
    "isLinkLocalMulticast": _is_local_multicast,
    "isLinkLocalUnicast": lambda value: _ip(value).is_link_local,
    "isGlobalUnicast": _is_global_unicast,
}
CIDR_METHODS: dict[str, Method] = {
    "ip": lambda value: opaque("ip", str(_cidr(value).ip)),
    "containsIP": _contains,
    "containsCIDR": _contains_block,
    "masked": lambda value: opaque("cidr", str(_cidr(value).network)),
    "prefixLength": lambda value: _cidr(value).network.prefixlen,
}
