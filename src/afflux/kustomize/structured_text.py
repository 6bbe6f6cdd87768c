"""Replacing a value inside a text that is YAML or JSON itself: a configuration file in a ConfigMap.

What isn't replaced stays as it was written, comments too; JSON is written anew as Go writes it.
"""

import json
from typing import Final

import yaml as pyyaml

from afflux.kustomize.errors import KustomizeError
from afflux.kustomize.field_paths import PathMatcher
from afflux.kustomize.generators.hashes import HTML
from afflux.kustomize.scalars import MARKING, Quoted, text_of, unmarked
from afflux.kustomize.tags import replaced
from afflux.lang.yaml import YamlError, dump, load_documents
from afflux.objects.manifest import Json

MAX_TEXT: Final = 2**20
"""Longer texts aren't looked into."""
MAX_DEPTH: Final = 50
"""Deeper ones neither."""

Nodes = dict[tuple[int, Json], pyyaml.ScalarNode]
"""The scalar nodes of a text by the place of their values: a collection's ``id`` and the key or index in it."""


def replaced_in_text(text: str, path: list[str], value: Json, created: Json) -> str | None:
    """The text with the value put at a path in it; None where the text has no such place (or isn't structured)."""
    if len(text) > MAX_TEXT or (":" not in text and "[" not in text and "-" not in text):
        return None
    try:
        load_documents(text)  # refuses bombs before the nodes are made
        node = pyyaml.compose(text, Loader=pyyaml.CSafeLoader)
        nodes: Nodes = {}
        root = _value(node, nodes, 0)
        if node is None or not isinstance(root, dict | list):
            return None
        places = PathMatcher(created).match(root, path)
        if not places:
            return None
        edits = [nodes.get((id(place.container), place.key)) for place in places]
        for place in places:
            place.put(replaced(place.value, value))
    except (YamlError, KustomizeError, pyyaml.YAMLError):
        return None
    if text.strip()[0] in "{[":
        return _json(root, text)
    scalars = [edit for edit in edits if edit is not None]
    if len(scalars) != len(edits) or isinstance(value, dict | list):
        return dump(unmarked(root)).strip()
    return _edited(text, node, scalars, [text_of(place.value) for place in places])


def _value(node: pyyaml.Node | None, nodes: Nodes, depth: int) -> Json:
    if depth > MAX_DEPTH:
        raise YamlError("", 0, 0, "nested too deeply")
    if isinstance(node, pyyaml.MappingNode):
        mapping: dict[str, Json] = {}
        for key, item in node.value:
            _put_in(mapping, key.value, item, nodes, depth)
        return mapping
    if isinstance(node, pyyaml.SequenceNode):
        items: list[Json] = [None] * len(node.value)
        for index, item in enumerate(node.value):
            _put_in(items, index, item, nodes, depth)
        return items
    if isinstance(node, pyyaml.ScalarNode):
        return Quoted(node.value) if node.style else MARKING.resolve(node.value)
    return None


def _put_in(container: Json, key: Json, node: pyyaml.Node, nodes: Nodes, depth: int) -> None:
    container[key] = _value(node, nodes, depth + 1)
    if isinstance(node, pyyaml.ScalarNode):
        nodes[(id(container), key)] = node


def _json(root: Json, text: str) -> str:
    indent = 2 if "\n" in text and "  " in text else None
    separators = (",", ": ") if indent else (",", ":")
    shown = json.dumps(unmarked(root), indent=indent, separators=separators, sort_keys=True, ensure_ascii=False)
    return shown.translate(HTML)


def _edited(text: str, root: pyyaml.Node, scalars: list[pyyaml.ScalarNode], texts: list[str]) -> str:
    if "#" not in text:
        for node, new in zip(scalars, texts, strict=True):
            node.value = new
        shown = pyyaml.serialize(root, Dumper=pyyaml.CSafeDumper, width=1 << 30, allow_unicode=True)
        return str(shown).strip()
    for node, new in sorted(zip(scalars, texts, strict=True), key=lambda each: -each[0].start_mark.index):
        text = text[: node.start_mark.index] + _styled(node.style, new) + text[node.end_mark.index :]
    return text.strip()


def _styled(style: str | None, text: str) -> str:
    if style == '"':
        return json.dumps(text, ensure_ascii=False)
    if style == "'":
        return "'" + text.replace("'", "''") + "'"
    return text
