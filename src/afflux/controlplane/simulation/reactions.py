"""Which objects must be looked at again when one has changed."""

from __future__ import annotations

from collections.abc import Iterator

from afflux.controlplane.simulation.claim_users import ClaimUsers
from afflux.controlplane.simulation.decisions import (
    API_SERVICE,
    AUTOSCALER,
    CLAIM,
    DAEMON_SET,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    ENDPOINT_SLICE,
    ENDPOINTS,
    NODE,
    POD,
    SERVICE,
    STATEFUL_SET,
    STORAGE_CLASS,
    VOLUME,
    controller_of,
    is_going,
)
from afflux.controlplane.simulation.pods import is_ready
from afflux.controlplane.simulation.services import selects
from afflux.controlplane.simulation.view import Place, View, place_of
from afflux.controlplane.simulation.volumes import claims_of
from afflux.objects.identity import GroupVersionKind, parse_api_version
from afflux.objects.manifest import Manifest, labels_of


def affected(view: View, users: ClaimUsers, new: Manifest, before: Manifest | None) -> Iterator[Place]:
    """The places to look at when an object has become ``new`` (or has gone, as ``new`` was its last state)."""
    place = place_of(new)
    yield place
    owner = controller_of(new)
    if owner is not None:
        group, version = parse_api_version(str(owner.get("apiVersion") or ""))
        yield Place(GroupVersionKind(group, version, str(owner.get("kind"))), place.namespace, str(owner.get("name")))
    if place.gvk == POD:
        yield from _around_pod(view, users, place, new, before)
    elif place.gvk in (CLAIM, VOLUME, STORAGE_CLASS):
        yield from _around_storage(view, users, place, new)
    elif place.gvk == ENDPOINTS:
        yield Place(SERVICE, place.namespace, place.name)
    elif place.gvk == ENDPOINT_SLICE:
        yield Place(SERVICE, place.namespace, labels_of(new).get("kubernetes.io/service-name", ""))
    elif place.gvk in (DEPLOYMENT, STATEFUL_SET):
        yield from (place_of(each) for each in view.in_namespace(AUTOSCALER, place.namespace))
    elif place.gvk == SERVICE and (before is None or is_going(new)):
        yield from (place_of(each) for each in view.all_of(API_SERVICE))
    elif place.gvk == NODE and before is None:
        yield from (place_of(each) for each in view.all_of(DAEMON_SET))


def _around_pod(view: View, users: ClaimUsers, place: Place, new: Manifest, before: Manifest | None) -> Iterator[Place]:
    claims = users.note(place, claims_of(new))
    if before is None:
        yield from claims
    elif _looks(new) == _looks(before):
        return
    for service in view.in_namespace(SERVICE, place.namespace):
        if selects(service, labels_of(new)) or (before is not None and selects(service, labels_of(before))):
            yield place_of(service)
    for budget in view.in_namespace(DISRUPTION_BUDGET, place.namespace):
        yield place_of(budget)


def _looks(pod: Manifest) -> tuple[object, ...]:
    """What others see of a Pod."""
    return is_ready(pod), is_going(pod), (pod.get("status") or {}).get("podIP"), labels_of(pod)


def _around_storage(view: View, users: ClaimUsers, place: Place, new: Manifest) -> Iterator[Place]:
    if place.gvk == CLAIM:
        yield from users.of(place)
        volume = (new.get("spec") or {}).get("volumeName") or f"pvc-{new['metadata']['uid']}"
        yield Place(VOLUME, "", volume)
    elif place.gvk == VOLUME:
        claim = (new.get("spec") or {}).get("claimRef") or {}
        if claim.get("name"):
            yield Place(CLAIM, str(claim.get("namespace")), str(claim["name"]))
    else:
        yield from (place_of(each) for each in view.all_of(CLAIM))
