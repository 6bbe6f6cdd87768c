"""JSON patches with the leniency of the library that kustomize uses.

There, a field of an object that isn't there reads as null: it can be replaced, and tested to be null.
"""

from afflux.objects.json_patch import JsonPatchError, apply_json_patch, parse_pointer
from afflux.objects.manifest import Json


def apply_operations(document: Json, operations: list[Json]) -> Json:
    """``document`` after the operations; inputs aren't changed. Raises ``JsonPatchError``."""
    for index, operation in enumerate(operations):
        try:
            document = apply_json_patch(document, [_lenient(document, operation)])
        except JsonPatchError as error:
            raise type(error)(index, error.path, error.problem) from None
    return document


def _lenient(document: Json, operation: Json) -> Json:
    kind = operation.get("op")
    if kind not in ("replace", "test") or not _is_absent_field(document, operation.get("path")):
        return operation
    if kind == "replace":
        return {**operation, "op": "add", "value": operation.get("value")}
    if operation.get("value") is None:
        return {"op": "test", "path": "", "value": document}
    return operation


def _is_absent_field(document: Json, path: Json) -> bool:
    """Whether the path's end would be a field of an object that is there."""
    try:
        tokens = parse_pointer(path) if isinstance(path, str) else []
    except ValueError:
        return False
    if not tokens:
        return False
    value = document
    for token in tokens[:-1]:
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list) and token.lstrip("-").isdigit() and -len(value) <= int(token) < len(value):
            value = value[int(token)]
        else:
            return False
    return isinstance(value, dict) and tokens[-1] not in value
