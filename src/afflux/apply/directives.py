"""What labels and annotations of an object say about how it is to be applied and pruned.

Each directive counts as a label or an annotation; its value is compared without regard to case (Flux's
AnyInMetadata).
"""

from collections.abc import Mapping

from afflux.objects.manifest import Manifest, annotations_of, labels_of

_GROUP = "kustomize.toolkit.fluxcd.io"

Directive = Mapping[str, str]

RECONCILE_DISABLED: Directive = {f"{_GROUP}/reconcile": "disabled"}
IGNORED: Directive = {**RECONCILE_DISABLED, f"{_GROUP}/ssa": "ignore"}
IF_NOT_PRESENT: Directive = {f"{_GROUP}/ssa": "ifnotpresent"}
MERGE: Directive = {f"{_GROUP}/ssa": "merge"}
FORCE: Directive = {f"{_GROUP}/force": "enabled"}
KEPT: Directive = {**IGNORED, f"{_GROUP}/prune": "disabled"}


def says(manifest: Manifest | None, directive: Directive) -> bool:
    """Whether the object carries one of the directive's labels or annotations."""
    if manifest is None:
        return False
    labels, annotations = labels_of(manifest), annotations_of(manifest)
    return any(
        str(metadata.get(key, "")).lower() == value
        for key, value in directive.items()
        for metadata in (labels, annotations)
    )


def decides(desired: Manifest) -> bool:
    """Whether the manifest itself says something about being left alone, whatever its value: then what the live object
    says can't be told from a dry run, which shows ours in its place."""
    present = labels_of(desired).keys() | annotations_of(desired).keys()
    return not present.isdisjoint(IGNORED)


def skips_apply(desired: Manifest, live: Manifest | None) -> bool:
    """Whether the object is left as it is (`reconcile: disabled`, `ssa: Ignore`, `ssa: IfNotPresent` of a live one)."""
    if says(desired, IGNORED) or says(live, IGNORED):
        return True
    return live is not None and says(desired, IF_NOT_PRESENT)


def forces_recreation(desired: Manifest, live: Manifest | None) -> bool:
    """Whether an immutable field may cost the object its life (`force: enabled`)."""
    return says(desired, FORCE) or says(live, FORCE)
