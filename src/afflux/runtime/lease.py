"""A Lease as a record: what is in it, when it has run out, and what is written to take, renew or release it.

The rules are those of client-go's leader election. The clock of another machine is never compared with ours: a record
is valid for as long as its holder promised, counted from the moment we first saw it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from afflux.kube.client import Target
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Json, Manifest, metadata_of

LEASE = GroupVersionKind("coordination.k8s.io", "v1", "Lease")
_OURS = "afflux/"
"""What our holders begin with. Flux's are ``<host>_<uuid>``, and a host's name has no slash."""

_JITTER = 1.2
"""client-go asks that this many retry periods fit into the renew deadline."""


class InvalidTimes(ValueError):
    """Times that can't work; the message names the flag."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds, under the names and with the defaults of Flux's flags."""

    duration: float = 35.0
    renew_deadline: float = 30.0
    retry_period: float = 5.0

    def checked(self) -> "LeaseTimes":
        """Itself; raises ``InvalidTimes``."""
        if self.duration < 1 or self.duration != int(self.duration):
            raise InvalidTimes("--leader-election-lease-duration must be whole seconds, at least 1s")
        if self.renew_deadline >= self.duration:
            raise InvalidTimes("--leader-election-renew-deadline must be less than --leader-election-lease-duration")
        if self.retry_period <= 0 or self.retry_period * _JITTER >= self.renew_deadline:
            raise InvalidTimes(
                "--leader-election-retry-period must be more than 0s, and 1.2 times it less than "
                "--leader-election-renew-deadline"
            )
        return self


def our_holder(host: str, unique: str) -> str:
    """The identity that a process of ours holds Leases by."""
    return f"{_OURS}{host}_{unique}"


def is_ours(holder: str) -> bool:
    """Whether a holder is an Afflux."""
    return holder.startswith(_OURS)


class LeaseRecord(NamedTuple):
    """What a Lease says. ``holder`` is empty where it is released; times are as written, nobody compares them."""

    holder: str = ""
    duration: float = 0.0
    transitions: int = 0
    acquired: str = ""
    renewed: str = ""


def record_of(lease: Manifest) -> LeaseRecord:
    """The record in a Lease; what isn't readable counts as absent."""
    spec: Json = lease.get("spec") or {}
    return LeaseRecord(
        str(spec.get("holderIdentity") or ""),
        float(spec.get("leaseDurationSeconds") or 0),
        int(spec.get("leaseTransitions") or 0),
        str(spec.get("acquireTime") or ""),
        str(spec.get("renewTime") or ""),
    )


class Sighting(NamedTuple):
    """A Lease as last read, its record, and when (by our clock) that record was first seen."""

    lease: Manifest
    record: LeaseRecord
    seen: float

    def valid_for(self, now: float) -> float:
        """Seconds for which the holder may still act; 0 where there is none."""
        return max(0.0, self.seen + self.record.duration - now) if self.record.holder else 0.0


def sighted(before: Sighting | None, lease: Manifest, now: float) -> Sighting:
    """What is known after the Lease was read. A record that changed is a sign of life, whatever it says."""
    record = record_of(lease)
    unchanged = before is not None and before.record == record
    return Sighting(lease, record, before.seen if before is not None and unchanged else now)


def claimed(record: LeaseRecord, holder: str, duration: float, now: datetime) -> LeaseRecord:
    """The record by which ``holder`` takes or renews a Lease."""
    renewed = record._replace(holder=holder, duration=duration, renewed=micro_time(now))
    if record.holder == holder:
        return renewed
    transitions = record.transitions + 1 if record != LeaseRecord() else 0
    return renewed._replace(acquired=micro_time(now), transitions=transitions)


def released(record: LeaseRecord, now: datetime) -> LeaseRecord:
    """The record that leaves a Lease to whoever comes first."""
    moment = micro_time(now)
    return record._replace(holder="", duration=1.0, acquired=moment, renewed=moment)


def lease_with(target: Target, lease: Manifest | None, record: LeaseRecord) -> Manifest:
    """The Lease to write: as it was read (with its resource version, so that nobody is overwritten), or a new one."""
    spec: Json = dict((lease or {}).get("spec") or {})
    spec |= {
        "holderIdentity": record.holder or None,
        "leaseDurationSeconds": int(record.duration),
        "leaseTransitions": record.transitions,
        "acquireTime": record.acquired,
        "renewTime": record.renewed,
    }
    metadata = dict(metadata_of(lease)) if lease else {"name": target.name, "namespace": target.namespace}
    metadata.pop("managedFields", None)
    return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec}


def micro_time(moment: datetime) -> str:
    """Kubernetes' MicroTime."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
