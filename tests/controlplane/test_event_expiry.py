"""Events go when they are an hour old."""

from typing import Any

from afflux.controlplane.builtin_kinds import builtin_served_kinds
from afflux.controlplane.event_expiry import KEPT_SECONDS, EventExpiry
from afflux.controlplane.kind_registry import KindRegistry
from afflux.controlplane.local_access import LocalAccess
from afflux.controlplane.printers.column import seconds_of
from afflux.controlplane.store import Store
from afflux.controlplane.structural.rulings import RuleCourt
from afflux.controlplane.writer import Writer

CREATED = "2026-01-01T00:00:00Z"


def event(name: str, **more: Any) -> dict[str, Any]:
    about = {"kind": "Pod", "namespace": "default", "name": "p"}
    return {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": "default"},
            "involvedObject": about, **more}  # fmt: skip


async def test_only_what_was_not_repeated_for_an_hour_goes() -> None:
    writer = Writer(Store(), KindRegistry(builtin_served_kinds("1.36")), now=lambda: CREATED)
    access = LocalAccess(writer, "test", RuleCourt())
    await access.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
    await access.create(event("old"))
    await access.create(event("repeated", lastTimestamp="2026-01-01T00:30:00Z"))
    started = seconds_of(CREATED)
    assert started is not None
    await EventExpiry(writer.store, access, clock=lambda: started + KEPT_SECONDS + 1).sweep()
    kind = writer.registry.lookup("", "v1", "events")
    assert kind is not None
    assert [stored.name for stored in writer.store.list(kind.storage)] == ["repeated"]
