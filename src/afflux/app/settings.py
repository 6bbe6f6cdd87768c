"""How one process runs. The only reader of environment and flags: everything below gets values."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from afflux.lang.duration import parse_duration
from afflux.runtime.lease import InvalidTimes, LeaseTimes

CONTROLLERS = ("source", "kustomize")
"""The controllers of Flux that this Afflux runs, by the names that ``--controllers`` takes."""


class SettingsError(Exception):
    """A flag or variable that can't be used; the message names it."""


@dataclass(frozen=True)
class Settings:
    """What the controllers of one process need to know. Times in seconds, addresses as ``host:port``."""

    data_dir: Path
    kubeconfig: Path | None = None
    context: str | None = None
    controllers: tuple[str, ...] = CONTROLLERS
    namespace: str = "flux-system"
    storage_address: str = "127.0.0.1:0"
    advertised_address: str | None = None
    metrics_address: str = "127.0.0.1:0"
    health_address: str = "127.0.0.1:0"
    concurrent: int = 16
    requeue_dependency: float = 30.0
    interval_jitter_percentage: int = 5
    artifact_retention_ttl: float = 60.0
    artifact_retention_records: int = 2
    no_cross_namespace_refs: bool = False
    field_validation_strict: bool = False
    stand_in: bool = False
    log_level: str = "info"
    log_encoding: str = "json"
    log_files: Mapping[str, Path] = field(default_factory=dict)
    election: LeaseTimes | None = None
    """Leader election by Flux's Leases; None: whoever starts this process sees to it that there is one."""
    release_on_cancel: bool = True
    take_over: bool = False


def controllers_of(text: str) -> tuple[str, ...]:
    """The value of ``--controllers``: names with or without ``-controller``, separated by commas."""
    names = tuple(name.strip().removesuffix("-controller") for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in CONTROLLERS]
    if unknown or not names:
        raise SettingsError(
            f"--controllers: {', '.join(unknown) or 'no name'} is not a controller of this Afflux; "
            f"choose from {', '.join(CONTROLLERS)}"
        )
    return names


def seconds_of(flag: str, text: str) -> float:
    """A duration flag in seconds (Go's syntax: ``30s``, ``1m30s``)."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise SettingsError(f"{flag}: {error}") from error


def election_of(enabled: bool, duration: str, renew_deadline: str, retry_period: str) -> LeaseTimes | None:
    """The flags of leader election, by Flux's names."""
    prefix = "--leader-election"
    times = LeaseTimes(
        seconds_of(f"{prefix}-lease-duration", duration),
        seconds_of(f"{prefix}-renew-deadline", renew_deadline),
        seconds_of(f"{prefix}-retry-period", retry_period),
    )
    try:
        return times.checked() if enabled else None
    except InvalidTimes as error:
        raise SettingsError(str(error)) from error


def environment() -> dict[str, str]:
    """The process's environment, for those who must read it."""
    return dict(os.environ)
