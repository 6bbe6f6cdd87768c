"""Named formats of names and labels, by which rules check texts: ``format.dns1123Label().validate(self.name)``."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Callable
from datetime import date, datetime

from afflux.lang.kubernetes_cel import urls
from afflux.lang.kubernetes_cel.opaque import Opaque, content_of, opaque, plain
from afflux.objects.manifest import Json

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
_BYTES = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"


def _shaped(pattern: str, longest: int) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: len(text) <= longest and compiled.fullmatch(text) is not None


def _prefixed(name: Callable[[str], bool]) -> Callable[[str], bool]:
    """For names that objects will be generated from: they may end with a dash."""
    return lambda text: name(f"{text[:-1]}a" if text.endswith("-") else text)


def _qualified(text: str) -> bool:
    prefix, slash, name = text.rpartition("/")
    return _shaped(_QUALIFIED, 63)(name) and (not slash or (bool(prefix) and _SUBDOMAIN(prefix)))


def _reads(parse: Callable[[str], Json]) -> Callable[[str], bool]:
    def asked(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return asked


_NAME_LABEL = _shaped(_LABEL, 63)
_SUBDOMAIN = _shaped(rf"{_LABEL}(\.{_LABEL})*", 253)
_SERVICE = _shaped(r"[a-z]([-a-z0-9]*[a-z0-9])?", 63)
FORMATS: dict[str, Callable[[str], bool]] = {
    "dns1123Label": _NAME_LABEL,
    "dns1123Subdomain": _SUBDOMAIN,
    "dns1035Label": _SERVICE,
    "dns1123LabelPrefix": _prefixed(_NAME_LABEL),
    "dns1123SubdomainPrefix": _prefixed(_SUBDOMAIN),
    "dns1035LabelPrefix": _prefixed(_SERVICE),
    "qualifiedName": _qualified,
    "labelValue": _shaped(rf"({_QUALIFIED})?", 63),
    "uri": _reads(urls.parse),
    "uuid": _reads(lambda text: uuid.UUID(text)),
    "byte": _reads(lambda text: base64.b64decode(text, validate=True)),
    "date": _reads(date.fromisoformat),
    "datetime": _reads(datetime.fromisoformat),
}


def named(name: str) -> Opaque:
    """An optional: the format of that name, if there is one."""
    return opaque("optional", [opaque("format", name)] if name in FORMATS else [])


def validate(value: Json, text: Json) -> Opaque:
    """An optional: what is wrong with a text, nothing if it has the format."""
    name = str(content_of(value, "format"))
    holds = FORMATS[name](str(plain(text)))
    return opaque("optional", [] if holds else [[f"does not match the format {name}"]])


def has_value(value: Json) -> bool:
    """Whether an optional of ours holds something."""
    return bool(content_of(value, "optional"))


def value_of(value: Json) -> Json:
    """What an optional of ours holds. ``ValueError`` where it holds nothing."""
    found = content_of(value, "optional")
    if not found:
        raise ValueError("optional.none() dereference")
    return found[0]
