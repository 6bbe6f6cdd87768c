"""How users make simulated workloads fail: images and annotations (see docs/reference/simulation.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from afflux.lang.duration import InvalidDuration, parse_duration
from afflux.objects.manifest import Json, Manifest, annotations_of

Fault = Literal["", "image-pull", "crash-loop", "never-ready", "progress-deadline", "job-failed"]

PREFIX: Final = "sim.gitops/"
FAIL: Final = f"{PREFIX}fail"
READY_AFTER: Final = f"{PREFIX}ready-after"
FLAP: Final = f"{PREFIX}flap"
NO_ADDRESS: Final = f"{PREFIX}no-address"
ON_SCHEDULE: Final = f"{PREFIX}on-schedule"
_FAULTS: Final = ("image-pull", "crash-loop", "never-ready", "progress-deadline", "job-failed")

BAD_IMAGES: Final = (r"(^|[/:-])bad([:@-]|$)", r"doesnotexist", r":broken$")
"""Images that can't be pulled: ``bad`` as a name, tag or part of one, ``doesnotexist`` anywhere, the tag ``broken``."""
_BAD_IMAGE = re.compile("|".join(BAD_IMAGES))


@dataclass(frozen=True, slots=True)
class Fate:
    """What is to become of a Pod. ``ready_after`` and ``flap`` are seconds; None: as every Pod."""

    fault: Fault = ""
    ready_after: float | None = None
    flap: float | None = None


def is_bad_image(image: Json) -> bool:
    """Whether an image is one that the simulated registry doesn't have."""
    return isinstance(image, str) and _BAD_IMAGE.search(image) is not None


def fate_of(pod: Manifest) -> Fate:
    """From the Pod's annotations, then its images."""
    annotations = annotations_of(pod)
    fault = annotations.get(FAIL, "")
    if fault not in _FAULTS:
        spec = pod.get("spec") or {}
        containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
        fault = "image-pull" if any(is_bad_image(one.get("image")) for one in containers) else ""
    return Fate(cast(Fault, fault), _seconds(annotations, READY_AFTER), _seconds(annotations, FLAP))


def inherited(owner: Manifest) -> dict[str, str]:
    """The annotations of a workload that its Pods take over."""
    return {name: value for name, value in annotations_of(owner).items() if name.startswith(PREFIX)}


def _seconds(annotations: Mapping[str, str], name: str) -> float | None:
    text = annotations.get(name)
    if not text:
        return None
    try:
        return parse_duration(text)
    except InvalidDuration:
        # A typo in a switch of the simulation must not stop it: the Pod behaves as every other.
        return None
