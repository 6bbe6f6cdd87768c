"""Whether Flux's own controllers are at work in a cluster, so that two never reconcile the same objects."""

from collections.abc import Mapping, Sequence

from afflux.kube.client import KubeClient, Selection
from afflux.kube.errors import Forbidden
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Manifest, metadata_of

_DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")
_PART_OF_FLUX = "app.kubernetes.io/part-of=flux"


class FluxIsRunning(Exception):
    """A controller that we were asked to run is Flux's already; the message says what to scale down."""


async def refuse_beside_flux(client: KubeClient, controllers: Sequence[str], namespace: str) -> None:
    """Raises ``FluxIsRunning`` where a Deployment of Flux runs one of the controllers, or is asked to.

    Looks into all namespaces, or where that is forbidden into ``namespace``.
    """
    try:
        found = await client.list(_DEPLOYMENT, Selection(label_selector=_PART_OF_FLUX))
    except Forbidden:
        found = await client.list(_DEPLOYMENT, Selection(namespace, _PART_OF_FLUX))
    running = [one for one in found.items if _name(one) in controllers and is_running(one)]
    if running:
        raise FluxIsRunning(
            advice(
                {f"{_namespace(one)}/{_name(one)}": "its Deployment has replicas" for one in running},
                [(_namespace(one), _name(one)) for one in running],
            )
        )


def is_running(deployment: Manifest) -> bool:
    """Whether a Deployment has Pods, or will have."""
    wanted = (deployment.get("spec") or {}).get("replicas", 1)
    return bool(wanted) or bool((deployment.get("status") or {}).get("replicas"))


def refusal(holders: Mapping[str, str], namespace: str) -> FluxIsRunning:
    """The refusal for Leases whose holders are alive and no Afflux, by the Leases' names."""
    controllers = [lease.removesuffix("-leader-election") for lease in holders]
    return FluxIsRunning(
        advice(
            {name: f"Lease held by {holder}" for name, holder in zip(controllers, holders.values(), strict=True)},
            [(namespace, name) for name in controllers],
        )
    )


def advice(running: Mapping[str, str], deployments: Sequence[tuple[str, str]]) -> str:
    """What runs, by what it is seen, and what to do about it."""
    what = ", ".join(f"{name} ({why})" for name, why in running.items())
    commands = "\n".join(f"  kubectl -n {space} scale deployment/{name} --replicas=0" for space, name in deployments)
    return (
        f"Flux is at work in this cluster: {what}; both would reconcile the same objects. Scale it down first, leave "
        f"these controllers to it with --controllers, or take over from it with --take-over:\n{commands}"
    )


def _name(deployment: Manifest) -> str:
    return str(metadata_of(deployment)["name"])


def _namespace(deployment: Manifest) -> str:
    return str(metadata_of(deployment)["namespace"])
