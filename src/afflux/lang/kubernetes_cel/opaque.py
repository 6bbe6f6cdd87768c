"""Values that CEL doesn't know: a map with one entry, whose key says what it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from afflux.objects.manifest import Json

Opaque: TypeAlias = dict[str, Json]
Method: TypeAlias = Callable[..., Json]
_MARK = "$"


def plain(value: Json) -> Json:
    """A value that the evaluator hands over, as Python has it."""
    if hasattr(value, "plain_value"):
        return value.plain_value()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def opaque(kind: str, content: Json) -> Opaque:
    """A value of a kind such as ``quantity``."""
    return {f"{_MARK}{kind}": content}


def content_of(value: Json, kind: str) -> Json:
    """What a value of a kind holds. ``ValueError`` for anything else."""
    given = plain(value)
    key = f"{_MARK}{kind}"
    if not isinstance(given, dict) or key not in given:
        raise ValueError(f"expected a value of type {kind}")
    return given[key]


def kind_of(value: Json) -> str:
    """``quantity``, ``url`` ... or empty for a map that is none of ours."""
    name = next(iter(value), "") if isinstance(value, Mapping) and len(value) == 1 else ""
    return name.removeprefix(_MARK) if isinstance(name, str) and name.startswith(_MARK) else ""


def is_valid(parse: Callable[[str], Json]) -> Callable[[str], bool]:
    """The question whether a text can be parsed."""

    def asked(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return asked
