"""The error about a value that is a scalar, a mapping or a list where another of the three is wanted."""

import json

from afflux.kustomize.errors import TransformationFailed
from afflux.kustomize.scalars import Quoted, is_null, unmarked
from afflux.lang.yaml import dump
from afflux.objects.manifest import Json

CONTENTS = ": node contents:\n"
MAX_SHOWN = 2000


def wrong_kind(expected: str, value: Json) -> TransformationFailed:
    """The error, with the beginning of the value as kustomize shows it."""
    got = "MappingNode" if isinstance(value, dict) else "SequenceNode" if isinstance(value, list) else "ScalarNode"
    shown = "\n".join(_lines(value))
    cut = f"{shown[:MAX_SHOWN]}..." if len(shown) > MAX_SHOWN else shown
    return TransformationFailed(f"wrong node kind: expected {expected} but got {got}{CONTENTS}{cut}\n")


def without_contents(error: TransformationFailed) -> TransformationFailed:
    """The same error without the value, for objects whose values are nobody's business."""
    return TransformationFailed(error.message.partition(CONTENTS)[0], error.place)


def _lines(value: Json) -> list[str]:
    """A value as YAML, in its own order and with its own quotes."""
    if isinstance(value, dict) and value:
        return [line for key, item in value.items() for line in _entry(f"{key}:", item, isinstance(item, list))]
    if isinstance(value, list) and value:
        return [line for item in value for line in _item(_lines(item))]
    if type(value) is Quoted:
        return [json.dumps(value, ensure_ascii=False)]
    return ["null" if is_null(value) else dump(unmarked(value)).strip()]


def _entry(start: str, value: Json, is_flush: bool) -> list[str]:
    if not isinstance(value, dict | list) or not value:
        return [f"{start} {_lines(value)[0]}"]
    indent = "" if is_flush else "  "
    return [start, *(indent + line for line in _lines(value))]


def _item(lines: list[str]) -> list[str]:
    return [f"- {lines[0]}", *(f"  {line}" for line in lines[1:])]
