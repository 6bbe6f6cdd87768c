"""The rules of a Lease, without a server."""

from datetime import UTC, datetime
from typing import Any

import pytest

from afflux.kube.client import Target
from afflux.runtime.lease import (
    LEASE,
    InvalidTimes,
    LeaseRecord,
    LeaseTimes,
    claimed,
    is_ours,
    lease_with,
    our_holder,
    record_of,
    released,
    sighted,
)

NOW = datetime(2026, 11, 28, 9, 30, 0, 123456, tzinfo=UTC)
TARGET = Target(LEASE, "flux-system", "source-controller-leader-election")


def lease(holder: str | None = "them", renewed: str = "2026-11-28T09:00:00.000000Z", **more: Any) -> dict[str, Any]:
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 35, "renewTime": renewed, **more}
    return {"metadata": {"name": "x", "resourceVersion": "7", "managedFields": [{}]}, "spec": spec}


def test_a_record_is_valid_from_the_moment_we_first_saw_it_whatever_its_own_times_say() -> None:
    """The holder's clock may be hours off: only whether its record changes counts."""
    first = sighted(None, lease(renewed="1999-01-01T00:00:00.000000Z"), 100.0)
    again = sighted(first, lease(renewed="1999-01-01T00:00:00.000000Z"), 120.0)
    assert (again.valid_for(120.0), again.valid_for(135.0)) == (15.0, 0.0)
    renewed = sighted(again, lease(renewed="1999-01-01T00:00:05.000000Z"), 130.0)
    assert renewed.valid_for(135.0) == 30.0


@pytest.mark.parametrize("holder", ["", None])
def test_a_released_lease_is_free_at_once(holder: str | None) -> None:
    assert sighted(None, lease(holder), 100.0).valid_for(100.0) == 0.0


def test_renewing_keeps_what_taking_has_set() -> None:
    taken = claimed(record_of(lease(leaseTransitions=3)), "us", 35, NOW)
    assert taken == LeaseRecord("us", 35, 4, "2026-11-28T09:30:00.123456Z", "2026-11-28T09:30:00.123456Z")
    theirs = claimed(taken, "others", 15, NOW.replace(second=1))
    assert (theirs.transitions, theirs.acquired) == (5, "2026-11-28T09:30:01.123456Z")
    renewed = claimed(theirs, "others", 15, NOW.replace(second=2))
    assert renewed == theirs._replace(renewed="2026-11-28T09:30:02.123456Z")


def test_what_is_written_names_the_version_that_was_read_and_keeps_what_isnt_ours() -> None:
    present = lease(strategy="OldestEmulationVersion")
    body = lease_with(TARGET, present, claimed(record_of(present), "us", 35, NOW))
    assert body["metadata"] == {"name": "x", "resourceVersion": "7"}
    assert body["spec"]["strategy"] == "OldestEmulationVersion"
    assert body["spec"]["holderIdentity"] == "us"
    fresh = lease_with(TARGET, None, claimed(LeaseRecord(), "us", 35, NOW))
    assert fresh["metadata"] == {"name": TARGET.name, "namespace": "flux-system"}
    assert fresh["spec"]["leaseTransitions"] == 0


def test_a_released_lease_names_nobody() -> None:
    body = lease_with(TARGET, lease(), released(record_of(lease()), NOW))
    assert (body["spec"]["holderIdentity"], body["spec"]["leaseDurationSeconds"]) == (None, 1)


def test_holders_of_ours_are_told_from_those_of_flux() -> None:
    assert is_ours(our_holder("a-host", "1-2"))
    assert not is_ours("source-controller-7d9f8b_0b7a")
    assert not is_ours("afflux-7d9f8b_0b7a")  # a Pod may be named so, but no host has a slash


WRONG = [
    (LeaseTimes(0.5, 0.4, 0.1), "lease-duration must be whole seconds"),
    (LeaseTimes(2.5, 2, 1), "lease-duration must be whole seconds"),
    (LeaseTimes(30, 30, 5), "renew-deadline must be less"),
    (LeaseTimes(35, 6, 5), "retry-period"),
    (LeaseTimes(35, 30, 0), "retry-period"),
]


@pytest.mark.parametrize(("times", "problem"), WRONG)
def test_times_that_cant_work_are_refused_by_their_flag(times: LeaseTimes, problem: str) -> None:
    with pytest.raises(InvalidTimes, match=problem):
        times.checked()


def test_fluxs_times_work() -> None:
    assert LeaseTimes().checked() == LeaseTimes(35, 30, 5)
