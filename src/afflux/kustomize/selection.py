"""Finding the resources that a patch or a replacement is for.

Kinds, names and namespaces of a selector are regular expressions (RE2) over the whole text. Most are plain names:
those are looked up, not searched for.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from afflux.kustomize.errors import InvalidKustomization
from afflux.kustomize.kustomization_file import Selector
from afflux.kustomize.resource import Resource
from afflux.kustomize.resource_id import Gvk
from afflux.kustomize.resource_map import ResourceMap
from afflux.lang.regexp import InvalidPattern, compile_pattern
from afflux.objects.selectors import InvalidSelector, LabelSelector, parse_label_selector

PLAIN = re.compile(r"[A-Za-z0-9_/:-]+")

Matches = Callable[[str], bool]


@lru_cache(maxsize=4096)
def anchored(pattern: str) -> Matches:
    """Whether a text as a whole matches a pattern; the empty pattern matches everything."""
    if not pattern:
        return lambda text: True
    if PLAIN.fullmatch(pattern):
        return pattern.__eq__
    try:
        search = compile_pattern(f"^(?:{pattern})$").search
    except InvalidPattern as error:
        raise InvalidKustomization(f"error parsing regexp: {error}") from None
    return lambda text: search(text) is not None


@lru_cache(maxsize=4096)
def parsed_selector(text: str) -> LabelSelector:
    """A label selector read once. Raises ``InvalidKustomization``."""
    try:
        return parse_label_selector(text)
    except InvalidSelector as error:
        raise InvalidKustomization(f"unable to parse requirement: {error}") from None


class SelectorPatterns:
    """A selector compiled."""

    __slots__ = ("annotations", "group", "kind", "labels", "name", "namespace", "selector", "version")

    def __init__(self, selector: Selector) -> None:
        self.selector = selector
        self.group = anchored(selector.group)
        self.version = anchored(selector.version)
        self.kind = anchored(selector.kind)
        self.name = anchored(selector.name)
        self.namespace = anchored(selector.namespace)
        self.labels = parsed_selector(selector.label_selector) if selector.label_selector else None
        self.annotations = parsed_selector(selector.annotation_selector) if selector.annotation_selector else None

    def matches_gvk(self, gvk: Gvk) -> bool:
        """Whether the kind matches."""
        return self.kind(gvk.kind) and self.group(gvk.group) and self.version(gvk.version)

    def matches_metadata(self, resource: Resource) -> bool:
        """Whether the labels and annotations match."""
        if self.labels is not None and not self.labels.matches(resource.texts("labels")):
            return False
        return self.annotations is None or self.annotations.matches(resource.texts("annotations"))


def candidates(resources: ResourceMap, name: str) -> Iterable[Resource]:
    """The resources that a name's pattern can match: a plain name's are looked up."""
    return resources.named(name) if PLAIN.fullmatch(name) else resources


def select(resources: ResourceMap, selector: Selector) -> list[Resource]:
    """The resources that a patch's target means: by the original or the present name and namespace, in order."""
    patterns = SelectorPatterns(selector)
    found = []
    for resource in candidates(resources, selector.name):
        if not patterns.matches_gvk(resource.gvk):
            continue
        ids = {resource.original_id, resource.id}
        if (
            any(patterns.namespace(each.effective_namespace) for each in ids)
            and any(patterns.name(each.name) for each in ids)
            and patterns.matches_metadata(resource)
        ):
            found.append(resource)
    return found
