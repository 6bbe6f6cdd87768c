"""What the scale subresource of a custom resource needs of its object: replicas that are numbers of replicas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from afflux.controlplane.errors import FieldError
from afflux.controlplane.field_errors import invalid_value
from afflux.controlplane.served_kind import CustomVersion
from afflux.objects.manifest import Json, Manifest

_MOST_REPLICAS: Final = 2**31 - 1


def scale_errors(custom: CustomVersion, new: Manifest) -> Iterator[FieldError]:
    """Wrong replicas in ``spec`` and ``status``, at the paths that the definition names."""
    for path in (custom.spec_replicas_path, custom.status_replicas_path):
        if path:
            yield from _replicas_errors(path, new)


def _replicas_errors(path: str, new: Manifest) -> Iterator[FieldError]:
    value: Json = new
    for name in path.removeprefix(".").split("."):
        if value is None or (isinstance(value, dict) and name not in value):
            return
        if not isinstance(value, dict):
            return  # the schema has said so
        value = value[name]
    if isinstance(value, float):
        yield invalid_value(path, 0, f"{path} accessor error: {value} is of the type float64, expected int64")
    elif isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            yield invalid_value(path, value, "should be a non-negative integer")
        elif value > _MOST_REPLICAS:
            yield invalid_value(path, value, f"should be less than or equal to {_MOST_REPLICAS}")
