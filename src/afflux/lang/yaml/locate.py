"""Where in a text a field stands: for messages, after something about the field turned out wrong."""

from collections.abc import Sequence

import yaml
from yaml import CSafeLoader
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_TEXT = 4 * 2**20
"""Longer texts are not read a second time for the sake of a line number."""


def locate(text: str | bytes, document_index: int, path: Sequence[str | int]) -> int | None:
    """The line (from 1) of the field at ``path`` in a document of ``text``: keys as text, list items as numbers.

    Where the path ends early, the line of the deepest part that exists; None where the text can't be read or has
    no such document.
    """
    if len(text) > MAX_TEXT:
        return None
    try:
        root = _document(text, document_index)
    except (yaml.YAMLError, UnicodeError, RecursionError):
        return None
    if root is None:
        return None
    line = root.start_mark.line + 1
    for step in path:
        found = _step(root, step)
        if found is None:
            break
        line, root = found
    return int(line)


def _document(text: str | bytes, document_index: int) -> Node | None:
    loader = CSafeLoader(text)
    try:
        for _ in range(document_index):
            if not loader.check_node():
                return None
            loader.get_node()
        return loader.get_node() if loader.check_node() else None
    finally:
        loader.dispose()


def _step(node: Node, step: str | int) -> tuple[int, Node] | None:
    """The line of one step into a node, and the node there; the last of equal keys, as the reader takes it."""
    if isinstance(node, SequenceNode):
        index = step if isinstance(step, int) else int(step) if step.isdigit() else len(node.value)
        if index >= len(node.value):
            return None
        return node.value[index].start_mark.line + 1, node.value[index]
    if isinstance(node, MappingNode):
        for key, value in reversed(node.value):
            if isinstance(key, ScalarNode) and key.value == str(step):
                return key.start_mark.line + 1, value
    return None
