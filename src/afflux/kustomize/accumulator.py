"""What a kustomization has gathered: resources, field specifications, variables."""

from dataclasses import dataclass, field

from afflux.kustomize.errors import TransformationFailed
from afflux.kustomize.kustomization_file import Var
from afflux.kustomize.provenance import Note
from afflux.kustomize.resource import Resource
from afflux.kustomize.resource_map import ResourceMap
from afflux.kustomize.scalars import Quoted, text_of
from afflux.kustomize.transformer_config import EMPTY, TransformerConfig
from afflux.kustomize.variables import add_variables
from afflux.objects.manifest import Json


@dataclass(slots=True)
class Accumulation:
    """The result of a kustomization so far; components go on with their parent's."""

    resources: ResourceMap = field(default_factory=ResourceMap)
    config: TransformerConfig = EMPTY
    variables: dict[str, Var] = field(default_factory=dict)

    def take(self, other: "Accumulation") -> None:
        """Puts a base's result to this one. Raises where two resources or variables are one."""
        self.resources.append_all(other.resources)
        self.config = self.config.merged(other.config)
        add_variables(self.variables, other.variables.values())

    def absorb(self, resource: Resource, note: Note | None) -> None:
        """Puts a generated resource to the others: as a new one, or merged into or put for the one of its id."""
        if note is not None and resource.origin_note is None:
            resource.origin_note = note
        current = resource.id
        matches = self.resources.with_any(current)
        if not matches:
            if resource.behavior in ("merge", "replace"):
                raise TransformationFailed(f"id {current} does not exist; cannot merge or replace")
            self.resources.append(resource)
            return
        if len(matches) > 1:
            raise TransformationFailed(f"found multiple objects {matches} that could accept merge of {current}")
        if resource.behavior not in ("merge", "replace"):
            raise TransformationFailed(
                f"id {current} exists; can not use behavior: '{resource.behavior}', behavior must be merge or replace"
            )
        _take_over(resource, matches[0])
        self.resources.replace(matches[0], resource)


def _take_over(new: Resource, old: Resource) -> None:
    """What a generated resource keeps of the one that it merges with or replaces."""
    is_merge = new.behavior == "merge"
    for name in ("labels", "annotations"):
        new.set_texts(name, {key: Quoted(text) for key, text in {**old.texts(name), **new.texts(name)}.items()})
    new.needs_hash = new.needs_hash and old.needs_hash
    new.behavior = old.behavior
    new.previous, new.prefixes, new.suffixes = old.previous, old.prefixes, old.suffixes
    new.var_names = old.var_names
    new.rename(old.name)
    new.set_namespace(old.namespace)
    if is_merge:
        new.origin_note = old.origin_note or new.origin_note
        for name in ("data", "binaryData"):
            _merge_texts(new, old, name)


def _merge_texts(new: Resource, old: Resource, name: str) -> None:
    merged = {**_texts(old.manifest.get(name)), **_texts(new.manifest.get(name))}
    new.manifest.pop(name, None)
    if merged:
        new.manifest[name] = {key: Quoted(text) if "\n" in text else text for key, text in merged.items()}


def _texts(value: Json) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {key: "" if item is None else text_of(item) for key, item in value.items()}
