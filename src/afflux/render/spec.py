"""What a render depends on beside the files."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from afflux.objects.manifest import Json, Manifest


@dataclass(frozen=True)
class RenderSpec:
    """A Kustomization's ``spec`` as JSON, and what the caller read from the cluster for it. Picklable.

    ``variables`` come from ``substituteFrom``, in order, later ones winning; the spec's own ``substitute`` overrides
    them.
    ``owner_labels`` are set on every object before ``commonMetadata``, so that both are final.
    """

    spec: Manifest
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    owner_labels: Mapping[str, str] = field(default_factory=dict)
    strict_fields: bool = False
    strict_substitution: bool = True

    def text(self, name: str) -> str:
        """A string field of the spec, or the empty string."""
        value = self.spec.get(name)
        return value if isinstance(value, str) else ""

    def entries(self, name: str) -> list[Json]:
        """A list field of the spec, or an empty list."""
        value = self.spec.get(name)
        return value if isinstance(value, list) else []

    def section(self, name: str) -> Manifest:
        """An object field of the spec, or an empty one."""
        value = self.spec.get(name)
        return value if isinstance(value, dict) else {}
