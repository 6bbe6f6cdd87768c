"""``images``: names, tags and digests of images replaced.

All entries are applied in one walk. An image's text is worked out once, however often it occurs.
"""

from collections.abc import Sequence
from typing import NamedTuple

from afflux.kustomize.errors import InvalidKustomization, TransformationFailed
from afflux.kustomize.field_specs import FieldSpecs, Making
from afflux.kustomize.kustomization_file import Image
from afflux.kustomize.node_kinds import wrong_kind
from afflux.kustomize.resource_map import ResourceMap
from afflux.kustomize.scalars import is_null, text_of, untagged
from afflux.kustomize.selection import PLAIN, Matches
from afflux.lang.regexp import InvalidPattern, compile_pattern
from afflux.objects.manifest import Json

CONTAINERS = ("containers", "initContainers")
TAG_AND_DIGEST = r"(:[a-zA-Z0-9_.{}-]*)?(@sha256:[a-zA-Z0-9_.{}-]*)?$"


class _Rule(NamedTuple):
    """An entry ready to be used. ``start``: what a matching image must start with."""

    image: Image
    start: str
    matches: Matches


class ImageTransformer:
    """Applies entries of ``images``, one after the other."""

    def __init__(self, images: Sequence[Image], specs: FieldSpecs) -> None:
        self._rules = [_rule(image) for image in images]
        self._specs = specs
        self._known: dict[tuple[str, int], str] = {}

    def transform(self, resources: ResourceMap) -> None:
        """Changes the images of all resources but definitions of custom ones.

        kustomize looks at every list called ``containers`` or ``initContainers`` wherever it is, then at the fields
        that are specified: an entry is applied to a field as often as the field is met.
        """
        for resource in resources:
            gvk = resource.gvk
            if gvk.kind == "CustomResourceDefinition":
                continue
            fields = _Fields()
            fields.find(resource.manifest)
            for compiled in self._specs.matching(gvk):
                try:
                    compiled.visit(resource.manifest, fields.add, Making.NOTHING)
                except TransformationFailed as error:
                    raise error.within(f"considering field '{compiled.spec.path}' of object {resource.id}") from None
            for (_, key), (container, times) in fields.found.items():
                self._set(container, key, times)

    def _set(self, container: Json, key: Json, times: int) -> None:
        old = container[key]
        if is_null(old):
            return
        text = text_of(old)
        new = self._known.get((text, times))
        if new is None:
            new = self._known[text, times] = self._replaced(text, times)
        if new != text:
            container[key] = untagged(old, new)

    def _replaced(self, text: str, times: int) -> str:
        for image, start, matches in self._rules:
            for _ in range(times):
                if text.startswith(start) and matches(text):
                    text = replaced_image(text, image)
        return text


class _Fields:
    """The image fields of an object, each with the number of times it is met."""

    def __init__(self) -> None:
        self.found: dict[tuple[int, Json], tuple[Json, int]] = {}

    def add(self, container: Json, key: Json) -> None:
        """Counts a field. Raises where it isn't a scalar."""
        if isinstance(container[key], dict | list):
            raise wrong_kind("ScalarNode", container[key])
        place = (id(container), key)
        self.found[place] = container, self.found.get(place, (container, 0))[1] + 1

    def find(self, value: Json) -> None:
        """Counts the images of all lists of containers."""
        if isinstance(value, list):
            for item in value:
                if isinstance(item, dict | list):
                    self.find(item)
            return
        for key, item in value.items():
            if isinstance(item, dict | list):
                self.find(item)
                if isinstance(item, list) and key in CONTAINERS:
                    self._containers(item)

    def _containers(self, containers: list[Json]) -> None:
        for container in containers:
            if isinstance(container, dict):
                if "image" in container:
                    self.add(container, "image")
            elif not is_null(container):
                raise wrong_kind("MappingNode", container)


def _rule(image: Image) -> _Rule:
    try:
        search = compile_pattern(f"^{image.name}{TAG_AND_DIGEST}").search
    except InvalidPattern as error:
        raise InvalidKustomization(f"images: name '{image.name}' is not a regular expression: {error}") from None
    plain = PLAIN.match(image.name)
    start = plain.group() if plain and not set("|?*{") & set(image.name) else ""
    return _Rule(image, start, lambda text: search(text) is not None)


def replaced_image(text: str, image: Image) -> str:
    """The image with an entry's name, tag and digest; the entry's own rules say which of them win."""
    name, tag, digest = split_image(text)
    name = image.new_name or name
    if image.new_tag:
        tag, digest = image.new_tag, image.digest
    elif image.digest:
        tag, digest = "", image.digest
    elif image.tag_suffix:
        tag, digest = tag + image.tag_suffix, ""
    return name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")


def split_image(text: str) -> tuple[str, str, str]:
    """An image's name, tag and digest. A colon before the first slash belongs to a registry's port."""
    slash = text.find("/")
    offset = slash if slash > 0 else 0
    at, colon = text.find("@", offset), text.find(":", offset)
    if at < 0 and colon < 0:
        return text, "", ""
    if at >= 0 and (colon < 0 or at < colon):
        return text[:at], "", text[at:].removeprefix("@")
    if at >= 0:
        return text[:colon], text[colon + 1 : at], text[at + 1 :]
    return text[:colon], text[colon + 1 :], ""
