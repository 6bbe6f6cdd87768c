"""The list ``status.conditions``, edited as a mapping by type."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from afflux.objects.manifest import Json, Manifest
from afflux.runtime.ends import Truth

MESSAGE_LIMIT = 20_000
"""Characters that a condition's message may have in Flux; the API allows 32768 bytes."""

_FIRST = {"Reconciling": 0, "Stalled": 1, "Ready": 2}


def timestamp(moment: datetime) -> str:
    """A moment as ``metav1.Time`` writes it: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition_of(status: Manifest, condition_type: str) -> dict[str, Json] | None:
    """One condition of a status, or None where it has none of that type."""
    for condition in status.get("conditions") or ():
        if isinstance(condition, dict) and condition.get("type") == condition_type:
            return condition
    return None


@dataclass(slots=True)
class ConditionList:
    """Conditions being edited. A transition time moves only when the status of the condition does."""

    entries: dict[str, dict[str, Json]]
    generation: int
    now: str
    _touched: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, status: Manifest, generation: int, now: datetime) -> "ConditionList":
        """The conditions of a status; what is malformed in it is dropped."""
        known = [c for c in status.get("conditions") or () if isinstance(c, dict) and isinstance(c.get("type"), str)]
        return cls({c["type"]: c for c in known}, generation, timestamp(now))

    def set(self, condition_type: str, status: Truth, reason: str, message: str) -> None:
        """A condition that is so now."""
        previous = self.entries.get(condition_type)
        since = self.now
        if previous is not None and previous.get("status") == status:
            since = previous.get("lastTransitionTime", self.now)
        self.entries[condition_type] = {
            "lastTransitionTime": since,
            "message": message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 3] + "...",
            "observedGeneration": self.generation,
            "reason": reason or "Unknown",
            "status": status,
            "type": condition_type,
        }
        self._touched.add(condition_type)

    def clear(self, condition_type: str) -> None:
        """No condition of that type."""
        self.entries.pop(condition_type, None)

    def status_of(self, condition_type: str) -> str | None:
        """A condition's status, or None where there is none."""
        entry = self.entries.get(condition_type)
        return None if entry is None else entry.get("status")

    @property
    def is_retrying(self) -> bool:
        """Whether the last run failed and is to be tried again."""
        reconciling = self.entries.get("Reconciling")
        return reconciling is not None and reconciling.get("reason") == "ProgressingWithRetry"

    def touched(self, condition_type: str) -> bool:
        """Whether the condition was set since this list was read."""
        return condition_type in self._touched

    def sorted(self) -> list[dict[str, Json]]:
        """Reconciling, Stalled, Ready, then the others by name, as Flux orders them."""
        return sorted(self.entries.values(), key=lambda entry: (_FIRST.get(entry["type"], 3), entry["type"]))


def merge_foreign(settled: list[Json], latest: list[Json], owned: frozenset[str]) -> list[Json]:
    """Our conditions as settled, everyone else's as they are on the server now."""
    ours = [condition for condition in settled if condition.get("type") in owned]
    foreign = [condition for condition in latest if isinstance(condition, dict) and condition.get("type") not in owned]
    return sorted([*ours, *foreign], key=lambda entry: (_FIRST.get(entry.get("type"), 3), str(entry.get("type"))))
