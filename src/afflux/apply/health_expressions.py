"""``healthCheckExprs``: the user's own idea of when a kind is ready."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from afflux.lang.cel import CelError, Program, compile_expression
from afflux.manifests.readiness import Readiness, Status, readiness
from afflux.objects.manifest import Manifest, metadata_of

_FIELDS = ("apiVersion", "kind", "metadata", "spec", "status", "data", "immutable", "rules")


@dataclass(frozen=True, slots=True)
class HealthExpressions:
    """For one kind (every kind of the API version where ``kind`` is empty): CEL over the object's fields."""

    api_version: str
    kind: str
    current: str
    in_progress: str = ""
    failed: str = ""


class _Judge:
    """The compiled expressions of one kind, in the order in which they are asked."""

    def __init__(self, source: HealthExpressions) -> None:
        asked: tuple[tuple[Status, str], ...] = (
            ("InProgress", source.in_progress),
            ("Failed", source.failed),
            ("Current", source.current),
        )
        self._programs = [(status, compile_expression(text, _FIELDS, check=False)) for status, text in asked if text]
        self.api_version, self.kind = source.api_version, source.kind

    def applies_to(self, manifest: Manifest) -> bool:
        return manifest.get("apiVersion") == self.api_version and self.kind in ("", manifest.get("kind"))

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


def _is_true(program: Program, manifest: Manifest) -> bool:
    return program.evaluate({name: value for name, value in manifest.items() if name in _FIELDS}) is True


class Assessor:
    """Readiness by the user's expressions where there are any for an object, by its kind's own rules elsewhere.

    Raises `CelError` for an expression that can't be compiled.
    """

    def __init__(self, expressions: Sequence[HealthExpressions] = ()) -> None:
        self._judges = [_Judge(one) for one in expressions]

    def __call__(self, manifest: Manifest) -> Readiness:
        judge = next((one for one in self._judges if one.applies_to(manifest)), None)
        return readiness(manifest) if judge is None else judge.judge(manifest)
