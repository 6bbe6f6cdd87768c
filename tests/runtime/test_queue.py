import asyncio

from afflux.objects.identity import ObjectRef
from afflux.runtime.ends import Cause
from afflux.runtime.queue import WorkQueue
from waiting import eventually


def key(name: str, namespace: str = "ns") -> ObjectRef:
    return ObjectRef("g", "Kind", namespace, name)


async def taken(queue: WorkQueue, count: int) -> list[str]:
    names = []
    for _ in range(count):
        work = await asyncio.wait_for(queue.take(), 5)
        assert work is not None
        names.append(work.key.name)
        queue.done(work.key)
    return names


async def test_a_key_is_in_the_queue_once_with_all_its_causes() -> None:
    queue = WorkQueue()
    for cause in (Cause.START, Cause.REQUEST, Cause.REQUEST):
        queue.add(key("a"), cause)
    work = await queue.take()
    assert work is not None and work.causes == {Cause.START, Cause.REQUEST}
    assert queue.depth == 0


async def test_a_key_is_run_by_one_worker_at_a_time_and_again_if_it_was_added_meanwhile() -> None:
    queue = WorkQueue()
    queue.add(key("a"), Cause.START)
    await queue.take()
    queue.add(key("a"), Cause.SOURCE)
    queue.add(key("b"), Cause.START)
    second = await queue.take()
    assert second is not None and second.key == key("b")
    assert queue.depth == 0
    queue.done(key("a"))
    again = await queue.take()
    assert again is not None and again.key == key("a") and again.causes == {Cause.SOURCE}


async def test_namespaces_take_turns() -> None:
    queue = WorkQueue()
    for number in range(4):
        queue.add(key(f"a{number}", "a"), Cause.START)
    queue.add(key("b0", "b"), Cause.START)
    queue.add(key("c0", "c"), Cause.START)
    assert await taken(queue, 6) == ["a0", "b0", "c0", "a1", "a2", "a3"]


async def test_a_scheduled_key_comes_when_it_is_due() -> None:
    queue = WorkQueue()
    queue.schedule(key("a"), 0.01, Cause.INTERVAL)
    assert queue.depth == 0
    work = await asyncio.wait_for(queue.take(), 5)
    assert work is not None and work.causes == {Cause.INTERVAL}


async def test_a_new_schedule_replaces_the_old_one_and_taking_a_key_ends_it() -> None:
    queue = WorkQueue()
    queue.schedule(key("a"), 0.01, Cause.INTERVAL)
    queue.schedule(key("a"), 3600.0, Cause.RETRY)
    queue.schedule(key("b"), 0.01, Cause.RETRY)
    queue.add(key("b"), Cause.SOURCE)
    assert await taken(queue, 1) == ["b"]
    queue.schedule(key("c"), 0.05, Cause.INTERVAL)
    assert await taken(queue, 1) == ["c"]
    assert queue.depth == 0


async def test_waking_a_scheduled_key_runs_it_at_once() -> None:
    queue = WorkQueue()
    queue.schedule(key("a"), 3600.0, Cause.INTERVAL)
    queue.add(key("a"), Cause.BELL)
    work = await asyncio.wait_for(queue.take(), 5)
    assert work is not None and work.causes == {Cause.BELL}


async def test_closing_sends_every_worker_home() -> None:
    queue = WorkQueue()
    queue.add(key("a"), Cause.START)
    await queue.take()
    idle = [asyncio.create_task(queue.take()) for _ in range(3)]
    queue.close()
    assert await asyncio.wait_for(asyncio.gather(*idle), 5) == [None, None, None]
    queue.add(key("b"), Cause.START)
    queue.done(key("a"))
    assert await asyncio.wait_for(queue.take(), 5) is None


async def test_two_workers_get_through_many_keys_without_losing_one() -> None:
    queue = WorkQueue()
    seen: list[str] = []

    async def work() -> None:
        while (taken := await queue.take()) is not None:
            seen.append(taken.key.name)
            await asyncio.sleep(0)
            queue.done(taken.key)

    workers = [asyncio.create_task(work()) for _ in range(2)]
    for number in range(200):
        queue.add(key(str(number), f"ns{number % 7}"), Cause.START)

    async def all_seen() -> bool:
        return len(seen) == 200

    await eventually(all_seen)
    queue.close()
    await asyncio.gather(*workers)
    assert len(set(seen)) == 200


async def test_what_ends_a_wait_or_was_asked_for_overtakes_a_storm() -> None:
    queue = WorkQueue()
    for number in range(3):
        queue.add(key(f"storm{number}"), Cause.SOURCE)
    queue.add(key("bell"), Cause.BELL)
    queue.add(key("storm2"), Cause.REQUEST)
    assert await taken(queue, 4) == ["bell", "storm2", "storm0", "storm1"]


async def test_a_storm_is_not_starved_by_what_overtakes_it() -> None:
    queue = WorkQueue()
    queue.add(key("storm"), Cause.SOURCE)
    for number in range(20):
        queue.add(key(f"bell{number}"), Cause.BELL)
    assert (await taken(queue, 9))[-1] == "storm"
