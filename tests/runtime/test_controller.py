"""The runtime through the front door: one controller against an API server."""

import asyncio
from typing import Any

import aiohttp
import pytest

from afflux.api.git_repository import GitRepository
from afflux.objects.identity import GroupVersionKind, ref_of
from afflux.runtime.dependencies import Dependency
from afflux.runtime.ends import Cause, Done, NotReady, Stalled, Waiting
from afflux.runtime.reconciler import Run
from waiting import eventually

CONFIG_MAP = GroupVersionKind("", "v1", "ConfigMap")


async def test_a_new_object_is_held_reconciled_and_ready(world: Any) -> None:
    async with world.controller():
        await world.create("one")
        manifest = await world.until_ready("one")
    assert manifest["metadata"]["finalizers"] == ["finalizers.fluxcd.io"]
    assert manifest["status"]["observedGeneration"] == manifest["metadata"]["generation"]
    assert [c["type"] for c in manifest["status"]["conditions"]] == ["Ready", "ArtifactInStorage"]
    assert world.reconciler.causes("one") == [frozenset((Cause.START, Cause.GENERATION))]
    managers = {entry["manager"] for entry in manifest["metadata"]["managedFields"] if entry.get("subresource")}
    assert managers == {"source-controller"}


async def test_an_interval_that_changes_nothing_writes_nothing(world: Any) -> None:
    async with world.controller():
        await world.create("one", interval="20ms")
        before = await world.until_ready("one")
        await world.until_runs("one", 6)
    assert world.reconciler.causes("one")[3] == {Cause.INTERVAL}
    assert (await world.get("one"))["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_a_request_runs_at_once_and_is_recorded(world: Any) -> None:
    async with world.controller():
        await world.create("one")
        await world.until_ready("one")
        await world.patch("one", {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "r1"}}})

        async def handled() -> bool:
            return (await world.get("one"))["status"].get("lastHandledReconcileAt") == "r1"

        await eventually(handled)
    assert world.reconciler.causes("one")[1:] == [frozenset((Cause.REQUEST,))]


async def test_a_request_is_recorded_also_where_the_run_fails(world: Any) -> None:
    async def fails(_: Run[GitRepository]) -> Done:
        raise NotReady("GitOperationFailed", "no", retry_in=3600.0)

    world.reconciler.behaviours["one"] = fails
    async with world.controller():
        await world.create("one")
        await world.until_ready("one", "False")
        await world.patch("one", {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "r1"}}})

        async def handled() -> bool:
            return (await world.get("one"))["status"].get("lastHandledReconcileAt") == "r1"

        await eventually(handled)
    assert (await world.get("one"))["status"].get("observedGeneration", -1) == -1


async def test_labels_and_other_annotations_are_nobodys_business(world: Any) -> None:
    async with world.controller():
        await world.create("one")
        await world.until_ready("one")
        await world.patch("one", {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}})
        await world.create("two")
        await world.until_ready("two")
    assert len(world.reconciler.causes("one")) == 1


async def test_a_new_spec_is_announced_before_it_is_done(world: Any) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(run: Run[GitRepository]) -> Done:
        if run.manifest["metadata"]["generation"] > 1:
            entered.set()
            await go_on.wait()
        return Done("stored artifact")

    world.reconciler.behaviours["one"] = slow
    async with world.controller():
        await world.create("one")
        await world.until_ready("one")
        await world.patch("one", {"spec": {"interval": "2h"}})
        await asyncio.wait_for(entered.wait(), 10)
        assert (await world.condition("one", "Reconciling"))["reason"] == "Progressing"
        assert (await world.condition("one"))["status"] == "Unknown"
        assert (await world.get("one"))["status"]["observedGeneration"] == 1
        go_on.set()
        await world.until_ready("one")
    assert (await world.get("one"))["status"]["observedGeneration"] == 2
    assert await world.condition("one", "Reconciling") == {}


async def test_a_suspended_object_rests_until_it_is_resumed(world: Any) -> None:
    async with world.controller():
        await world.create("one", suspend=True)

        async def said() -> bool:
            return "reconciliation is suspended for this object" in world.messages("one")

        await eventually(said)
        assert world.reconciler.runs == []
        await world.patch("one", {"spec": {"suspend": False}})
        await world.until_ready("one")


async def test_suspending_is_observed_and_a_request_meanwhile_is_handled(world: Any) -> None:
    async with world.controller():
        await world.create("one")
        await world.until_ready("one")
        await world.patch("one", {"spec": {"suspend": True}})
        await world.patch("one", {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "r1"}}})

        async def seen() -> bool:
            status = (await world.get("one"))["status"]
            return bool(status["observedGeneration"] == 2 and status.get("lastHandledReconcileAt") == "r1")

        await eventually(seen)
        assert (await world.condition("one"))["status"] == "True"
    assert len(world.reconciler.causes("one")) == 1


async def test_deletion_waits_for_the_clean_up(world: Any) -> None:
    tries = 0

    async def second_time(_: Run[GitRepository]) -> Done:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ValueError("not yet")
        return Done("removed")

    world.reconciler.finalizing = second_time
    async with world.controller() as manager:
        await world.create("one")
        await world.until_ready("one")
        series = (
            f'gotk_reconcile_duration_seconds_count{{kind="GitRepository",name="one",namespace="{world.namespace}"}}'
        )
        assert series in manager.metrics.exposition().decode()
        await world.kube.delete(world.target("one"))
        await world.until_gone("one")

        async def forgotten() -> bool:
            return series not in manager.metrics.exposition().decode()

        await eventually(forgotten)
    assert world.reconciler.finalized == ["one", "one"]


async def test_a_suspended_object_can_be_deleted(world: Any) -> None:
    async with world.controller():
        await world.create("one", suspend=True)

        async def held() -> bool:
            return bool((await world.get("one"))["metadata"].get("finalizers"))

        await eventually(held)
        await world.kube.delete(world.target("one"))
        await world.until_gone("one")
    assert world.reconciler.finalized == ["one"]


async def test_one_malformed_object_stalls_alone(world: Any) -> None:
    await world.create("bad", interval="99999999999h")
    for number in range(10):
        await world.create(f"good-{number}")
    async with world.controller():
        for number in range(10):
            await world.until_ready(f"good-{number}")
        await world.until_ready("bad", "False")
        stalled = await world.condition("bad", "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "InvalidObject")
    assert "spec" in stalled["message"] and "interval" in stalled["message"]
    assert world.reconciler.causes("bad") == []


async def test_a_malformed_object_that_is_to_go_says_what_people_can_do(world: Any) -> None:
    await world.create("bad", interval="99999999999h")
    async with world.controller():
        await world.until_ready("bad", "False")
        await world.kube.delete(world.target("bad"))

        async def said() -> bool:
            return "remove 'finalizers.fluxcd.io' from metadata.finalizers" in (await world.condition("bad"))["message"]

        await eventually(said)
        await world.patch("bad", {"spec": {"interval": "1h"}})
        await world.until_gone("bad")
    assert world.reconciler.finalized == ["bad"]


async def test_a_field_of_an_old_version_without_effect_is_told_once(world: Any) -> None:
    async with world.controller():
        await world.create("one", interval="20ms", gitImplementation="libgit2")
        await world.until_runs("one", 4)

        async def told() -> list[Any]:
            return [event for event in await world.events("one") if event["reason"] == "ObsoleteField"]

        await eventually(told)
    (event,) = await told()
    message = "spec.gitImplementation is obsolete and has no effect"
    assert (event["type"], event["message"], event["count"]) == ("Warning", message, 1)


async def test_a_field_that_is_not_acted_on_stalls_with_its_name(world: Any) -> None:
    async with world.controller():
        await world.create("one", recurseSubmodules=True)
        await world.until_ready("one", "False")
        stalled = await world.condition("one", "Stalled")
        assert stalled["message"] == "spec.recurseSubmodules is not supported by Afflux yet"
        await world.patch("one", {"spec": {"recurseSubmodules": False}})
        await world.until_ready("one")
    assert await world.condition("one", "Stalled") == {}


async def test_a_failure_is_told_retried_and_forgotten_when_it_is_over(world: Any) -> None:
    works = asyncio.Event()

    async def fails(run: Run[GitRepository]) -> Done:
        async with run.step("fetching", fails_as="GitOperationFailed", condition="FetchFailed"):
            if not works.is_set():
                raise ValueError("no route to host")
        return Done("stored artifact")

    world.reconciler.behaviours["one"] = fails
    async with world.controller():
        await world.create("one")
        await world.until_runs("one", 4)
        for type, reason in (("Ready", "GitOperationFailed"), ("Reconciling", "ProgressingWithRetry")):
            assert (await world.condition("one", type))["reason"] == reason
        assert (await world.condition("one", "FetchFailed"))["message"] == "no route to host"

        async def counted() -> bool:
            (event,) = await world.events("one")
            assert (event["type"], event["reason"], event["message"]) == (
                "Warning",
                "GitOperationFailed",
                "no route to host",
            )
            return bool(event["count"] >= 3)

        await eventually(counted)
        works.set()
        await world.until_ready("one")
    assert await world.condition("one", "FetchFailed") == {}
    errors = [line for line in world.lines if line.get("name") == "one" and line["level"] == "error"]
    assert (errors[0]["msg"], errors[0]["error"]) == ("Reconciler error", "no route to host")


async def test_a_stall_is_not_retried(world: Any) -> None:
    async def stalls(_: Run[GitRepository]) -> Done:
        raise Stalled("URLInvalid", "no such scheme")

    world.reconciler.behaviours["one"] = stalls
    async with world.controller():
        manifest = await world.create("one")
        await world.until_ready("one", "False")
        await world.create("two", interval="20ms")
        await world.until_runs("two", 5)
    assert len(world.reconciler.causes("one")) == 1
    assert (await world.get("one"))["status"]["observedGeneration"] == manifest["metadata"]["generation"]


async def test_a_wait_holds_no_worker_and_ends_at_once_when_it_is_rung(world: Any) -> None:
    async def waits(run: Run[GitRepository]) -> Done | Waiting:
        if Cause.BELL in run.causes:
            return Done("healthy")
        return Waiting(
            "health", "Progressing", "Reconciliation in progress", 3600.0, "Unknown", "Running health checks"
        )

    async with world.controller(concurrency=1):
        for number in range(3):
            world.reconciler.behaviours[f"w{number}"] = waits
            await world.create(f"w{number}")
            await world.until_runs(f"w{number}", 1)
        await world.until_ready("w0", "Unknown")
        assert (await world.condition("w0", "Reconciling"))["message"] == "Running health checks"
        world.triggers.wake("GitRepository", world.key("w0"), Cause.BELL)
        await world.until_ready("w0")
    assert world.reconciler.causes("w0")[1:] == [frozenset((Cause.BELL,))]


async def test_a_key_that_is_woken_while_it_runs_runs_again(world: Any) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(run: Run[GitRepository]) -> Done:
        entered.set()
        await go_on.wait()
        return Done("stored artifact")

    world.reconciler.behaviours["one"] = slow
    async with world.controller():
        await world.create("one")
        await asyncio.wait_for(entered.wait(), 10)
        world.triggers.wake("GitRepository", world.key("one"), Cause.SOURCE)
        go_on.set()
        await world.until_runs("one", 2)
    assert world.reconciler.causes("one")[1] == {Cause.SOURCE}


async def test_a_watched_object_wakes_those_that_name_it(world: Any) -> None:
    dependency = Dependency(
        gvk=CONFIG_MAP,
        changed=lambda old, new: new is not None,
        keys_of=lambda manifest, own: map(ref_of, own.indexed("url", manifest["data"]["url"])),
        namespace=world.namespace,
        label_selector="reconcile.fluxcd.io/watch=Enabled",
    )
    async with world.controller((dependency,)):
        await world.create("one", url="https://git.example/one")
        await world.create("two", url="https://git.example/two")
        await world.until_ready("one")
        await world.until_ready("two")
        await world.kube.create(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": "c",
                    "namespace": world.namespace,
                    "labels": {"reconcile.fluxcd.io/watch": "Enabled"},
                },
                "data": {"url": "https://git.example/two"},
            }
        )
        await world.until_runs("two", 2)
    assert world.reconciler.causes("two")[1] == {Cause.DEPENDENCY}
    assert len(world.reconciler.causes("one")) == 1


async def test_what_others_write_during_a_run_is_not_lost(world: Any) -> None:
    foreign = {
        "type": "Reviewed",
        "status": "True",
        "reason": "ByAnn",
        "message": "fine",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }

    async def meanwhile(run: Run[GitRepository]) -> Done:
        if run.manifest["metadata"]["generation"] == 1:
            await world.patch("one", {"status": {"conditions": [foreign]}}, subresource="status")
            await world.patch("one", {"metadata": {"labels": {"touched": "yes"}}})
        return Done("stored artifact")

    world.reconciler.behaviours["one"] = meanwhile
    async with world.controller():
        await world.create("one")
        manifest = await world.until_ready("one")
    assert [c["type"] for c in manifest["status"]["conditions"]] == ["Ready", "Reviewed"]
    assert manifest["metadata"]["labels"] == {"touched": "yes"}


async def test_a_kind_that_is_installed_later_is_served_from_then_on(bare_world: Any) -> None:
    async with bare_world.controller() as manager:
        assert not manager.ready

        async def told() -> bool:
            return "waiting for a kind to be installed" in [line["msg"] for line in bare_world.lines]

        await eventually(told)
        await bare_world.install()
        await bare_world.create("one")
        await bare_world.until_ready("one")
        assert manager.ready


async def test_the_endpoints_tell_how_it_is(world: Any) -> None:
    async with world.controller() as manager, aiohttp.ClientSession() as http:
        await asyncio.wait_for(manager.until_ready(), 10)
        await world.create("one")
        await world.until_ready("one")
        for path in ("healthz", "readyz"):
            async with http.get(f"http://{manager.bound['health']}/{path}") as answer:
                assert (answer.status, await answer.text()) == (200, "ok")
        async with http.get(f"http://{manager.bound['metrics']}/metrics") as answer:
            metrics = await answer.text()
    for line in (
        f'gotk_reconcile_duration_seconds_bucket{{kind="GitRepository",le="0.01",name="one",namespace="{world.namespace}"}}',
        'controller_runtime_reconcile_total{controller="gitrepository",result="requeue_after"} 1.0',
        'workqueue_depth{controller="gitrepository",name="gitrepository"} 0.0',
        'workqueue_adds_total{controller="gitrepository",name="gitrepository"}',
    ):
        assert line in metrics


async def test_a_running_reconcile_gets_its_grace_when_the_process_stops(world: Any) -> None:
    entered = asyncio.Event()

    async def slow(run: Run[GitRepository]) -> Done:
        entered.set()
        await world.patch("one", {"metadata": {"labels": {"a": "b"}}})
        return Done("stored artifact")

    world.reconciler.behaviours["one"] = slow
    async with world.controller():
        await world.create("one")
        await asyncio.wait_for(entered.wait(), 10)
    assert (await world.condition("one"))["status"] == "True"


async def test_a_reconcile_that_never_ends_is_broken_off(world: Any) -> None:
    entered = asyncio.Event()

    async def forever(run: Run[GitRepository]) -> Done:
        entered.set()
        await asyncio.Event().wait()
        return Done("never")

    world.reconciler.behaviours["one"] = forever
    async with asyncio.timeout(20):
        async with world.controller(grace=0.1):
            await world.create("one")
            await asyncio.wait_for(entered.wait(), 10)
    assert (await world.condition("one")).get("status") == "Unknown"


async def test_a_reconcile_whose_helper_is_cancelled_has_failed_and_its_worker_goes_on(world: Any) -> None:
    async def cancelled(_: Run[GitRepository]) -> Done:
        helper = asyncio.create_task(asyncio.Event().wait())
        helper.cancel()
        await helper
        return Done("never")

    world.reconciler.behaviours["bad"] = cancelled
    async with world.controller(concurrency=1):
        await world.create("bad")
        await world.until_ready("bad", "False")
        await world.create("good")
        await world.until_ready("good")


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError("deep"), RuntimeError("odd")])
async def test_a_defect_in_one_reconcile_harms_nobody_else(world: Any, error: Exception) -> None:
    async def defect(_: Run[GitRepository]) -> Done:
        raise error

    world.reconciler.behaviours["bad"] = defect
    async with world.controller(concurrency=1):
        await world.create("bad")
        await world.until_ready("bad", "False")
        await world.create("good")
        await world.until_ready("good")
