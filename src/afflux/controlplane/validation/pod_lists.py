"""The lists of a Pod's spec whose items have keys: claims, gates, spreading, aliases, and devices of a container."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from afflux.controlplane.field_errors import invalid_value, not_found, not_supported, required
from afflux.controlplane.validation.checks import Errors, Node, nodes
from afflux.objects.manifest import Json

_WHEN_UNSATISFIABLE: Final = ("DoNotSchedule", "ScheduleAnyway")
_NAME_PART: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_NAME_PART_WORDS: Final = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


def pod_lists(spec: Node, path: str) -> Errors:
    """What is wrong with the keys of such items, which Go reads as empty where they are left out."""
    for index, claim in enumerate(nodes(spec.get("resourceClaims"))):
        if not claim.get("name"):
            yield required(f"{path}.resourceClaims[{index}].name")
    for index, gate in enumerate(nodes(spec.get("schedulingGates"))):
        yield from _gate(str(gate.get("name") or ""), f"{path}.schedulingGates[{index}]")
    for index, constraint in enumerate(nodes(spec.get("topologySpreadConstraints"))):
        yield from _spread(constraint, f"{path}.topologySpreadConstraints[{index}]")
    for index, alias in enumerate(nodes(spec.get("hostAliases"))):
        if not _is_address(address := str(alias.get("ip") or "")):
            words = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            yield invalid_value(f"{path}.hostAliases[{index}].ip", address, words)


def devices(container: Node, path: str, volumes: set[Json]) -> Errors:
    """The block devices of a container."""
    for index, device in enumerate(nodes(container.get("volumeDevices"))):
        where, name = f"{path}.volumeDevices[{index}]", device.get("name")
        if not name:
            yield required(f"{where}.name")
        elif name not in volumes:
            yield not_found(f"{where}.name", name)
        if not device.get("devicePath"):
            yield required(f"{where}.devicePath")


def _gate(name: str, path: str) -> Errors:
    part = name.rpartition("/")[2]
    if not part:
        yield invalid_value(path, name, "name part must be non-empty")
    if _NAME_PART.fullmatch(part) is None:
        yield invalid_value(path, name, _NAME_PART_WORDS)


def _spread(constraint: Node, path: str) -> Errors:
    skew, unsatisfiable = constraint.get("maxSkew") or 0, constraint.get("whenUnsatisfiable") or ""
    if isinstance(skew, int) and skew <= 0:
        yield invalid_value(f"{path}.maxSkew", skew, "must be greater than zero")
    if not constraint.get("topologyKey"):
        yield required(f"{path}.topologyKey", "can not be empty")
    if unsatisfiable not in _WHEN_UNSATISFIABLE:
        yield not_supported(f"{path}.whenUnsatisfiable", unsatisfiable, _WHEN_UNSATISFIABLE)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
