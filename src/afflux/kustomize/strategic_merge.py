"""Strategic merge as kustomize does it: on YAML nodes, the patch's list elements first.

It isn't the API server's (``afflux.manifests.strategic_merge``): lists are merged by the schema that kustomize
carries, what a patch brings comes before what was there, a merge tidies the whole object (nulls without a text go,
doubles in merged lists too), and the style of what is overwritten stays.
"""

from enum import Enum
from typing import Final

from afflux.kustomize.errors import TransformationFailed
from afflux.kustomize.merge_lists import merge_associative
from afflux.kustomize.merge_schema import MergeSchema, MergeSchemas
from afflux.kustomize.node_kinds import wrong_kind
from afflux.kustomize.scalars import is_empty_null, is_null, placed, text_of
from afflux.kustomize.sharing import Sharing
from afflux.objects.manifest import Json, Manifest

DIRECTIVE: Final = "$patch"


class Absent(Enum):
    """Stands for a value that isn't there, unlike a null."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


class Directive(Enum):
    """What a patch says is to be done with the value it is for."""

    MERGE = "merge"
    REPLACE = "replace"
    DELETE = "delete"


def strategic_merge(
    target: Manifest, patch: Manifest, schemas: MergeSchemas, sharing: Sharing | None = None
) -> Manifest | None:
    """``target`` after ``patch``, or None where the patch deletes it.

    Both are used up: the result is made of their parts. ``sharing``: the target's shared scalars. Raises
    ``TransformationFailed``.
    """
    merged = _Merge(schemas, sharing or Sharing()).walk(target, patch, None)
    # What replaces the whole object is thrown away: kustomize looks at the object that it merged into only.
    return target if isinstance(merged, dict) else None


class _Merge:
    """One merge. ``walk`` gives the merged value, or ``ABSENT`` where nothing is left."""

    def __init__(self, schemas: MergeSchemas, sharing: Sharing) -> None:
        self._schemas = schemas
        self._sharing = sharing

    def walk(self, dest: Json, origin: Json, schema: MergeSchema | None) -> Json:
        """Merges ``origin`` (the patch) into ``dest``; either may be absent, and both may be the same value."""
        first = dest if not _nothing(dest) else origin
        if isinstance(first, dict):
            _expect(dict, "MappingNode", dest, origin)
            return self._mapping(dest, origin, schema or self._schema_of(dest, origin))
        if isinstance(first, list):
            _expect(list, "SequenceNode", dest, origin)
            if schema is None or schema.merge_keys is None:
                return dest if origin is ABSENT else origin
            return self._sequence(dest, origin, schema, schema.merge_keys)
        if _nothing(first):
            # Neither says anything: a null stays only where no patch speaks and it was spelled out.
            return dest if origin is ABSENT and dest is not ABSENT and not is_empty_null(dest) else ABSENT
        _expect(str, "ScalarNode", dest, origin)
        return dest if origin is ABSENT else origin

    def _mapping(self, dest: Json, origin: Json, schema: MergeSchema | None) -> Json:
        if _nothing(dest):
            if _directive(origin, strict=False) is Directive.DELETE:
                return ABSENT
            dest = origin
        elif is_null(origin):
            return ABSENT
        elif origin is not ABSENT:
            directive = _directive(origin, strict=True)
            if directive is Directive.DELETE:
                return ABSENT
            if directive is Directive.REPLACE:
                dest = origin
        if origin is ABSENT:
            self._settle(dest, schema)
        else:
            self._merge_fields(dest, origin, schema)
        return dest

    def _settle(self, dest: Manifest, schema: MergeSchema | None) -> None:
        """What a merge does to fields that the patch doesn't mention."""
        for key in list(dest):
            value = dest[key]
            if isinstance(value, dict | list):
                self._put(dest, key, self.walk(value, ABSENT, schema.field(key) if schema else None))
            elif is_empty_null(value):
                del dest[key]

    def _merge_fields(self, dest: Manifest, origin: Manifest, schema: MergeSchema | None) -> None:
        for key in sorted(dest.keys() | origin.keys()):
            value = dest.get(key, ABSENT)
            change = origin.get(key, ABSENT)
            if change is ABSENT and not isinstance(value, dict | list):
                if is_empty_null(value):
                    del dest[key]
                continue
            self._put(dest, key, self.walk(value, change, schema.field(key) if schema else None))

    def _put(self, dest: Manifest, key: str, value: Json) -> None:
        old = dest.get(key, ABSENT)
        if value is ABSENT or (is_null(value) and value is not old):
            dest.pop(key, None)
        elif old is ABSENT or value is old:
            dest[key] = value
        else:
            self._sharing.put(dest, key, value if isinstance(value, dict | list) else placed(old, value))

    def _sequence(self, dest: Json, origin: Json, schema: MergeSchema, keys: tuple[str, ...]) -> Json:
        if _nothing(dest):
            dest = origin
        elif is_null(origin):
            return ABSENT
        elif origin is not ABSENT:
            directive = _list_directive(origin)
            if directive is Directive.DELETE:
                return ABSENT
            if directive is Directive.REPLACE:
                dest = origin
        elements = schema.elements()
        merged = merge_associative(
            dest, None if origin is ABSENT else origin, keys, lambda left, right: self._element(left, right, elements)
        )
        return ABSENT if merged is None else merged

    def _element(self, dest: Json, origin: Json, schema: MergeSchema | None) -> Json:
        """Merges two elements; None stands for one that isn't there, and for nothing left."""
        merged = self.walk(ABSENT if dest is None else dest, ABSENT if origin is None else origin, schema)
        return None if merged is ABSENT else merged

    def _schema_of(self, dest: Json, origin: Json) -> MergeSchema | None:
        """The schema of a value that says itself what kind it is, where nothing around it has a schema."""
        for value in (dest, origin):
            if isinstance(value, dict):
                api_version, kind = value.get("apiVersion"), value.get("kind")
                if isinstance(api_version, str) and isinstance(kind, str) and api_version and kind:
                    found = self._schemas.for_kind(str(api_version), str(kind))
                    if found is not None:
                        return found
        return None


def _nothing(value: Json) -> bool:
    return value is ABSENT or is_null(value)


def _expect(kind: type, name: str, *values: Json) -> None:
    for value in values:
        if _nothing(value):
            continue
        is_scalar = not isinstance(value, dict | list)
        if is_scalar if kind is str else isinstance(value, kind):
            continue
        raise wrong_kind(name, value)


def _directive(patch: Manifest, strict: bool) -> Directive:
    """A patch's directive, which is taken out of it. ``strict``: an unknown one is an error."""
    value = patch.get(DIRECTIVE, ABSENT)
    if value is ABSENT:
        return Directive.MERGE
    found = _named(text_of(value))
    if found is None:
        if strict:
            raise TransformationFailed(f"unknown patch strategy '{text_of(value)}'")
        return Directive.MERGE
    del patch[DIRECTIVE]
    return found


def _list_directive(patch: list[Json]) -> Directive:
    """The directive of a list: an element of its own, which is taken out."""
    element = next((item for item in patch if isinstance(item, dict) and DIRECTIVE in item), None)
    if element is None or len(element) > 1:
        return Directive.MERGE
    text = text_of(element[DIRECTIVE])
    found = _named(text)
    if found is None:
        raise TransformationFailed(f"unknown patch strategy '{text}'")
    patch[:] = [
        item
        for item in patch
        if not (_nothing(item) or item == {} or (isinstance(item, dict) and text_of(item.get(DIRECTIVE, "")) == text))
    ]
    return found


def _named(text: str) -> Directive | None:
    return next((each for each in Directive if each.value == text), None)
