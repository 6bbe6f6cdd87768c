"""The arithmetic of rolling from one ReplicaSet to the next: who may grow, who must shrink."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from afflux.controlplane.simulation.decisions import counter, is_going, replicas_of, seconds_of
from afflux.controlplane.simulation.templates import same_template
from afflux.objects.manifest import Json, Manifest, annotations_of

REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True, slots=True)
class Rollout:
    """A Deployment with its ReplicaSets sorted out. ``current`` has the Deployment's template; ``old`` by age."""

    deployment: Manifest
    current: Manifest | None
    old: tuple[Manifest, ...]
    replicas: int
    max_surge: int
    max_unavailable: int
    recreate: bool

    @property
    def all_sets(self) -> tuple[Manifest, ...]:
        """Old ones first."""
        return self.old if self.current is None else (*self.old, self.current)

    @property
    def revision(self) -> int:
        """The revision that the current set must have: above all old ones."""
        above = max((revision_of(each) for each in self.old), default=0) + 1
        return max(above, revision_of(self.current) if self.current is not None else 0)


def read_rollout(deployment: Manifest, sets: Sequence[Manifest]) -> Rollout:
    """Sort a Deployment's ReplicaSets out; sets that are going are counted as old."""
    spec = deployment["spec"]
    by_age = sorted(sets, key=lambda each: (seconds_of(each["metadata"].get("creationTimestamp")), revision_of(each)))
    template = spec["template"]
    current = next(
        (each for each in by_age if not is_going(each) and same_template(each["spec"]["template"], template)), None
    )
    strategy = spec.get("strategy") or {}
    recreate = strategy.get("type") == "Recreate"
    replicas = replicas_of(deployment)
    surge, unavailable = _limits(strategy.get("rollingUpdate") or {}, replicas)
    return Rollout(
        deployment=deployment,
        current=current,
        old=tuple(each for each in by_age if each is not current),
        replicas=replicas,
        max_surge=0 if recreate else surge,
        max_unavailable=replicas if recreate else unavailable,
        recreate=recreate,
    )


def _limits(rolling: Manifest, replicas: int) -> tuple[int, int]:
    surge = _resolved(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = _resolved(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    # Something must be allowed to move.
    return (surge, unavailable) if surge or unavailable else (0, 1)


def _resolved(value: Json, replicas: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    share = int(str(value).rstrip("%") or 0) * replicas / 100
    return math.ceil(share) if up else math.floor(share)


def revision_of(replica_set: Manifest) -> int:
    """The revision noted on a ReplicaSet (or Deployment); 0 where none is."""
    text = annotations_of(replica_set).get(REVISION, "")
    return int(text) if text.isdecimal() else 0


def target_sizes(rollout: Rollout) -> dict[str, int]:
    """For each ReplicaSet, by uid, how many replicas it should be asked for now."""
    sizes = {each["metadata"]["uid"]: replicas_of(each) for each in rollout.all_sets}
    if rollout.recreate:
        sizes.update({each["metadata"]["uid"]: 0 for each in rollout.old})
    elif rollout.current is not None:
        sizes.update(_shrunk(rollout))
    if rollout.current is not None:
        sizes[rollout.current["metadata"]["uid"]] = grown(rollout, replicas_of(rollout.current))
    return sizes


def grown(rollout: Rollout, size: int) -> int:
    """The size of the current set: as much of the rest as the surge allows; ``size`` is what it has."""
    if size >= rollout.replicas:
        return rollout.replicas
    if rollout.recreate:
        return rollout.replicas
    total = size + sum(replicas_of(each) for each in rollout.old)
    room = rollout.replicas + rollout.max_surge - total
    return min(size + max(room, 0), rollout.replicas)


def _shrunk(rollout: Rollout) -> dict[str, int]:
    """Old sets give up what is broken first, then what the available replicas allow."""
    assert rollout.current is not None
    sizes = {each["metadata"]["uid"]: replicas_of(each) for each in rollout.old}
    new_size = replicas_of(rollout.current)
    least = rollout.replicas - rollout.max_unavailable
    new_unavailable = new_size - counter(rollout.current, "availableReplicas")
    budget = sum(sizes.values()) + new_size - least - new_unavailable
    for each in rollout.old:
        uid = each["metadata"]["uid"]
        broken = max(sizes[uid] - counter(each, "availableReplicas"), 0)
        cut = min(broken, max(budget, 0))
        sizes[uid], budget = sizes[uid] - cut, budget - cut
    spare = sum(counter(each, "availableReplicas") for each in rollout.all_sets) - least
    spare = min(spare, budget)
    for each in rollout.old:
        uid = each["metadata"]["uid"]
        cut = min(sizes[uid], max(spare, 0))
        sizes[uid], spare = sizes[uid] - cut, spare - cut
    return sizes
