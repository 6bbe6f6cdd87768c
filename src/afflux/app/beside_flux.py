"""Whether Flux's own controllers are at work in a cluster, so that two never reconcile the same objects."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from afflux.kube.client import KubeClient, Target
from afflux.kube.errors import NotFound
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Manifest

LEASE = GroupVersionKind("coordination.k8s.io", "v1", "Lease")
_GRACE = timedelta(seconds=5)
"""Clocks of two machines differ by this much at the most."""


class FluxIsRunning(Exception):
    """A controller that we were asked to run has a live leader; the message says what to scale down."""


async def refuse_beside_flux(client: KubeClient, controllers: Sequence[str], namespace: str, now: datetime) -> None:
    """Raises ``FluxIsRunning`` where a Lease ``<controller>-leader-election`` of Flux is held by somebody alive."""
    holders: dict[str, str] = {}
    for controller in (f"{name}-controller" for name in controllers):
        try:
            lease = await client.get(Target(LEASE, namespace, f"{controller}-leader-election"))
        except NotFound:
            continue
        holder = live_holder(lease, now)
        if holder is not None:
            holders[controller] = holder
    if holders:
        raise FluxIsRunning(_advice(holders, namespace))


def live_holder(lease: Manifest, now: datetime) -> str | None:
    """Who holds a Lease now; None where it is released or has run out."""
    spec = lease.get("spec") or {}
    holder, renewed, seconds = spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseDurationSeconds")
    if not holder or not isinstance(renewed, str):
        return None
    ends = datetime.fromisoformat(renewed.replace("Z", "+00:00")) + timedelta(seconds=int(seconds or 0))
    return str(holder) if now < ends + _GRACE else None


def _advice(holders: dict[str, str], namespace: str) -> str:
    running = ", ".join(f"{controller} (Lease held by {holder})" for controller, holder in holders.items())
    commands = "\n".join(
        f"  kubectl -n {namespace} scale deployment/{controller} --replicas=0" for controller in holders
    )
    return (
        f"Flux is at work in this cluster: {running}; both would reconcile the same objects. Scale it down first, "
        f"or leave these controllers to it with --controllers:\n{commands}"
    )
