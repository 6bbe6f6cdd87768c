"""``replacements``: a field's value, or a part of it, copied to other fields."""

from collections.abc import Sequence

from afflux.kustomize.errors import InvalidKustomization, KustomizeError, TransformationFailed
from afflux.kustomize.field_paths import NEW_SCALAR, PathMatcher, lookup, split_field_path
from afflux.kustomize.kustomization_file import FieldOptions, Replacement, SourceSelector, TargetSelector
from afflux.kustomize.resource import Resource
from afflux.kustomize.resource_id import DEFAULT_NAMESPACE, Gvk, ResourceId
from afflux.kustomize.resource_map import ResourceMap
from afflux.kustomize.scalars import copied, is_null, tagged_string, text_of, untagged
from afflux.kustomize.selection import SelectorPatterns, candidates
from afflux.kustomize.structured_text import replaced_in_text
from afflux.kustomize.tags import replaced, retagged
from afflux.objects.manifest import Json

DEFAULT_FIELD = "metadata.name"
NO_OPTIONS = FieldOptions()


class ReplacementTransformer:
    """Carries out replacements, one after the other."""

    def __init__(self, replacements: Sequence[Replacement]) -> None:
        self._replacements = replacements

    def transform(self, resources: ResourceMap) -> None:
        """Copies the values. Raises where a source or a target isn't there."""
        for index, replacement in enumerate(self._replacements):
            try:
                self._replace(resources, replacement)
            except KustomizeError as error:
                raise error.saying(f"{error.message} (replacements[{index}])") from None

    def _replace(self, resources: ResourceMap, replacement: Replacement) -> None:
        source, text = replacement.source, replacement.source_value
        if (source is None and text is None) or not replacement.targets:
            raise InvalidKustomization("replacements must specify a source and at least one target")
        if source is not None and text is not None:
            raise InvalidKustomization("value and resource selectors are mutually exclusive")
        value = _source_value(resources, source) if source is not None else untagged(None, text or "")
        for target in replacement.targets:
            _put_into_targets(resources, value, target)


def _source_value(resources: ResourceMap, source: SourceSelector) -> Json:
    resource = _source(resources, source)
    path = source.field_path or DEFAULT_FIELD
    try:
        found = lookup(resource.manifest, split_field_path(path))
    except KustomizeError as error:
        raise error.within("error looking up replacement source") from None
    value = None if found is None else found.value
    if is_null(value) or value in ({}, []):
        raise TransformationFailed(f"fieldPath `{path}` is missing for replacement source {_source_id(source)}")
    options = source.options or NO_OPTIONS
    if not options.delimiter:
        return copied(value)
    if isinstance(value, dict | list):
        raise TransformationFailed("delimiter option can only be used with scalar nodes")
    parts = text_of(value).split(options.delimiter)
    if not 0 <= options.index < len(parts):
        raise TransformationFailed(f"options.index {options.index} is out of bounds for value {text_of(value)}")
    part = parts[options.index]
    return tagged_string(value, part) if isinstance(value, str) else untagged(value, part)


def _source_id(source: SourceSelector) -> ResourceId:
    return ResourceId(Gvk(source.group, source.version, source.kind), source.name, source.namespace)


def _source(resources: ResourceMap, source: SourceSelector) -> Resource:
    wanted = _source_id(source)
    possible = resources.named(wanted.name) if wanted.name else list(resources)
    matches = [resource for resource in possible if any(_is_selected(each, wanted) for each in _ids(resource))]
    shown = f"{wanted}{f':{source.field_path}' if source.field_path else ''}{_shown_options(source.options)}"
    if len(matches) > 1:
        raise TransformationFailed(f"multiple matches for selector {shown}")
    if not matches:
        raise TransformationFailed(f"nothing selected by {shown}")
    return matches[0]


def _ids(resource: Resource) -> list[ResourceId]:
    return [resource.id, *resource.previous_ids]


def _is_selected(each: ResourceId, wanted: ResourceId) -> bool:
    return (
        (not wanted.name or wanted.name == each.name)
        and (not wanted.namespace or wanted.namespace == (each.namespace or DEFAULT_NAMESPACE))
        and each.gvk.is_selected(wanted.gvk)
    )


def _shown_options(options: FieldOptions | None) -> str:
    if options is None or not (options.delimiter or options.create):
        return ""
    return f":{options.delimiter}({options.index}), create={str(options.create).lower()}"


def _put_into_targets(resources: ResourceMap, value: Json, target: TargetSelector) -> None:
    if target.select is None:
        raise InvalidKustomization("target must specify resources to select")
    chosen = SelectorPatterns(target.select)
    rejected = [SelectorPatterns(selector) for selector in target.reject]
    for resource in list(candidates(resources, target.select.name)):
        ids = _ids(resource)
        if not chosen.matches_metadata(resource) or any(_rejects(each, resource, ids) for each in rejected):
            continue
        if any(_selects(chosen, each) for each in ids):
            _put(resource, value, target)
            resources.touch(resource)


def _rejects(patterns: SelectorPatterns, resource: Resource, ids: list[ResourceId]) -> bool:
    selector = patterns.selector
    if (selector.label_selector or selector.annotation_selector) and patterns.matches_metadata(resource):
        return True
    names_something = any((selector.group, selector.version, selector.kind, selector.name, selector.namespace))
    return names_something and any(_selects(patterns, each) for each in ids)


def _selects(patterns: SelectorPatterns, each: ResourceId) -> bool:
    return patterns.matches_gvk(each.gvk) and patterns.name(each.name) and patterns.namespace(each.namespace)


def _put(resource: Resource, value: Json, target: TargetSelector) -> None:
    options = target.options or NO_OPTIONS
    created = (value if isinstance(value, dict | list) else NEW_SCALAR) if options.create else None
    for path in target.field_paths or [DEFAULT_FIELD]:
        parts = split_field_path(path)
        if _put_into_text(resource.manifest, value, parts, created):
            continue
        doing = f'unable to find {"or create " if options.create else ""}field "{path}" in replacement target'
        try:
            places = PathMatcher(created).match(resource.manifest, parts)
        except KustomizeError as error:
            raise error.saying(f"{doing}: {error.message} ({resource.id})") from None
        if not places:
            raise TransformationFailed(f"{doing} ({resource.id})")
        for place in places:
            resource.sharing.put(place.container, place.key, _new_value(place.value, value, options))


def _put_into_text(manifest: Json, value: Json, parts: list[str], created: Json) -> bool:
    """Where a path leads into a text that is YAML or JSON itself, the value is put in there."""
    for length in range(1, len(parts)):
        try:
            found = lookup(manifest, parts[:length])
        except KustomizeError:
            continue
        if found is None or isinstance(found.value, dict | list):
            continue
        text = replaced_in_text(text_of(found.value), parts[length:], copied(value), created)
        if text is None:
            return False
        found.put(retagged(found.value, text))
        return True
    return False


def _new_value(old: Json, value: Json, options: FieldOptions) -> Json:
    """What a place holds after a replacement."""
    if not options.delimiter:
        return replaced(old, copied(value))
    if isinstance(old, dict | list):
        raise TransformationFailed("delimiter option can only be used with scalar nodes")
    parts = ("" if old is NEW_SCALAR else text_of(old)).split(options.delimiter)
    text = text_of(value)
    if options.index < 0:
        parts.insert(0, text)
    elif options.index >= len(parts):
        parts.append(text)
    else:
        parts[options.index] = text
    return retagged(old, options.delimiter.join(parts))
