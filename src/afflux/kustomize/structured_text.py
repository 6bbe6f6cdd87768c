"""Replacing a value inside a text that is YAML or JSON itself: a configuration file in a ConfigMap.

YAML keeps its order, its styles and, where only scalars change, its comments; JSON is written anew as Go writes it.
"""

import json
from typing import Final

import yaml as pyyaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from afflux.kustomize.errors import KustomizeError, TransformationFailed
from afflux.kustomize.field_paths import PathMatcher
from afflux.kustomize.generators.hashes import HTML
from afflux.kustomize.scalars import MARKING, Quoted, text_of, unmarked
from afflux.kustomize.tags import replaced
from afflux.objects.manifest import Json

MAX_TEXT: Final = 2**20
"""Longer texts aren't looked into."""
MAX_DEPTH: Final = 50
MAX_NODES: Final = 200_000
"""Neither are deeper or larger ones (aliases counted as what they stand for)."""
STRING: Final = "tag:yaml.org,2002:str"
MAPPING: Final = "tag:yaml.org,2002:map"
SEQUENCE: Final = "tag:yaml.org,2002:seq"
_RESOLVER: Json = pyyaml.resolver.Resolver()


class _NewText(str):
    """The text that a scalar gets; it keeps its tag and style."""

    __slots__ = ()


def replaced_in_text(text: str, path: list[str], value: Json, created: Json) -> str | None:
    """The text with the value put at a path in it; None where the text has no such place (or isn't structured).

    JSON in which the value doesn't fit the old one's type stays as it is, without an error, as in kustomize.
    """
    if len(text) > MAX_TEXT or not set(text) & set(":[-"):
        return None
    try:
        node = _first_document(text)
        root = _Values().of(node, 0)
        places = PathMatcher(created).match(root, path) if isinstance(root, dict | list) else []
    except (KustomizeError, pyyaml.YAMLError):
        return None
    if not places or node is None:
        return None
    is_json = text.strip()[0] in "{["
    try:
        for place in places:
            is_scalar = not isinstance(place.value, dict | list)
            place.put(_NewText(text_of(value)) if is_scalar and not is_json else replaced(place.value, value))
    except TransformationFailed:
        return text
    return _as_json(root, text) if is_json else _as_yaml(root, node, text)


def _first_document(text: str) -> Node | None:
    loader = pyyaml.CSafeLoader(text)
    try:
        return loader.get_node() if loader.check_node() else None
    finally:
        loader.dispose()


class _Values:
    """The values of nodes, within limits."""

    def __init__(self) -> None:
        self._count = 0

    def of(self, node: Node | None, depth: int) -> Json:
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_NODES:
            raise TransformationFailed("the text is too large or nested too deeply to look into")
        if isinstance(node, MappingNode):
            return {key.value: self.of(value, depth + 1) for key, value in node.value}
        if isinstance(node, SequenceNode):
            return [self.of(item, depth + 1) for item in node.value]
        if isinstance(node, ScalarNode):
            return Quoted(node.value) if node.style else MARKING.resolve(node.value)
        return None


def _as_json(root: Json, text: str) -> str:
    indent = 2 if "\n" in text and "  " in text else None
    separators = (",", ": ") if indent else (",", ":")
    shown = json.dumps(unmarked(root), indent=indent, separators=separators, sort_keys=True, ensure_ascii=False)
    return shown.translate(HTML)


def _as_yaml(root: Json, node: Node, text: str) -> str:
    changes: list[ScalarNode] = []
    has_new = _Changes(changes).apply(root, node)
    if "#" in text and not has_new:
        for change in sorted(changes, key=lambda each: -each.start_mark.index):
            text = text[: change.start_mark.index] + _written(change) + text[change.end_mark.index :]
        return text.strip()
    return _serialized(node).strip()


def _serialized(node: Node) -> str:
    return str(pyyaml.serialize(node, Dumper=pyyaml.CSafeDumper, width=1 << 30, allow_unicode=True))


def _written(node: ScalarNode) -> str:
    return _serialized(node).removesuffix("...\n").strip()


class _Changes:
    """Carries over to nodes what was done to their values."""

    def __init__(self, changed: list[ScalarNode]) -> None:
        self._changed = changed

    def apply(self, value: Json, node: Node) -> bool:
        """Changes the nodes; tells whether any is new or of another kind than before."""
        if isinstance(value, dict) and isinstance(node, MappingNode):
            known = {key.value: item for key, item in node.value}
            pairs = [(key, self._item(item, known.get(key))) for key, item in value.items()]
            keys = {key.value: key for key, _ in node.value}
            node.value = [(keys.get(key) or _plain(key), item) for key, (item, _) in pairs]
            return any(is_new for _, (_, is_new) in pairs)
        if isinstance(value, list) and isinstance(node, SequenceNode):
            nodes = [*node.value, *([None] * (len(value) - len(node.value)))]
            items = [self._item(item, known) for item, known in zip(value, nodes, strict=True)]
            node.value = [item for item, _ in items]
            return any(is_new for _, is_new in items)
        return False

    def _item(self, value: Json, node: Node | None) -> tuple[Node, bool]:
        if type(value) is _NewText and isinstance(node, ScalarNode):
            node.value = str(value)
            if node.tag == STRING and not node.style and type(MARKING.resolve(node.value)) is not str:
                node.style = '"'
            self._changed.append(node)
            return node, False
        if node is None or isinstance(value, dict) != isinstance(node, MappingNode):
            return _new(value), True
        if isinstance(value, list) != isinstance(node, SequenceNode):
            return _new(value), True
        return node, self.apply(value, node)


def _new(value: Json) -> Node:
    if isinstance(value, dict):
        return MappingNode(MAPPING, [(_plain(key), _new(item)) for key, item in value.items()], flow_style=False)
    if isinstance(value, list):
        return SequenceNode(SEQUENCE, [_new(item) for item in value], flow_style=False)
    text = text_of(value)
    return ScalarNode(STRING, text, style='"') if type(value) is Quoted else _plain(text)


def _plain(text: str) -> ScalarNode:
    """A scalar that is written as it is, whatever it may be taken for."""
    return ScalarNode(_RESOLVER.resolve(ScalarNode, text, (True, False)), text)
