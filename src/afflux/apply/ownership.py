"""Whose an object is (labels), and whose its fields are (managedFields)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from afflux.apply import directives
from afflux.manifests.field_set import fields_v1, parse_fields_v1
from afflux.objects.manifest import Json, Manifest, annotations_of, labels_of, metadata_of

_OBSOLETE_ANNOTATIONS = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "kustomize.toolkit.fluxcd.io/checksum",
    "fluxcd.io/sync-checksum",
)
_OBSOLETE_LABELS = ("fluxcd.io/sync-gc-mark",)


@dataclass(frozen=True)
class Owner:
    """Who applies: the field manager, and the labels by which its objects are known again."""

    field_manager: str
    label_group: str
    name: str
    namespace: str

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object that this owner applies."""
        return {f"{self.label_group}/name": self.name, f"{self.label_group}/namespace": self.namespace}

    def owns(self, live: Manifest) -> bool:
        """Whether a live object still carries this owner's labels."""
        labels = labels_of(live)
        return all(labels.get(key) == value for key, value in self.labels.items())


@dataclass(frozen=True)
class Predecessor:
    """A manager whose fields are taken over: those whose name starts with ``prefix``, for one kind of operation."""

    prefix: str
    operation: str


def predecessors(field_manager: str, overridden: tuple[str, ...] = ()) -> tuple[Predecessor, ...]:
    """Whose fields an apply takes over, so that what was set by hand is removed by it (Flux's list)."""
    known = (
        Predecessor("kubectl", "Apply"),
        Predecessor("kubectl", "Update"),
        Predecessor("before-first-apply", "Update"),
        Predecessor(field_manager, "Update"),
    )
    return known + tuple(Predecessor(name, operation) for name in overridden for operation in ("Apply", "Update"))


def takeover_patch(
    desired: Manifest, live: Manifest, field_manager: str, taken: tuple[Predecessor, ...]
) -> list[dict[str, Json]]:
    """The JSON patch that removes obsolete marks and hands the predecessors' fields to ``field_manager``.

    Empty where there is nothing to do, or where the object asks for `ssa: Merge`.
    """
    if directives.says(desired, directives.MERGE) or directives.says(live, directives.MERGE):
        return []
    patch = [*_removals("annotations", annotations_of(live), _OBSOLETE_ANNOTATIONS)]
    patch += _removals("labels", labels_of(live), _OBSOLETE_LABELS)
    entries = metadata_of(live).get("managedFields") or []
    merged = _taken_over(entries, field_manager, taken)
    if merged is not None:
        patch.append({"op": "replace", "path": "/metadata/managedFields", "value": merged})
    if patch:
        # Without it a write in between would get our idea of its managedFields.
        version = metadata_of(live).get("resourceVersion")
        patch.append({"op": "replace", "path": "/metadata/resourceVersion", "value": version})
    return patch


def _removals(where: str, present: dict[str, str], obsolete: tuple[str, ...]) -> Iterator[dict[str, Json]]:
    for key in obsolete:
        if key in present:
            yield {"op": "remove", "path": f"/metadata/{where}/{key.replace('~', '~0').replace('/', '~1')}"}


def _taken_over(entries: list[Manifest], field_manager: str, taken: tuple[Predecessor, ...]) -> list[Manifest] | None:
    """The entries with the predecessors' merged into ours, which comes last; None where there is none to take."""
    ours: Manifest | None = next((entry for entry in entries if _is_ours(entry, field_manager)), None)
    kept: list[Manifest] = []
    found = False
    for entry in entries:
        if _is_ours(entry, field_manager):
            continue
        if not _matches(entry, taken):
            kept.append(entry)
            continue
        found = True
        ours = {**entry, "manager": field_manager, "operation": "Apply"} if ours is None else _merged(ours, entry)
    return [*kept, ours] if found and ours is not None else None


def _is_ours(entry: Manifest, field_manager: str) -> bool:
    return entry.get("manager") == field_manager and entry.get("operation") == "Apply" and not entry.get("subresource")


def _matches(entry: Manifest, taken: tuple[Predecessor, ...]) -> bool:
    if entry.get("subresource"):
        return False
    manager, operation = str(entry.get("manager", "")), entry.get("operation")
    return any(operation == one.operation and manager.startswith(one.prefix) for one in taken)


def _merged(ours: Manifest, theirs: Manifest) -> Manifest:
    fields = parse_fields_v1(ours.get("fieldsV1") or {}) | parse_fields_v1(theirs.get("fieldsV1") or {})
    return {**ours, "fieldsV1": fields_v1(fields)}
