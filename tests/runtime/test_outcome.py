from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from afflux.kube.errors import ApiError, Invalid, TooManyRequests, Unreachable
from afflux.runtime.ends import Cause, Done, Failure, NotReady, Waiting, failure_of
from afflux.runtime.history import Snapshot
from afflux.runtime.outcome import Fact, RecordedEvent, Requeue, RunLog, Settlement, farewell, rested, settle
from afflux.runtime.rules import SOURCE_WORDING, Backoff, FixedRetry, Rules

STARTED = datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC)
NOW = STARTED + timedelta(seconds=1.5)
BEFORE = "2026-01-01T00:00:00Z"
TODAY = "2026-01-02T15:04:06Z"


@dataclass(frozen=True)
class Spec:
    interval: float = 600.0
    retry: float = 120.0


APPLIER: Rules[Spec] = Rules(
    controller="kustomize-controller",
    annotation_prefix="kustomize.toolkit.fluxcd.io",
    interval_of=lambda spec: spec.interval,
    retry=FixedRetry(lambda spec: spec.retry),
    normal=("Healthy",),
    ready_progress="Reconciliation in progress",
    success_event=True,
    history_statuses=frozenset(("ReconciliationSucceeded", "HealthCheckFailed")),
)
SOURCE: Rules[Spec] = Rules(
    controller="source-controller",
    annotation_prefix="source.toolkit.fluxcd.io",
    interval_of=lambda spec: spec.interval,
    retry=Backoff(initial=0.75, maximum=900.0),
    abnormal=("StorageOperationFailed", "FetchFailed", "ArtifactOutdated"),
    normal=("ArtifactInStorage", "SourceVerified"),
    success_reason="Succeeded",
    wording=SOURCE_WORDING,
)
RUN: RunLog[Spec] = RunLog(object=Spec(), generation=2, started=STARTED)
DONE = Done("Applied revision: main@sha1:1", revision="main@sha1:1")


def condition(
    type: str, status: str, reason: str, message: str, generation: int = 2, since: str = TODAY
) -> dict[str, Any]:
    return {
        "lastTransitionTime": since,
        "message": message,
        "observedGeneration": generation,
        "reason": reason,
        "status": status,
        "type": type,
    }


def settled(previous: dict[str, Any], run: RunLog[Spec], rules: Rules[Spec] = APPLIER) -> Settlement:
    return settle(previous, run, rules, NOW)


def conditions(settlement: Settlement) -> list[tuple[str, str, str, str]]:
    return [(c["type"], c["status"], c["reason"], c["message"]) for c in settlement.status["conditions"]]


PROGRESSING = ("Reconciling", "True", "Progressing", "reconciliation in progress")
RETRYING = ("Reconciling", "True", "ProgressingWithRetry", "reconciliation in progress")
READY = ("Ready", "True", "ReconciliationSucceeded", "Applied revision: main@sha1:1")
UNREADY = ("Ready", "Unknown", "Progressing", "Reconciliation in progress")

ENDS: list[tuple[str, Any, list[tuple[str, str, str, str]], Requeue | None]] = [
    ("under way", None, [PROGRESSING, UNREADY], None),
    ("done", DONE, [READY], Requeue(600.0, Cause.INTERVAL)),
    ("done for a while", replace(DONE, next_in=5.0), [READY], Requeue(5.0, Cause.INTERVAL)),
    (
        "failed",
        Failure("BuildFailed", "no"),
        [RETRYING, ("Ready", "False", "BuildFailed", "no")],
        Requeue(120.0, Cause.RETRY),
    ),
    (
        "failed, back soon",
        Failure("ArtifactFailed", "no", retry_in=30.0),
        [RETRYING, ("Ready", "False", "ArtifactFailed", "no")],
        Requeue(30.0, Cause.RETRY),
    ),
    (
        "stalled",
        Failure("AccessDenied", "no", stalled=True),
        [("Stalled", "True", "AccessDenied", "no"), ("Ready", "False", "AccessDenied", "no")],
        None,
    ),
    (
        "waiting for health",
        Waiting("health", "Progressing", "Reconciliation in progress", 5.0, "Unknown", "Running health checks"),
        [("Reconciling", "True", "Progressing", "Running health checks"), UNREADY],
        Requeue(5.0, Cause.RETRY),
    ),
    (
        "waiting for a dependency",
        Waiting("apps/infra", "DependencyNotReady", "dependency 'apps/infra' is not ready", 30.0),
        [("Ready", "False", "DependencyNotReady", "dependency 'apps/infra' is not ready")],
        Requeue(30.0, Cause.RETRY),
    ),
]


@pytest.mark.parametrize(("end", "expected", "requeue"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_each_end_has_its_conditions_and_its_requeue(end: Any, expected: Any, requeue: Requeue | None) -> None:
    settlement = settled({}, replace(RUN, end=end))
    assert conditions(settlement) == expected
    assert settlement.requeue == requeue


@pytest.mark.parametrize("end", [row[1] for row in ENDS], ids=[row[0] for row in ENDS])
def test_settling_the_same_twice_changes_nothing(end: Any) -> None:
    run = replace(RUN, end=end, requested_at="now", fields={"lastAppliedRevision": "main@sha1:1"})
    first = settled({}, run).status
    assert settle(first, run, APPLIER, NOW + timedelta(hours=1)).status == first


def test_a_wait_after_a_start_says_that_it_will_be_tried_again() -> None:
    started = settled({}, RUN).status
    waiting = replace(RUN, end=Waiting("x", "DependencyNotReady", "not yet", 30.0))
    assert conditions(settled(started, waiting)) == [RETRYING, ("Ready", "False", "DependencyNotReady", "not yet")]


def test_a_retry_leaves_the_failure_in_sight() -> None:
    failed = settled({}, replace(RUN, end=Failure("BuildFailed", "no"))).status
    retry = replace(RUN, causes=frozenset((Cause.RETRY,)), progress="Building manifests")
    assert settled(failed, retry).status == failed
    by_a_source = replace(retry, causes=frozenset((Cause.RETRY, Cause.SOURCE)))
    assert conditions(settled(failed, by_a_source))[1] == UNREADY


def test_the_generation_counts_as_observed_after_success_and_stall_only() -> None:
    previous = {"observedGeneration": 1}
    ends: list[Any] = [DONE, Failure("AccessDenied", "no", stalled=True), Failure("BuildFailed", "no"), None]
    assert [settled(previous, replace(RUN, end=end)).status["observedGeneration"] for end in ends] == [2, 2, 1, 1]


def test_a_request_is_handled_by_every_run_that_ends() -> None:
    run = replace(RUN, requested_at="2026")
    assert settled({}, replace(run, end=Failure("x", "no"))).status["lastHandledReconcileAt"] == "2026"
    assert "lastHandledReconcileAt" not in settled({}, run).status


def test_a_transition_time_moves_with_the_status_alone() -> None:
    previous = {
        "conditions": [condition("Ready", "True", "ReconciliationSucceeded", "Applied revision: old", 1, BEFORE)]
    }
    assert settled(previous, replace(RUN, end=DONE)).status["conditions"] == [
        condition("Ready", "True", "ReconciliationSucceeded", "Applied revision: main@sha1:1", since=BEFORE)
    ]
    failed = settled(previous, replace(RUN, end=Failure("BuildFailed", "no"))).status["conditions"]
    assert failed[1] == condition("Ready", "False", "BuildFailed", "no")


def test_conditions_of_others_stay() -> None:
    foreign = condition("Reviewed", "True", "ByAnn", "fine", 1, BEFORE)
    status = settled({"conditions": [foreign]}, replace(RUN, end=DONE)).status
    assert foreign in status["conditions"]


def test_fields_are_set_and_removed_and_others_stay() -> None:
    run = replace(RUN, end=DONE, fields={"lastAppliedRevision": "r", "inventory": None})
    status = settled({"inventory": {"entries": []}, "other": 1}, run).status
    assert (status["lastAppliedRevision"], status["other"], "inventory" in status) == ("r", 1, False)


def test_a_fetch_that_fails_is_a_condition_of_its_own_and_readys_reason() -> None:
    failed = replace(
        RUN, end=Failure("GitOperationFailed", "no"), facts={"FetchFailed": Fact("True", "GitOperationFailed", "no")}
    )
    assert conditions(settled({"observedGeneration": 2}, failed, SOURCE)) == [
        RETRYING,
        ("Ready", "False", "GitOperationFailed", "no"),
        ("FetchFailed", "True", "GitOperationFailed", "no"),
    ]


def test_success_clears_what_was_wrong_before() -> None:
    stored = {"ArtifactInStorage": Fact("True", "Succeeded", "stored artifact for revision 'r'")}
    previous = settled(
        {}, replace(RUN, end=Failure("x", "no"), facts={"FetchFailed": Fact("True", "x", "no")}), SOURCE
    ).status
    done = replace(RUN, end=Done("stored artifact for revision 'r'"), facts=stored)
    assert conditions(settled(previous, done, SOURCE)) == [
        ("Ready", "True", "Succeeded", "stored artifact for revision 'r'"),
        ("ArtifactInStorage", "True", "Succeeded", "stored artifact for revision 'r'"),
    ]


def test_an_unverified_source_is_not_ready_whatever_the_run_says() -> None:
    run = replace(RUN, end=Done("stored"), facts={"SourceVerified": Fact("False", "VerificationError", "no key")})
    assert conditions(settled({}, run, SOURCE))[0] == ("Ready", "False", "VerificationError", "no key")


def test_a_source_stays_ready_under_way_unless_something_drifted() -> None:
    ready = {"observedGeneration": 2, "conditions": [condition("Ready", "True", "Succeeded", "stored", since=BEFORE)]}
    asked = replace(RUN, causes=frozenset((Cause.REQUEST,)))
    assert conditions(settled(ready, asked, SOURCE))[1][:2] == ("Ready", "True")
    outdated = replace(
        asked, facts={"ArtifactOutdated": Fact("True", "NewRevision", "new")}, progress="building artifact: new"
    )
    assert conditions(settled(ready, outdated, SOURCE))[:2] == [
        ("Reconciling", "True", "Progressing", "building artifact: new"),
        ("Ready", "Unknown", "Progressing", "building artifact: new"),
    ]


def test_a_source_says_which_spec_it_processes_until_it_is_observed() -> None:
    spec = "processing object: new generation {} -> 2"
    assert conditions(settled({"observedGeneration": -1}, RUN, SOURCE))[0][3] == spec.format(-1)
    failed = replace(RUN, end=Failure("GitOperationFailed", "no"))
    assert conditions(settled({"observedGeneration": 1}, failed, SOURCE))[0][3] == spec.format(1)
    assert conditions(settled({"observedGeneration": 2}, failed, SOURCE))[0] == RETRYING


def test_a_kind_that_announces_by_itself_keeps_its_last_words() -> None:
    rules = replace(APPLIER, announced=False)
    waiting = replace(RUN, end=Waiting("health", "Progressing", "x", 5.0, "Unknown", "Running health checks"))
    status = settled({}, waiting, rules).status
    failed = replace(RUN, end=Failure("HealthCheckFailed", "no"))
    assert conditions(settled(status, failed, rules))[0][2:] == ("ProgressingWithRetry", "Running health checks")


def test_a_suspended_object_that_was_ready_is_observed_and_others_keep_their_status() -> None:
    ready = {"observedGeneration": 1, "conditions": [condition("Ready", "True", "Succeeded", "stored")]}
    assert rested(ready, 2, "now") == {**ready, "observedGeneration": 2, "lastHandledReconcileAt": "now"}
    unready = {"observedGeneration": 1, "conditions": [condition("Ready", "False", "Failed", "no")]}
    assert rested(unready, 2, None) == unready


def test_an_object_that_was_not_ready_goes_without_success() -> None:
    deleted = RecordedEvent("info", "BuildFailed", "ConfigMap/x/y deleted", {})
    run = replace(RUN, end=Done("deleted"), events=(deleted,))
    unready = {"conditions": [condition("Ready", "False", "BuildFailed", "no")]}
    assert farewell(unready, run, APPLIER, NOW).events == (deleted,)
    assert farewell(unready, run, APPLIER, NOW).log_lines == ()
    ready = {"conditions": [condition("Ready", "True", "ReconciliationSucceeded", "applied")]}
    assert farewell(ready, run, APPLIER, NOW).events[-1].message.startswith("Reconciliation finished in ")


def test_events_that_only_trace_carry_nothing_of_the_run() -> None:
    trace = RecordedEvent("trace", "GarbageCollectionSucceeded", "garbage collected 1 artifacts", {})
    run = replace(RUN, end=Done("stored"), events=(trace,), about={"revision": "r"})
    assert settled({}, run, SOURCE).events == (trace,)


def test_sources_back_off_with_each_failure_in_a_row() -> None:
    delays = [
        settled({}, replace(RUN, end=Failure("x", "no"), failures=failures), SOURCE).requeue
        for failures in (0, 1, 2, 40)
    ]
    assert [delay and delay.after for delay in delays] == [0.75, 1.5, 3.0, 900.0]


def test_success_is_reported_when_it_brings_something_new() -> None:
    done = replace(RUN, end=DONE, about={"originRevision": "o"}, fields={"lastAppliedRevision": "main@sha1:1"})
    first = settled({}, done)
    assert first.events == (
        RecordedEvent(
            "info",
            "ReconciliationSucceeded",
            "Reconciliation finished in 1.5s, next run in 10m0s",
            {"originRevision": "o", "revision": "main@sha1:1", "commit_status": "update"},
        ),
    )
    again = settled(first.status, done)
    assert again.events == ()
    assert [(line.level, line.message, line.fields) for line in again.log_lines] == [
        ("info", "Reconciliation finished in 1.5s, next run in 10m0s", {"revision": "main@sha1:1"})
    ]
    assert len(settled(first.status, replace(done, requested_at="now")).events) == 1
    assert len(settled(first.status, replace(done, generation=3)).events) == 1


def test_failure_is_an_event_and_a_log_line_with_the_error() -> None:
    settlement = settled({}, replace(RUN, end=Failure("BuildFailed", "bad yaml"), about={"revision": "r"}))
    assert settlement.events == (RecordedEvent("error", "BuildFailed", "bad yaml", {"revision": "r"}),)
    assert [(line.level, line.message, line.fields) for line in settlement.log_lines] == [
        ("error", "Reconciliation failed after 1.5s, next try in 2m0s", {"revision": "r", "error": "bad yaml"})
    ]


def test_history_counts_repeats_of_what_is_new_and_keeps_five() -> None:
    def run(digest: str, **changes: Any) -> RunLog[Spec]:
        return replace(RUN, end=DONE, snapshot=Snapshot(digest, {"revision": digest}), **changes)

    status: dict[str, Any] = {}
    for digest in "abcdef":
        status = settled(status, run(digest)).status
    assert [entry["digest"] for entry in status["history"]] == list("fedcb")
    assert settled(status, run("f")).status["history"] == status["history"]
    asked = settled(status, run("f", requested_at="now")).status["history"]
    assert (asked[0]["digest"], asked[0]["totalReconciliations"], len(asked)) == ("f", 2, 5)
    back = settled(status, run("c")).status["history"]
    assert [(entry["digest"], entry["totalReconciliations"]) for entry in back][:2] == [("c", 2), ("f", 1)]


def test_history_leaves_out_failures_that_built_nothing() -> None:
    failed = replace(RUN, end=Failure("BuildFailed", "no"), snapshot=Snapshot("a", {}))
    assert "history" not in settled({}, failed).status


def test_a_very_long_message_is_cut() -> None:
    message = settled({}, replace(RUN, end=Failure("BuildFailed", "x" * 50_000))).status["conditions"][1]["message"]
    assert len(message) == 20_000 and message.endswith("...")


def test_a_run_that_failed_with_the_api_server_is_tried_again_soon_and_then_as_the_object_says() -> None:
    waits = [
        settled({}, replace(RUN, end=Failure("x", "no", passing=True), failures=failures), APPLIER).requeue
        for failures in (0, 1, 4, 9)
    ]
    assert waits == [Requeue(seconds, Cause.RETRY) for seconds in (1.0, 2.0, 16.0, 120.0)]


def _made_of(cause: Exception) -> Exception:
    try:
        try:
            raise cause
        except Exception as error:
            raise ValueError("apps/v1 dry-run failed") from error
    except ValueError as error:
        return error


PASSING = [
    (Unreachable("no answer"), True),
    (_made_of(ApiError(500, "InternalError", "etcdserver: request timed out")), True),
    (_made_of(TooManyRequests(429, "TooManyRequests", "slow down")), True),
    (NotReady("ArtifactFailed", "no"), False),
    (_made_of(Invalid(422, "Invalid", "no")), False),
    (ValueError("no"), False),
]


@pytest.mark.parametrize(("error", "passing"), PASSING)
def test_a_failure_knows_whether_it_was_the_api_servers(error: Exception, passing: bool) -> None:
    assert failure_of(error, "x").passing is passing
