"""``status.history``: the last five different outcomes, the newest first."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from afflux.lang.duration import format_duration
from afflux.objects.manifest import Json
from afflux.runtime.conditions import timestamp

LIMIT = 5


class Snapshot(NamedTuple):
    """What a run brings about: the digest of what was built, and what it was built from."""

    digest: str
    metadata: Mapping[str, str]


def is_repeat(entries: list[Json], snapshot: Snapshot, status: str) -> bool:
    """Whether the newest entry already says this."""
    return bool(entries) and entries[0].get("digest") == snapshot.digest and _status(entries[0]) == status


def with_entry(entries: list[Json], snapshot: Snapshot, status: str, started: datetime, now: datetime) -> list[Json]:
    """The history after one more run: an entry with the same digest and status is counted up and comes first."""
    known = next((e for e in entries if e.get("digest") == snapshot.digest and _status(e) == status), None)
    others = [entry for entry in entries if entry is not known]
    entry = {
        "digest": snapshot.digest,
        "firstReconciled": timestamp(now) if known is None else known.get("firstReconciled"),
        "lastReconciled": timestamp(now),
        "lastReconciledDuration": format_duration((now - started).total_seconds()),
        "lastReconciledStatus": status,
        "totalReconciliations": 1 if known is None else int(known.get("totalReconciliations") or 0) + 1,
        "metadata": dict(snapshot.metadata),
    }
    return [entry, *others][:LIMIT]


def _status(entry: Json) -> Json:
    return entry.get("lastReconciledStatus")
