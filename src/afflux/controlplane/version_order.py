"""Which version of a group is better, as Kubernetes orders them."""

from __future__ import annotations

import re
from typing import Final

_VERSION: Final = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")


def version_order(version: str) -> tuple[int, int, int, str]:
    """Sorts versions best first: ``v2``, ``v1``, ``v1beta2``, ``v1alpha1``, then anything else by name."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return (9, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return (stage, -int(match[1]), -int(match[3] or 0), "")
