from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from afflux.objects.identity import ObjectRef
from afflux.runtime.ends import Cause, Done, Failure, NotReady, Stalled
from afflux.runtime.outcome import Fact, RunLog
from afflux.runtime.reconciler import Run

MANIFEST = {
    "metadata": {
        "name": "a",
        "namespace": "ns",
        "generation": 3,
        "annotations": {"reconcile.fluxcd.io/requestedAt": "r1"},
    }
}


@pytest.fixture
def published() -> list[RunLog[Any]]:
    return []


@pytest.fixture
def run(published: list[RunLog[Any]]) -> Run[Any]:
    async def publish(log: RunLog[Any]) -> None:
        published.append(log)

    return Run(
        object=None,
        manifest=MANIFEST,
        key=ObjectRef("g", "Kind", "ns", "a"),
        causes=frozenset((Cause.START,)),
        log=structlog.get_logger(),
        clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        publisher=publish,
    )


FAILURES = [
    (ValueError("bad"), Failure("BuildFailed", "bad")),
    (NotReady("ArtifactFailed", "none", 30.0), Failure("ArtifactFailed", "none", retry_in=30.0)),
    (Stalled("AccessDenied", "no"), Failure("AccessDenied", "no", stalled=True)),
    (TimeoutError(), Failure("BuildFailed", "timed out")),
    (KeyError("x"), Failure("BuildFailed", "internal error: KeyError: 'x'")),
]


@pytest.mark.parametrize(("error", "failure"), FAILURES)
async def test_a_step_names_the_reason_of_what_fails_in_it(run: Run[Any], error: Exception, failure: Failure) -> None:
    with pytest.raises(type(error)):
        async with run.step("building manifests", fails_as="BuildFailed", condition="BuildFailed"):
            raise error
    assert run.failed_by(error) == failure
    assert run.log_so_far().facts == {"BuildFailed": Fact("True", failure.reason, failure.message)}


async def test_the_innermost_step_decides(run: Run[Any]) -> None:
    error = ValueError("bad")
    with pytest.raises(ValueError):
        async with run.step("outside", fails_as="Outer"), run.step("inside", fails_as="Inner"):
            raise error
    assert run.failed_by(error).reason == "Inner"


async def test_an_error_that_was_handled_is_forgotten(run: Run[Any]) -> None:
    with pytest.raises(ValueError):
        async with run.step("first", fails_as="First"):
            raise ValueError("handled")
    assert run.failed_by(ValueError("other")) == Failure("ReconciliationFailed", "other")


async def test_a_step_that_succeeds_clears_its_condition(run: Run[Any]) -> None:
    async with run.step("fetching", fails_as="GitOperationFailed", condition="FetchFailed"):
        pass
    assert run.log_so_far().facts == {"FetchFailed": None}


async def test_what_is_known_can_be_published_before_the_end(run: Run[Any], published: list[RunLog[Any]]) -> None:
    async with run.step("fetching", fails_as="x", progress="Fetching manifests for revision r"):
        run.set_status(lastAttemptedRevision="r")
        await run.publish()
    (log,) = published
    assert (log.end, log.progress, log.fields) == (
        None,
        "Fetching manifests for revision r",
        {"lastAttemptedRevision": "r"},
    )


def test_the_log_of_a_run_holds_all_that_happened(run: Run[Any]) -> None:
    run.annotate(revision="r")
    run.fact("Healthy", "True", "Succeeded", "all well")
    run.event("info", "Progressing", "created x", {"k": "v"})
    run.snapshot("sha256:1", {"revision": "r"})
    log = run.log_so_far(Done("fine"))
    assert (log.generation, log.requested_at, log.about, log.end) == (3, "r1", {"revision": "r"}, Done("fine"))
    assert log.events[0].metadata == {"k": "v"}
    assert log.snapshot is not None and log.snapshot.digest == "sha256:1"
