"""``vars``: ``$(NAME)`` in known fields, replaced by a field of another resource."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from afflux.kustomize.errors import InvalidKustomization, KustomizeError, TransformationFailed
from afflux.kustomize.field_paths import lookup, split_field_path
from afflux.kustomize.field_specs import FieldSpecs, Making
from afflux.kustomize.kustomization_file import Var
from afflux.kustomize.resource import Resource
from afflux.kustomize.resource_id import Gvk, ResourceId, split_api_version
from afflux.kustomize.resource_map import ResourceMap
from afflux.kustomize.scalars import SpelledBool, SpelledText, is_null, text_of
from afflux.objects.manifest import Json

MAX_EXPANDED: Final = 16 * 2**20
"""Characters that variables may put into one text."""
DEFAULT_FIELD: Final = "metadata.name"
INDEXED: Final = re.compile(r"(.*)\[([0-9]+)\]")


def add_variables(known: dict[str, Var], incoming: Iterable[Var]) -> None:
    """Puts variables to those known. Raises where a name is taken."""
    for variable in incoming:
        if variable.name in known:
            raise InvalidKustomization(f"var '{variable.name}' already encountered")
        known[variable.name] = variable


def bind(resources: ResourceMap, variables: Iterable[Var]) -> None:
    """Notes which resources variables mean, while those still have the names that the variables use."""
    for variable in variables:
        matches = _matches(resources, variable)
        if len(matches) > 1:
            raise TransformationFailed(
                f"found {len(matches)} resId matches for var {variable.name} (unable to disambiguate)"
            )
        for resource in matches:
            resource.var_names.append(variable.name)


def _matches(resources: ResourceMap, variable: Var) -> list[Resource]:
    wanted = variable.objref
    gvk = Gvk(wanted.group, wanted.version, wanted.kind)
    if wanted.api_version:
        group, version = split_api_version(wanted.api_version)
        gvk = Gvk(group or gvk.group, version, wanted.kind)
    if wanted.namespace:
        key = ResourceId(gvk, wanted.name, wanted.namespace)
        return [resource for resource in resources.named(wanted.name) if _is(resource, key)]
    return [
        resource
        for resource in resources.named(wanted.name)
        if any(each.gvk == gvk and each.name == wanted.name for each in (*resource.previous_ids, resource.id))
    ]


def _is(resource: Resource, wanted: ResourceId) -> bool:
    ids = (*resource.previous_ids, resource.id)
    return any(
        each.gvk == wanted.gvk and each.name == wanted.name and each.effective_namespace == wanted.namespace
        for each in ids
    )


def resolve_variables(resources: ResourceMap, variables: Mapping[str, Var], specs: FieldSpecs) -> list[str]:
    """Replaces variables everywhere. Gives the names of those that nothing used; raises where one has no value."""
    if not variables:
        return []
    owners = {name: resource for resource in reversed(list(resources)) for name in resource.var_names}
    values = {name: _value(variable, owners.get(name)) for name, variable in sorted(variables.items())}
    expansion = _Expansion(values)
    for resource in resources:
        for compiled in specs.matching(resource.gvk):
            try:
                compiled.visit(resource.manifest, expansion.put, Making.NOTHING)
            except KustomizeError as error:
                raise error.within(f"considering field '{compiled.spec.path}' of object {resource.id}") from None
    return sorted(values.keys() - expansion.used)


def _value(variable: Var, owner: Resource | None) -> Json:
    if owner is None:
        raise TransformationFailed(f"var '{variable.name}' cannot be mapped to a field in the set of known resources")
    path = variable.fieldref.field_path or DEFAULT_FIELD
    try:
        found = lookup(owner.manifest, _indexed(split_field_path(path)))
    except KustomizeError:
        found = None
    if found is None:
        raise TransformationFailed(
            f"field specified in var '{variable.name}' ({path}) not found in corresponding resource {owner.id}"
        )
    value = found.value
    if isinstance(value, SpelledText) or is_null(value):
        return text_of(value)
    return bool(value) if isinstance(value, SpelledBool) else value


def _indexed(parts: list[str]) -> list[str]:
    """``ports[0]`` taken apart into a name and an index."""
    found: list[str] = []
    for part in parts:
        match = INDEXED.fullmatch(part)
        found.extend([part] if match is None else [each for each in match.groups() if each])
    return found


class _Expansion:
    """Replaces variables by values and notes which were used."""

    def __init__(self, values: dict[str, Json]) -> None:
        self._values = values
        self.used: set[str] = set()

    def put(self, container: Json, key: Json) -> None:
        """Replaces variables in a field: a text, the values of a mapping, the texts of a list."""
        value = container[key]
        if isinstance(value, dict):
            for name, item in value.items():
                if isinstance(item, str):
                    value[name] = self.expanded(item)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if not isinstance(item, str):
                    raise TransformationFailed("invalid value type expect a string")
                value[index] = self.expanded(item)
        elif isinstance(value, str):
            container[key] = self.expanded(value)

    def expanded(self, text: str) -> Json:
        """The text with its variables replaced; one that is a variable and nothing else becomes its value."""
        if "$" not in text:
            return text
        parts: list[str] = []
        at = size = 0
        while at < len(text):
            if text[at] != "$" or at + 1 == len(text):
                parts.append(text[at])
                at += 1
                continue
            end = text.find(")", at + 2) if text[at + 1] == "(" else -1
            if end < 0:
                parts.append("$" if text[at + 1] == "$" else text[at : at + 2])
                at += 2
                continue
            name = text[at + 2 : end]
            value = self._mapped(name)
            if text == f"$({name})":
                return value
            parts.append(_go_text(value))
            size += len(parts[-1])
            if size > MAX_EXPANDED:
                raise TransformationFailed(f"variables make a text of more than {MAX_EXPANDED >> 20} MiB")
            at = end + 1
        return "".join(parts)

    def _mapped(self, name: str) -> Json:
        value = self._values.get(name)
        if value is None or isinstance(value, dict | list):
            return f"$({name})"
        self.used.add(name)
        return value


def _go_text(value: Json) -> str:
    """A value as Go's ``%v`` shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
