"""How names, labels and qualified keys must look, in Kubernetes' words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED: Final = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

_is_label = re.compile(_LABEL).fullmatch
_is_subdomain = re.compile(_SUBDOMAIN).fullmatch
_is_qualified = re.compile(_QUALIFIED).fullmatch

_SUBDOMAIN_WORDS: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_LABEL_WORDS: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_QUALIFIED_WORDS: Final = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    f"character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')"
)
_VALUE_WORDS: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)

NameProblem = Callable[[str], str]
"""What is wrong with a name; empty when nothing is."""


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} characters"


def subdomain_problem(name: str) -> str:
    if len(name) > 253:
        return _too_long(253)
    return "" if _is_subdomain(name) else _SUBDOMAIN_WORDS


def label_problem(name: str) -> str:
    if len(name) > 63:
        return _too_long(63)
    return "" if _is_label(name) else _LABEL_WORDS


def path_segment_problem(name: str) -> str:
    """Names of RBAC objects: whatever fits into a path."""
    if name in (".", ".."):
        return f"may not be '{name}'"
    for character in "/%":
        if character in name:
            return f"may not contain '{character}'"
    return ""


def qualified_problem(key: str) -> str:
    """Keys of labels and annotations: ``name`` or ``prefix/name``."""
    prefix, slash, name = key.rpartition("/")
    if slash and not prefix:
        return "prefix part must be non-empty"
    if prefix and (problem := subdomain_problem(prefix)):
        return f"prefix part {problem}"
    if not name:
        return "name part must be non-empty"
    if len(name) > 63:
        return f"name part {_too_long(63)}"
    return "" if _is_qualified(name) else _QUALIFIED_WORDS


def label_value_problem(value: str) -> str:
    if not value:
        return ""
    if len(value) > 63:
        return _too_long(63)
    return "" if _is_qualified(value) else _VALUE_WORDS
