"""From the log of a run to what the world is told: ``settle``, a pure function."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, NamedTuple, TypeAlias, TypeVar

from afflux.lang.duration import format_duration
from afflux.objects.manifest import Json, Manifest
from afflux.runtime.conditions import ConditionList, condition_of
from afflux.runtime.ends import Cause, Done, Failure, Truth, Waiting
from afflux.runtime.history import Snapshot, is_repeat, with_entry
from afflux.runtime.rules import Backoff, Rules

T = TypeVar("T")

Severity: TypeAlias = Literal["info", "error", "trace"]
Level: TypeAlias = Literal["debug", "info", "error"]


_PASSING = Backoff(initial=1.0, maximum=math.inf)
"""When a run that failed with the API server is tried again, if the kind's own policy doesn't say sooner."""


class Fact(NamedTuple):
    """What a condition says."""

    status: Truth
    reason: str
    message: str


class RecordedEvent(NamedTuple):
    """Something that happened. ``metadata`` keys are without the kind's annotation prefix."""

    severity: Severity
    reason: str
    message: str
    metadata: Mapping[str, str]


class LogLine(NamedTuple):
    """A line of the controller's log."""

    level: Level
    message: str
    fields: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLog(Generic[T]):
    """What a run found and did. ``end`` is None while it is under way; ``failures`` counts those in a row before it.

    ``about`` is what the run is about (``revision`` ...): in the metadata of its events and in its last log line.
    """

    object: T
    generation: int
    started: datetime
    end: Done | Waiting | Failure | None = None
    requested_at: str | None = None
    causes: frozenset[Cause] = frozenset()
    facts: Mapping[str, Fact | None] = field(default_factory=dict)
    fields: Mapping[str, Json] = field(default_factory=dict)
    events: tuple[RecordedEvent, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    snapshot: Snapshot | None = None
    progress: str | None = None
    failures: int = 0


class Requeue(NamedTuple):
    """When to run again, in seconds, and why. Only ``INTERVAL`` is jittered."""

    after: float
    cause: Cause


class Settlement(NamedTuple):
    """What follows from a run: the whole new status, what to tell, and when to come back (None: not by itself)."""

    status: Manifest
    events: tuple[RecordedEvent, ...] = ()
    requeue: Requeue | None = None
    log_lines: tuple[LogLine, ...] = ()


def settle(previous: Manifest, log: RunLog[T], rules: Rules[T], now: datetime) -> Settlement:
    """The status, events, log lines and requeue that follow from a run, finished or under way.

    ``previous`` is the status as last written; the new one differs from it only where something changed, so that equal
    means that there is nothing to write.
    """
    conditions = ConditionList.of(previous, log.generation, now)
    for condition_type, fact in log.facts.items():
        if fact is None:
            conditions.clear(condition_type)
        else:
            conditions.set(condition_type, *fact)
    _conclude(conditions, log, rules, _progress(previous, log, rules))
    status = _with_fields(previous, log.fields)
    status["conditions"] = conditions.sorted()
    if log.end is None:
        return Settlement(status)
    if isinstance(log.end, Done) or (isinstance(log.end, Failure) and log.end.stalled):
        status["observedGeneration"] = log.generation
    if log.requested_at:
        status["lastHandledReconcileAt"] = log.requested_at
    brought_news = news(previous, log)
    _record_history(status, log, rules, now, brought_news=brought_news)
    requeue = requeue_after(log, rules)
    return Settlement(
        status, _events(log, rules, now, brought_news=brought_news), requeue, _log_lines(log, rules, now, requeue)
    )


def rested(previous: Manifest, generation: int, requested_at: str | None) -> Manifest:
    """The status of a suspended object: all stays, but a request is handled, and a spec that is only suspended is
    observed where the object was ready, so that nobody waits for it."""
    status = dict(previous)
    if requested_at:
        status["lastHandledReconcileAt"] = requested_at
    if (condition_of(previous, "Ready") or {}).get("status") == "True":
        status["observedGeneration"] = generation
        status["conditions"] = [c for c in previous["conditions"] if c.get("type") != "Reconciling"]
    return status


def farewell(previous: Manifest, log: RunLog[T], rules: Rules[T], now: datetime) -> Settlement:
    """What is told when an object is let go. That all is well is told of what was well only, as Flux does."""
    settlement = settle(previous, log, rules, now)
    if (condition_of(previous, "Ready") or {}).get("status") == "True":
        return settlement
    events = tuple(event for event in settlement.events if "commit_status" not in event.metadata)
    return settlement._replace(events=events, log_lines=())


def _progress(previous: Manifest, log: RunLog[T], rules: Rules[T]) -> str:
    """What Reconciling says: the run's own words, those of the run that it takes up, or the kind's."""
    said = condition_of(previous, "Reconciling")
    if not rules.announced and log.progress is None and said is not None and said.get("message"):
        return str(said["message"])
    observed = previous.get("observedGeneration", -1)
    if log.progress or observed == log.generation or not rules.wording.new_generation:
        return log.progress or rules.wording.progress
    return rules.wording.new_generation.replace("{old}", str(observed)).replace("{new}", str(log.generation))


def _conclude(conditions: ConditionList, log: RunLog[T], rules: Rules[T], progress: str) -> None:
    """Ready, Reconciling and Stalled, as the end of the run says."""
    match log.end:
        case None:
            _under_way(conditions, log, rules, progress)
        case Done() as done:
            _succeeded(conditions, done, rules)
        case Waiting() as waiting if waiting.ready == "Unknown":
            conditions.clear("Stalled")
            conditions.set("Reconciling", "True", "Progressing", waiting.progress or waiting.message)
            conditions.set("Ready", "Unknown", waiting.reason, waiting.message)
        case Waiting() as waiting:
            conditions.clear("Stalled")
            if conditions.status_of("Reconciling"):
                conditions.set("Reconciling", "True", "ProgressingWithRetry", waiting.progress or progress)
            conditions.set("Ready", "False", waiting.reason, waiting.message)
        case Failure(stalled=True) as failure:
            conditions.clear("Reconciling")
            conditions.set("Stalled", "True", failure.reason, failure.message)
            conditions.set("Ready", "False", failure.reason, failure.message)
        case Failure() as failure:
            conditions.clear("Stalled")
            conditions.set("Reconciling", "True", "ProgressingWithRetry", progress)
            conditions.set("Ready", "False", failure.reason, failure.message)


def _under_way(conditions: ConditionList, log: RunLog[T], rules: Rules[T], progress: str) -> None:
    if log.causes == {Cause.RETRY} and conditions.is_retrying:
        return  # the failure stays in sight until there is something else to say
    conditions.clear("Stalled")
    conditions.set("Reconciling", "True", "Progressing", progress)
    drifted = Cause.GENERATION in log.causes or log.progress is not None
    if rules.ready_progress is not None:
        conditions.set("Ready", "Unknown", "Progressing", rules.ready_progress)
    elif drifted or conditions.status_of("Ready") is None:
        conditions.set("Ready", "Unknown", "Progressing", progress)


def _succeeded(conditions: ConditionList, done: Done, rules: Rules[T]) -> None:
    conditions.clear("Reconciling")
    conditions.clear("Stalled")
    for abnormal in rules.abnormal:
        if not conditions.touched(abnormal):
            conditions.clear(abnormal)
    wrong = [t for t in rules.abnormal if conditions.status_of(t) == "True"]
    wrong += [t for t in rules.normal if conditions.status_of(t) == "False"]
    if wrong:
        entry = conditions.entries[wrong[0]]
        conditions.set("Ready", "False", entry["reason"], entry["message"])
    else:
        conditions.set("Ready", "True", done.reason or rules.success_reason, done.message)


def _with_fields(previous: Manifest, fields: Mapping[str, Json]) -> Manifest:
    status = {name: value for name, value in previous.items() if name not in fields}
    status.update({name: value for name, value in fields.items() if value is not None})
    return status


def news(previous: Manifest, log: RunLog[T]) -> bool:
    """Whether a run is about something new: a spec, a request, a recovery, or any field of status that it moved."""
    ready = condition_of(previous, "Ready")
    return (
        log.generation != previous.get("observedGeneration")
        or (log.requested_at is not None and log.requested_at != previous.get("lastHandledReconcileAt"))
        or ready is None
        or ready.get("status") != "True"
        or any(previous.get(name) != value for name, value in log.fields.items())
    )


def requeue_after(log: RunLog[T], rules: Rules[T]) -> Requeue | None:
    """When the object is to be looked at again by itself; None after a stall and while the run is under way."""
    match log.end:
        case Done(next_in=next_in):
            return Requeue(next_in if next_in is not None else rules.interval_of(log.object), Cause.INTERVAL)
        case Waiting(check_in=check_in):
            return Requeue(check_in, Cause.RETRY)
        case Failure(stalled=False, retry_in=None, passing=passing):
            soon = _PASSING.after(log.failures + 1) if passing else math.inf
            return Requeue(min(soon, _retry_delay(log, rules)), Cause.RETRY)
        case Failure(stalled=False, retry_in=retry_in) if retry_in is not None:
            return Requeue(retry_in, Cause.RETRY)
        case _:
            return None


def _retry_delay(log: RunLog[T], rules: Rules[T]) -> float:
    if isinstance(rules.retry, Backoff):
        return rules.retry.after(log.failures + 1)
    return rules.retry.seconds_of(log.object)


def _record_history(status: Manifest, log: RunLog[T], rules: Rules[T], now: datetime, *, brought_news: bool) -> None:
    """One more entry of history, where this kind keeps one and the run came far enough to have built something."""
    outcome = _reason(log.end, rules)
    if log.snapshot is None or outcome not in rules.history_statuses:
        return
    entries = [entry for entry in status.get("history") or () if isinstance(entry, dict)]
    if brought_news or not is_repeat(entries, log.snapshot, outcome):
        status["history"] = with_entry(entries, log.snapshot, outcome, log.started, now)


def _reason(end: Done | Waiting | Failure | None, rules: Rules[T]) -> str:
    match end:
        case None:
            return ""
        case Done(reason=reason):
            return reason or rules.success_reason
        case Waiting(reason=reason) | Failure(reason=reason):
            return reason


def _about(log: RunLog[T]) -> dict[str, str]:
    about = dict(log.about)
    if isinstance(log.end, Done) and log.end.revision:
        about["revision"] = log.end.revision
    return about


def _events(log: RunLog[T], rules: Rules[T], now: datetime, *, brought_news: bool) -> tuple[RecordedEvent, ...]:
    about = _about(log)
    events = [
        event if event.severity == "trace" else event._replace(metadata={**about, **event.metadata})
        for event in log.events
    ]
    reason = _reason(log.end, rules)
    if isinstance(log.end, Failure) and rules.failure_events:
        events.append(RecordedEvent("error", reason, log.end.message, about))
    if isinstance(log.end, Done) and rules.success_event and brought_news:
        message = _said(rules.wording.finished, log, now, requeue_after(log, rules))
        events.append(RecordedEvent("info", reason, message, {**about, "commit_status": "update"}))
    return tuple(events)


def _log_lines(log: RunLog[T], rules: Rules[T], now: datetime, requeue: Requeue | None) -> tuple[LogLine, ...]:
    fields: dict[str, Json] = {k: v for k, v in _about(log).items() if k == "revision"}
    match log.end:
        case Done() if rules.wording.finished:
            return (LogLine("info", _said(rules.wording.finished, log, now, requeue), fields),)
        case Failure(stalled=True, message=message):
            return (LogLine("error", rules.wording.stalled, {**fields, "error": message}),)
        case Failure(message=message):
            return (LogLine("error", _said(rules.wording.failed, log, now, requeue), {**fields, "error": message}),)
        case _:
            return ()


def _said(template: str, log: RunLog[T], now: datetime, requeue: Requeue | None) -> str:
    """Fill in a wording. The next run is told as the interval says it, without the jitter."""
    duration = format_duration((now - log.started).total_seconds())
    return template.replace("{duration}", duration).replace(
        "{next}", format_duration(requeue.after if requeue else 0.0)
    )
