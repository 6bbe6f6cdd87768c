"""Candidates at one API server."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from afflux.kube.client import KubeClient, Target
from afflux.kube.fence import Fence, LeaseLost
from afflux.runtime.leader import ForeignLeader, Leader
from afflux.runtime.lease import LEASE, LeaseTimes, our_holder
from afflux.runtime.lease_seat import LeaseSeat
from waiting import eventually

TIMES = LeaseTimes(duration=5, renew_deadline=4, retry_period=0.3)
FLUX = "source-controller-7d9f_abc"


@pytest.fixture
def namespace() -> str:
    return f"leaders-{uuid.uuid4().hex[:8]}"


def candidate(
    client: KubeClient, namespace: str, name: str, leases: tuple[str, ...] = ("one", "two"), take_over: bool = False
) -> Leader:
    fence = Fence()
    holder = our_holder("a-host", name)
    seats = [LeaseSeat(client, Target(LEASE, namespace, each), holder, TIMES.duration, fence.clock) for each in leases]
    return Leader(seats=seats, fence=fence, times=TIMES, take_over=take_over)


@asynccontextmanager
async def running(leader: Leader) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(leader.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def elected(leader: Leader, timeout: float = 15) -> None:
    await asyncio.wait_for(leader.elected.wait(), timeout)


async def stands_by(leader: Leader) -> str:
    async def waiting() -> bool:
        return "held by" in leader.waits_for

    await eventually(waiting)
    assert not leader.fence.open
    return leader.waits_for


async def spec_of(client: KubeClient, namespace: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(Target(LEASE, namespace, name)))["spec"]
    return found


async def held_by(client: KubeClient, namespace: str, name: str, holder: str, seconds: int = 3) -> Target:
    """A Lease that somebody else has; its times are those of a clock that is far behind."""
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    spec = {"holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": "2001-01-01T00:00:00.000000Z"}
    metadata = {"name": name, "namespace": namespace}
    await client.create({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})
    return Target(LEASE, namespace, name)


@asynccontextmanager
async def renewing(client: KubeClient, target: Target) -> AsyncIterator[None]:
    """Its holder lives."""

    async def renew() -> None:
        for second in range(60):
            moment = f"2001-01-01T00:00:{second:02}.000000Z"
            await client.patch(target, {"spec": {"renewTime": moment}})
            await asyncio.sleep(0.3)

    task = asyncio.create_task(renew())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_first_leads_and_the_second_says_whom_it_waits_for(kube_client: KubeClient, namespace: str) -> None:
    first, second = candidate(kube_client, namespace, "1"), candidate(kube_client, namespace, "2")
    async with running(first), running(second):

        async def decided() -> bool:
            return first.elected.is_set() or second.elected.is_set()

        await eventually(decided)
        leading, waiting = (first, second) if first.elected.is_set() else (second, first)
        assert leading.fence.open
        assert f"{namespace}/one, held by afflux/a-host_" in await stands_by(waiting)


async def test_all_leases_are_taken_or_none(kube_client: KubeClient, namespace: str) -> None:
    other = candidate(kube_client, namespace, "other", ("two",))
    both = candidate(kube_client, namespace, "both")
    async with running(other):
        await elected(other)
        async with running(both):
            assert "one" not in await stands_by(both)
            third = candidate(kube_client, namespace, "third", ("one",))
            async with running(third):
                await elected(third)


async def test_a_lease_is_taken_when_its_record_did_not_change_for_as_long_as_it_says(
    kube_client: KubeClient, namespace: str
) -> None:
    await held_by(kube_client, namespace, "one", our_holder("another-host", "x"), seconds=2)
    leader = candidate(kube_client, namespace, "1", ("one",))
    began = leader.fence.clock()
    async with running(leader):
        await elected(leader)
        assert 2.0 <= leader.fence.clock() - began < 5.0
    assert (await spec_of(kube_client, namespace, "one"))["leaseTransitions"] == 1


async def test_a_dead_leader_is_followed_only_when_it_can_no_longer_write(
    kube_client: KubeClient, namespace: str
) -> None:
    first, second = candidate(kube_client, namespace, "1"), candidate(kube_client, namespace, "2")
    async with running(first):
        await elected(first)
        waiting = asyncio.create_task(second.run())
        await stands_by(second)
    await elected(second)  # the first one was cancelled without releasing: as good as dead
    assert first.fence.clock() >= first.fence.ends
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_resigning_hands_over_at_once_and_writes_no_more(kube_client: KubeClient, namespace: str) -> None:
    first, second = candidate(kube_client, namespace, "1"), candidate(kube_client, namespace, "2")
    async with running(first):
        await elected(first)
    await first.resign()
    assert not first.fence.open
    assert (await spec_of(kube_client, namespace, "one")).get("holderIdentity") in (None, "")
    async with running(second):
        await elected(second, 1.5)


async def test_leases_are_not_released_while_a_request_may_be_under_way(
    kube_client: KubeClient, namespace: str
) -> None:
    leader = candidate(kube_client, namespace, "1")
    async with running(leader):
        await elected(leader)
        leader.fence.unanswered = leader.fence.clock()
    await leader.resign()
    assert (await spec_of(kube_client, namespace, "one"))["holderIdentity"] == "afflux/a-host_1"


async def test_whoever_comes_back_under_its_own_name_takes_its_lease_at_once(
    kube_client: KubeClient, namespace: str
) -> None:
    before, after = candidate(kube_client, namespace, "1"), candidate(kube_client, namespace, "1")
    async with running(before):
        await elected(before)
    async with running(after):
        await elected(after, 1.5)


async def test_a_lease_in_other_hands_is_lost(kube_client: KubeClient, namespace: str) -> None:
    leader = candidate(kube_client, namespace, "1")
    async with running(leader) as task:
        await elected(leader)
        await kube_client.patch(Target(LEASE, namespace, "two"), {"spec": {"holderIdentity": "somebody"}})
        with pytest.raises(LeaseLost, match=f"the Lease {namespace}/two is held by somebody now"):
            await asyncio.wait_for(task, 10)
    assert not leader.fence.open


async def test_a_lease_that_somebody_annotated_or_deleted_is_kept(kube_client: KubeClient, namespace: str) -> None:
    leader = candidate(kube_client, namespace, "1")
    async with running(leader) as task:
        await elected(leader)
        target = Target(LEASE, namespace, "one")
        await kube_client.patch(target, {"metadata": {"annotations": {"a": "b"}}})
        before = (await spec_of(kube_client, namespace, "one"))["renewTime"]

        async def renewed() -> bool:
            return bool((await spec_of(kube_client, namespace, "one"))["renewTime"] != before)

        await eventually(renewed)
        await kube_client.delete(target)

        async def made_again() -> bool:
            found = await kube_client.list(LEASE)
            return any(each["metadata"]["namespace"] == namespace for each in found.items)

        await eventually(made_again)
        assert not task.done()
        assert leader.fence.open


async def test_a_living_holder_that_is_no_afflux_is_not_waited_for(kube_client: KubeClient, namespace: str) -> None:
    target = await held_by(kube_client, namespace, "one", FLUX)
    leader = candidate(kube_client, namespace, "1")
    async with renewing(kube_client, target), running(leader) as task:
        with pytest.raises(ForeignLeader) as refused:
            await asyncio.wait_for(task, 10)
    assert refused.value.holders == {"one": FLUX}


async def test_a_dead_holder_that_was_no_afflux_is_followed(kube_client: KubeClient, namespace: str) -> None:
    await held_by(kube_client, namespace, "one", FLUX, seconds=1)
    leader = candidate(kube_client, namespace, "1")
    async with running(leader):
        await elected(leader)


async def test_taking_over_leaves_the_former_leader_the_time_to_notice(kube_client: KubeClient, namespace: str) -> None:
    target = await held_by(kube_client, namespace, "one", FLUX, seconds=6)
    leader = candidate(kube_client, namespace, "1", take_over=True)
    async with running(leader):

        async def taken() -> bool:
            return bool((await kube_client.get(target))["spec"]["holderIdentity"] == "afflux/a-host_1")

        await eventually(taken)
        seen = leader.fence.clock()
        assert not leader.fence.open
        assert "the end of the former leader" in leader.waits_for
        await elected(leader)
        assert leader.fence.clock() - seen >= 5  # its six seconds, but for those that pass until we see it


async def test_taking_over_takes_nothing_from_another_afflux(kube_client: KubeClient, namespace: str) -> None:
    first = candidate(kube_client, namespace, "1")
    async with running(first):
        await elected(first)
        second = candidate(kube_client, namespace, "2", take_over=True)
        async with running(second):
            await stands_by(second)
        assert first.fence.open
