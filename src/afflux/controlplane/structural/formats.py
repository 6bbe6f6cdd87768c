"""Formats of texts in the schemas of custom resources, those that a real server checks."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable
from datetime import date, datetime
from email.utils import parseaddr
from typing import Final
from urllib.parse import urlsplit

from afflux.lang.duration import parse_duration

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_WORDY = re.compile(
    r"(?:\s*\d{1,9}\s*(?:ns|us|µs|ms|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?))+", re.I
)
_UUID = r"[0-9a-f]{8}-?[0-9a-f]{4}-?%s[0-9a-f]{3}-?[%s][0-9a-f]{3}-?[0-9a-f]{12}"


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def well_formed(value: str) -> bool:
        try:
            parse(value)
        except ValueError:
            return False
        return True

    return well_formed


def _like(pattern: str, most: int = 1024) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda value: len(value) <= most and compiled.fullmatch(value) is not None


def _is_email(value: str) -> bool:
    """One bare address, as Go's parser of mail takes it."""
    local, found, domain = value.rpartition("@")
    return bool(found and local and domain and parseaddr(value)[1] == value and not re.search(r"\s", value))


def _is_uri(value: str) -> bool:
    """An absolute URL, or an absolute path, as in a request's first line."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.scheme or value.startswith("/")) and not re.search(r"[\x00-\x20\x7f]", value)


def _is_time(value: str) -> bool:
    datetime.fromisoformat(value.replace("Z", "+00:00"))
    return True


def _is_duration(value: str) -> bool:
    """Go's durations, and numbers with units in words (``1 day``)."""
    try:
        parse_duration(value)
    except ValueError:
        return _WORDY.fullmatch(value) is not None
    return True


def _decoded(value: str) -> bytes:
    return base64.b64decode(value, validate=True)


FORMATS: Final[dict[str, Callable[[str], bool]]] = {
    "date": _parses(date.fromisoformat),
    "date-time": _parses(_is_time),
    "datetime": _parses(_is_time),
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "cidr": _parses(ipaddress.ip_network),
    "duration": _is_duration,
    "email": _is_email,
    "uri": _is_uri,
    "hostname": _like(rf"(?i:{_LABEL})(?:\.(?i:{_LABEL}))*\.?", 253),
    "mac": _like(r"(?i:[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4,6}|(?:[0-9a-f]{4}\.){2,3}[0-9a-f]{4})"),
    "uuid": _like(r"(?i:[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12})"),
    "uuid3": _like(f"(?i:{_UUID % ('3', '0-9a-f')})"),
    "uuid4": _like(f"(?i:{_UUID % ('4', '89ab')})"),
    "uuid5": _like(f"(?i:{_UUID % ('5', '89ab')})"),
    "byte": _parses(_decoded),
    "hexcolor": _like(r"#?(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "bsonobjectid": _like(r"[0-9a-fA-F]{24}"),
    "k8s-short-name": _like(_LABEL, 63),
    "k8s-long-name": _like(rf"{_LABEL}(?:\.{_LABEL})*", 253),
}
"""By name. A format that isn't known says nothing."""
