"""Which Pods mount which claims."""

from __future__ import annotations

from afflux.controlplane.simulation.decisions import CLAIM
from afflux.controlplane.simulation.view import Place


class ClaimUsers:
    """An index from claims to the Pods that name them."""

    def __init__(self) -> None:
        self._users: dict[Place, set[Place]] = {}
        self._claims: dict[Place, tuple[Place, ...]] = {}

    def note(self, pod: Place, claims: list[str]) -> tuple[Place, ...]:
        """A Pod mounts these claims; a Pod's claims never change."""
        if pod not in self._claims and claims:
            self._claims[pod] = tuple(Place(CLAIM, pod.namespace, name) for name in claims)
            for claim in self._claims[pod]:
                self._users.setdefault(claim, set()).add(pod)
        return self._claims.get(pod, ())

    def forget(self, pod: Place) -> tuple[Place, ...]:
        """A Pod is gone; the claims that it had come back."""
        claims = self._claims.pop(pod, ())
        for claim in claims:
            users = self._users[claim]
            users.discard(pod)
            if not users:
                del self._users[claim]
        return claims

    def of(self, claim: Place) -> tuple[Place, ...]:
        """The Pods that mount a claim."""
        return tuple(self._users.get(claim, ()))
