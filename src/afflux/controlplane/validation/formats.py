"""What names, keys and ports look like, in the words of apimachinery's validation: each lists what is wrong."""

import re
from decimal import Decimal

from afflux.objects.manifest import Json

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_PORT_NAME = re.compile(r"[-a-z0-9]+")
_PERCENT = re.compile(r"[0-9]+%")
_ENV_NAME = re.compile(r"[ -<>-~]+")

_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_CONFIG_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_PERCENT_TEXT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)
_ENV_NAME_TEXT = "a valid environment variable name must consist only of printable ASCII characters other than '='"


def _too_long(value: str, limit: int) -> list[str]:
    return [f"must be no more than {limit} bytes"] if len(value.encode()) > limit else []


def dns_label(value: str) -> list[str]:
    """At most 63 of ``[a-z0-9-]``."""
    return _too_long(value, 63) + ([] if _LABEL.fullmatch(value) else [_LABEL_TEXT])


def dns_subdomain(value: str) -> list[str]:
    """Labels joined by dots, at most 253."""
    return _too_long(value, 253) + ([] if _SUBDOMAIN.fullmatch(value) else [_SUBDOMAIN_TEXT])


def config_key(value: str) -> list[str]:
    """A key of a ConfigMap or Secret."""
    problems = _too_long(value, 253) + ([] if _CONFIG_KEY.fullmatch(value) else [_CONFIG_KEY_TEXT])
    if value == ".":
        problems.append("must not be '.'")
    elif value.startswith(".."):
        problems.append("must not be '..'" if value == ".." else "must not start with '..'")
    return problems


def env_name(value: str) -> list[str]:
    """The name of an environment variable, by the rules of 1.34 and later."""
    return [] if _ENV_NAME.fullmatch(value) else [_ENV_NAME_TEXT]


def port_number(value: Json) -> list[str]:
    """1 to 65535."""
    fits = isinstance(value, int) and 1 <= value <= 65535
    return [] if fits else ["must be between 1 and 65535, inclusive"]


def port_name(value: str) -> list[str]:
    """An IANA service name: at most 15 characters with a letter among them."""
    problems = ["must be no more than 15 characters"] if len(value) > 15 else []
    if not _PORT_NAME.fullmatch(value):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        problems.append("must contain at least one letter (a-z)")
    if "--" in value:
        problems.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return problems


def port_reference(value: Json) -> list[str]:
    """A port by number or by name."""
    return port_name(value) if isinstance(value, str) else port_number(value)


def count_or_percent(value: Json) -> list[str]:
    """A number that isn't negative, or a percentage."""
    if isinstance(value, str):
        return [] if _PERCENT.fullmatch(value) else [_PERCENT_TEXT]
    return not_negative(value)


def not_negative(value: Json) -> list[str]:
    """Zero or more."""
    return ["must be greater than or equal to 0"] if isinstance(value, int) and value < 0 else []


_AMOUNT = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([KMGTPE])i|([numkMGTPE]?)|[eE]([+-]?[0-9]{1,3}))")
_BINARY = {"K": 10, "M": 20, "G": 30, "T": 40, "P": 50, "E": 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


def amount(quantity: Json) -> Decimal | None:
    """The number that a quantity stands for; None for what isn't one (and is refused elsewhere)."""
    found = _AMOUNT.fullmatch(str(quantity))
    if found is None:
        return None
    digits, binary, suffix, exponent = found.groups()
    if binary:
        return Decimal(digits) * (1 << _BINARY[binary])
    return Decimal(digits).scaleb(int(exponent) if exponent is not None else _DECIMAL[suffix or ""])
