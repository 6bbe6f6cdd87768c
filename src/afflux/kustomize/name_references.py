"""Fields that name other resources follow when those are renamed.

Candidates are found by the name they had. A resource's possible fields are compiled once a kind into a tree of
paths, so that an object is walked once, whatever the number of fields that may refer to something.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from afflux.kustomize.errors import KustomizeError, TransformationFailed
from afflux.kustomize.field_specs import split_path
from afflux.kustomize.resource import Resource
from afflux.kustomize.resource_id import NOT_NAMESPACED, Gvk
from afflux.kustomize.resource_map import ResourceMap
from afflux.kustomize.scalars import is_null, text_of, untagged
from afflux.kustomize.transformer_config import NameReferences
from afflux.objects.manifest import Json

ROLE_REFERENCE = "roleRef/name"


@dataclass(slots=True)
class _Node:
    """A step of the tree of paths: the fields below, and the kinds that the field here may name, in order."""

    below: dict[str, "_Node"] = field(default_factory=dict)
    targets: list[tuple[Gvk, str]] = field(default_factory=list)


def update_references(resources: ResourceMap, references: NameReferences) -> None:
    """Renames references to resources that were renamed. Raises where it isn't clear which one is meant."""
    names = _Names(resources)
    trees: dict[Gvk, _Node] = {}
    for resource in resources:
        referrer = _Referrer(resource, names)
        if not names.renamed:
            continue
        kind = resource.original_id.gvk
        tree = trees.get(kind)
        if tree is None:
            tree = trees[kind] = _tree(references, kind)
        if tree.below:
            referrer.follow(resource.manifest, tree)


class _Names:
    """What may be referred to: resources by the names they had, and which namespaces resources came from."""

    def __init__(self, resources: ResourceMap) -> None:
        self.renamed: dict[str, list[Resource]] = {}
        self._moved: dict[str, set[tuple[str, str]]] = {}
        for resource in resources:
            for name in {name for name, _, _ in resource.previous}:
                self.renamed.setdefault(name, []).append(resource)
            current = resource.id
            before = resource.original_id.effective_namespace
            if not current.gvk.is_cluster_scoped and before != NOT_NAMESPACED:
                self._moved.setdefault(before, set()).add((current.effective_namespace, current.namespace))

    def came_from(self, namespace: str, effective: str, subjects: set[str]) -> bool:
        """Whether anything that a referrer may name came from a namespace. An empty ``effective`` may name all."""
        moved = self._moved.get(namespace, ())
        return any(not effective or now == effective or raw in subjects for now, raw in moved)


def _tree(references: NameReferences, kind: Gvk) -> _Node:
    root = _Node()
    for target, referrers in references:
        for spec in referrers:
            if kind.is_selected(spec.gvk):
                node = root
                for name in split_path(spec.path):
                    node = node.below.setdefault(name.removesuffix("[]").strip(), _Node())
                node.targets.append((target, spec.path))
    return root


class _Referrer:
    """A resource whose references are brought up to date."""

    def __init__(self, resource: Resource, names: _Names) -> None:
        self._resource = resource
        self._names = names
        self._renamed = names.renamed
        current = resource.id
        self._is_cluster_scoped = current.gvk.is_cluster_scoped
        self._namespace = current.effective_namespace
        self._subject_namespaces = _subject_namespaces(resource) if current.gvk.kind == "RoleBinding" else set()

    def follow(self, value: Json, node: _Node) -> None:
        """Walks the object along the tree."""
        if isinstance(value, list):
            for item in value:
                self.follow(item, node)
        elif isinstance(value, dict):
            for name, below in node.below.items():
                if name in value:
                    for target, path in below.targets:
                        self._update(value, name, target, path)
                    if below.below:
                        self.follow(value[name], below)
        elif not is_null(value):
            raise TransformationFailed(
                f"considering fields of object {self._resource.id}: expected sequence or mapping node"
            )

    def _update(self, container: Json, key: str, target: Gvk, path: str) -> None:
        value = container[key]
        try:
            if isinstance(value, dict):
                self._set_mapping(value, target, path)
            elif isinstance(value, list):
                self._set_items(value, target, path)
            elif not is_null(value):
                self._set_scalar(container, key, target, path)
        except KustomizeError as error:
            doing = f"updating name reference in '{path}' field of '{self._resource.id}'"
            raise error.within(f"{doing}: considering field '{path}' of object {self._resource.id}") from None

    def _set_items(self, items: list[Json], target: Gvk, path: str) -> None:
        for index, item in enumerate(items):
            if isinstance(item, dict):
                self._set_mapping(item, target, path)
            elif isinstance(item, list):
                raise TransformationFailed(f"{item} is expected to be either a string or a map of string")
            elif not is_null(item):
                self._set_scalar(items, index, target, path)

    def _set_scalar(self, container: Json, key: Json, target: Gvk, path: str) -> None:
        old = container[key]
        text = text_of(old)
        if text not in self._renamed:
            return
        referral = self._referral(text, self._renamed[text], target, path, _same_name)
        if referral is not None and referral.name != text:
            container[key] = untagged(old, referral.name)

    def _set_mapping(self, mapping: Json, target: Gvk, path: str) -> None:
        if "name" not in mapping:
            raise TransformationFailed("path config error; no 'name' field in node")
        text = text_of(mapping["name"])
        possible = self._renamed.get(text)
        if not possible:
            return
        if "namespace" in mapping:
            possible = self._in_namespace(possible, text_of(mapping["namespace"]))
        referral = self._referral(text, possible, target, path, _same_name_and_namespace)
        if referral is None or (referral.name == text and not referral.namespace):
            return
        mapping["name"] = untagged(mapping["name"], referral.name)
        if referral.namespace:
            mapping["namespace"] = untagged(mapping.get("namespace"), referral.namespace)

    def _in_namespace(self, possible: list[Resource], namespace: str) -> list[Resource]:
        """The candidates that were in a namespace; where no candidate at all was, those that are in it now."""
        own = "" if self._is_cluster_scoped else self._namespace
        if self._names.came_from(namespace, own, self._subject_namespaces):
            return [each for each in possible if each.original_id.effective_namespace == namespace]
        return [each for each in possible if each.id.effective_namespace == namespace]

    def _referral(
        self, name: str, possible: Iterable[Resource], target: Gvk, path: str, same: Callable[[list[Resource]], bool]
    ) -> Resource | None:
        found = [each for each in possible if self._may_refer_to(each) and _was(each, target)]
        role = self._role() if path.endswith(ROLE_REFERENCE) else None
        if role is not None:
            found = [each for each in found if _was(each, role)]
        found = [each for each in found if self._shares_namespace(each)]
        if len(found) == 1:
            return found[0]
        found = [each for each in found if self._shares_affixes(each, allow_empty=True)]
        if len(found) > 1:
            found = [each for each in found if self._shares_affixes(each, allow_empty=False)]
        if not found:
            return None
        if len(found) == 1 or same(found):
            return found[0]
        raise self._ambiguous(found)

    def _may_refer_to(self, candidate: Resource) -> bool:
        if self._is_cluster_scoped:
            return True
        current = candidate.id
        if current.gvk.is_cluster_scoped or current.effective_namespace == self._namespace:
            return True
        return current.namespace in self._subject_namespaces

    def _shares_namespace(self, candidate: Resource) -> bool:
        if self._is_cluster_scoped:
            return True
        current = candidate.id
        if current.gvk.is_cluster_scoped or current.gvk.kind == "ServiceAccount":
            return True
        return current.effective_namespace == self._namespace

    def _shares_affixes(self, candidate: Resource, allow_empty: bool) -> bool:
        own = self._resource
        return _ends_alike(candidate.prefixes, own.prefixes, allow_empty) and _ends_alike(
            candidate.suffixes, own.suffixes, allow_empty
        )

    def _role(self) -> Gvk | None:
        role = self._resource.manifest.get("roleRef")
        if not isinstance(role, dict) or "apiGroup" not in role or "kind" not in role:
            return None
        return Gvk(group=text_of(role["apiGroup"]), kind=text_of(role["kind"]))

    def _ambiguous(self, found: list[Resource]) -> TransformationFailed:
        ids = ", ".join(str(each.id) for each in found)
        places = ", ".join(f"{each.origin.file}:{each.origin.line}" for each in found if each.origin.file)
        return TransformationFailed(f"found multiple possible referrals: {ids}{f' ({places})' if places else ''}")


def _was(resource: Resource, kind: Gvk) -> bool:
    return any(each.gvk.is_selected(kind) for each in resource.previous_ids)


def _ends_alike(left: list[str], right: list[str], allow_empty: bool) -> bool:
    """Whether the shorter list is the end of the longer one; an empty one only matches where that is allowed."""
    shorter = min(len(left), len(right))
    if not shorter:
        return allow_empty or len(left) == len(right)
    return left[-shorter:] == right[-shorter:]


def _same_name(found: list[Resource]) -> bool:
    return len({each.name for each in found}) == 1


def _same_name_and_namespace(found: list[Resource]) -> bool:
    return len({(each.name, each.namespace) for each in found}) == 1


def _subject_namespaces(resource: Resource) -> set[str]:
    """The namespaces of a role binding's service accounts: it may name what is in them."""
    found: set[str] = set()
    subjects = resource.manifest.get("subjects")
    if not isinstance(subjects, list):
        return found
    for subject in subjects:
        if isinstance(subject, dict) and "namespace" in subject and subject.get("kind") == "ServiceAccount":
            if not isinstance(subject["namespace"], str):
                raise TransformationFailed(f'Invalid Input: namespace is blank for resource "{resource.id}"')
            found.add(str(subject["namespace"]))
    return found
