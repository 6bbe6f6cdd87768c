"""``healthCheckExprs``: the user's own idea of when a kind is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from afflux import offload
from afflux.lang.cel import CelError, Program, compile_expression
from afflux.manifests.readiness import Readiness, Status, readiness
from afflux.objects.manifest import Manifest, metadata_of

_SECONDS = 5.0
"""For one object: an expression can be made to take any time and memory, so that it is evaluated in a worker."""
_FIELDS = ("apiVersion", "kind", "metadata", "spec", "status", "data", "immutable", "rules")


@dataclass(frozen=True, slots=True)
class HealthExpressions:
    """For one kind (every kind of the API version where ``kind`` is empty): CEL over the object's fields."""

    api_version: str
    kind: str
    current: str
    in_progress: str = ""
    failed: str = ""

    def applies_to(self, manifest: Manifest) -> bool:
        """Whether they are about this object's kind."""
        return manifest.get("apiVersion") == self.api_version and self.kind in ("", manifest.get("kind"))


class _Judge:
    """The compiled expressions of one kind, in the order in which they are asked."""

    def __init__(self, source: HealthExpressions) -> None:
        asked: tuple[tuple[Status, str], ...] = (
            ("InProgress", source.in_progress),
            ("Failed", source.failed),
            ("Current", source.current),
        )
        self._programs = [(status, compile_expression(text, _FIELDS, check=False)) for status, text in asked if text]

    def judge(self, manifest: Manifest) -> Readiness:
        observed = (manifest.get("status") or {}).get("observedGeneration")
        if observed is not None and observed != metadata_of(manifest).get("generation"):
            return Readiness("InProgress", "the controller has not seen the last change yet")
        for status, program in self._programs:
            try:
                if _is_true(program, manifest):
                    return Readiness(status, "")
            except CelError as error:
                return Readiness("InProgress", f"health expression: {error}")
        return Readiness("InProgress", "")


@lru_cache(maxsize=64)
def _judge_of(source: HealthExpressions) -> _Judge:
    return _Judge(source)


def judged(source: HealthExpressions, manifest: Manifest) -> Readiness:
    """What expressions say about an object; for a worker. Raises `CelError` for one that can't be compiled."""
    return _judge_of(source).judge(manifest)


def _is_true(program: Program, manifest: Manifest) -> bool:
    return program.evaluate({name: value for name, value in manifest.items() if name in _FIELDS}) is True


class Assessor:
    """Readiness by the user's expressions where there are any for an object, by its kind's own rules elsewhere.

    Raises `CelError` for an expression that can't be compiled.
    """

    def __init__(self, expressions: Sequence[HealthExpressions] = ()) -> None:
        self._sources = tuple(expressions)
        self._given_up: dict[HealthExpressions, Readiness] = {}
        self._one_at_a_time = asyncio.Lock()
        for source in self._sources:
            _judge_of(source)

    def __call__(self, manifest: Manifest) -> Readiness | Awaitable[Readiness]:
        source = next((one for one in self._sources if one.applies_to(manifest)), None)
        return readiness(manifest) if source is None else self._judged_apart(source, manifest)

    async def _judged_apart(self, source: HealthExpressions, manifest: Manifest) -> Readiness:
        """Expressions that went on and on for one object aren't asked about the next: there may be thousands."""
        async with self._one_at_a_time:
            if source not in self._given_up:
                try:
                    return await offload.run_within(_SECONDS, judged, source, manifest)
                except (offload.TaskFailed, MemoryError) as error:
                    self._given_up[source] = Readiness("InProgress", f"health expression: {error}")
            return self._given_up[source]
