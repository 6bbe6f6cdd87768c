"""How a recorded answer and ours differ, once what no two servers share is masked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_IP = re.compile(r"\b10\.\d+\.\d+\.\d+\b")
_AGE = re.compile(r"(\d+[smhdy])+")
_HASH = re.compile(r"-[0-9a-z]{8,10}\b(-[0-9a-z]{5}\b)?")
_TEMPLATE = re.compile(r"(?<=pod-template-hash=)\w+")
_CURRENT = re.compile(r"(?<=, current: )\d+")
_SUFFIXED = re.compile(r"\b(kube-api-access|g|j1)-[0-9a-z]{5}\b")
_OWN_KEYS = {
    *("resourceVersion", "pod-template-hash", "ca.crt", "description", "token"),
    *("gitVersion", "gitCommit", "gitTreeState", "goVersion", "buildDate"),
}
"""What is each server's own: the build, certificates, tokens; and the words that describe a table's columns."""

_LISTED = {"items", "rows"}
_SUFFIX = "-<hash>"
_EVENT_NAME = re.compile(r"\.[0-9a-f]{15,16}$")


@dataclass(frozen=True)
class Difference:
    """One place where the two answers aren't equal. ``path`` is dotted, with list positions in brackets."""

    path: str
    recorded: Any
    ours: Any

    def __str__(self) -> str:
        return f"{self.path}: recorded {_short(self.recorded)}, ours {_short(self.ours)}"


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 600 else text[:600] + "…"


ABSENT = "<absent>"


def differences(recorded: Any, ours: Any, path: str = "") -> Iterator[Difference]:
    """What differs between two masked values."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        for name in sorted(recorded.keys() | ours.keys()):
            inner = f"{path}.{name}" if path else name
            yield from differences(recorded.get(name, ABSENT), ours.get(name, ABSENT), inner)
    elif isinstance(recorded, list) and isinstance(ours, list) and len(recorded) == len(ours):
        for index, (left, right) in enumerate(zip(recorded, ours, strict=True)):
            yield from differences(left, right, f"{path}[{index}]")
    elif recorded != ours:
        yield Difference(path, recorded, ours)


def masked(value: Any, name: str = "") -> Any:
    """Without uids, times, versions, addresses, and the made-up part of names."""
    if isinstance(value, dict):
        return {_text(key): masked(child, key) for key, child in value.items()}
    if isinstance(value, list):
        children = [masked(child, name) for child in value if not _foreign(child)]
        if name == "managedFields":
            return sorted(children, key=_entry_order)
        return sorted(children, key=_made_up_order) if name in _LISTED and _SUFFIX in json.dumps(children) else children
    if name in _OWN_KEYS and isinstance(value, str):
        return f"<{name}>"
    return _text(value) if isinstance(value, str) else value


def _foreign(item: Any) -> bool:
    """Whether this is of the recorded server's distribution: a second certificate in every namespace and Pod."""
    if not isinstance(item, dict):
        return False
    of = item.get("object", item)
    names = [of.get(key, {}).get("name") for key in ("metadata", "configMap") if isinstance(of.get(key), dict)]
    return "openshift-service-ca.crt" in names


def _entry_order(entry: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(entry.get(key, "")) for key in ("operation", "subresource", "manager", "apiVersion"))


def _made_up_order(item: Any) -> str:
    """Lists of names that differ by what was made up come in another order on each server."""
    of = item.get("object", item) if isinstance(item, dict) else item
    known = [_metadata(of).get(key) for key in ("name", "annotations", "labels", "managedFields")]
    return json.dumps([*known, item], sort_keys=True)


def _metadata(value: Any) -> dict[str, Any]:
    found = value.get("metadata") if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _text(text: str) -> str:
    if text.startswith("{") and '"kind"' in text:
        return text
    text = _UID.sub("<uid>", text)
    text = _TIME.sub("<time>", text)
    text = _EVENT_NAME.sub(".<hash>", text)
    text = _SUFFIXED.sub(r"\1-<suffix>", text)
    text = _TEMPLATE.sub("<hash>", text)
    text = _CURRENT.sub("<version>", text)
    text = _HASH.sub(_hash, text)
    return "<age>" if _AGE.fullmatch(text) else _IP.sub("<address>", text)


def _hash(found: re.Match[str]) -> str:
    digits = any(each.isdigit() for each in found[0])
    return "-<hash>" if digits else found[0]
