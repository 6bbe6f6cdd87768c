"""What differs between kinds when a run is settled: one ``Rules`` a kind, a literal table beside its controller."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

FINALIZER = "finalizers.fluxcd.io"


@dataclass(frozen=True, slots=True)
class FixedRetry(Generic[T]):
    """A failed run is tried again after a time that the object itself gives, in seconds."""

    seconds_of: Callable[[T], float]


@dataclass(frozen=True, slots=True)
class Backoff:
    """A failed run is tried again after a time that doubles with each failure in a row, in seconds."""

    initial: float = 0.75
    maximum: float = 900.0

    def after(self, failures: int) -> float:
        """The delay after the n-th failure in a row (from 1)."""
        return min(self.maximum, self.initial * 2.0 ** min(max(failures - 1, 0), 64))


@dataclass(frozen=True, slots=True)
class Wording:
    """What a controller says; ``{duration}`` and ``{next}`` are filled in. An empty text says nothing."""

    progress: str = "reconciliation in progress"
    new_generation: str = ""
    """Instead of ``progress`` for a spec that is not observed yet; ``{old}`` and ``{new}`` are filled in."""
    suspended: str = "Reconciliation is suspended for this object"
    finished: str = "Reconciliation finished in {duration}, next run in {next}"
    failed: str = "Reconciliation failed after {duration}, next try in {next}"
    stalled: str = "Reconciliation failed terminally due to configuration error"


SOURCE_WORDING = Wording(
    new_generation="processing object: new generation {old} -> {new}",
    suspended="reconciliation is suspended for this object",
    finished="",
    failed="Reconciler error",
    stalled="reconciliation stalled",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules(Generic[T]):
    """How a kind's runs are settled.

    ``abnormal`` and ``normal`` are the condition types that the kind owns beside Ready, Reconciling and Stalled: the
    first are True when something is wrong and absent otherwise, the second are True when all is well. Their order is
    the order in which Ready takes its reason and message from them.
    """

    controller: str
    annotation_prefix: str
    interval_of: Callable[[T], float]
    retry: FixedRetry[T] | Backoff = field(default_factory=Backoff)
    abnormal: tuple[str, ...] = ()
    normal: tuple[str, ...] = ()
    success_reason: str = "ReconciliationSucceeded"
    failure_reason: str = "ReconciliationFailed"
    wording: Wording = field(default_factory=Wording)
    ready_progress: str | None = None
    """Ready's message while a run is under way; None: the same as Reconciling's, and only where something drifted."""
    success_event: bool = False
    """Whether a successful run that brought something new is reported as an event (with ``wording.finished``)."""
    failure_events: bool = True
    history_statuses: frozenset[str] = frozenset()
    """The reasons that ``status.history`` records; empty: the kind has no history."""
    finalizer: str | None = FINALIZER
    field_manager: str = ""
    """Who writes status and finalizers; empty: the controller."""
    announced: bool = True
    """Whether the start of a run for a new spec or request is written before anything is known of it."""

    @property
    def owned(self) -> frozenset[str]:
        """Every condition type that this controller writes; others in the list belong to somebody else."""
        return frozenset(("Ready", "Reconciling", "Stalled", *self.abnormal, *self.normal))
