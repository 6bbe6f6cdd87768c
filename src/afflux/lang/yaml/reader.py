"""Reading: libyaml's events, given the meaning that Go gives them.

A document is read by recursion, one call a collection, at most ``MAX_DEPTH`` deep. ``Reader`` is a measured hot
loop (33 microseconds a small document): local names and exact type tests are there for speed.
"""

import base64
import binascii
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast

import yaml
from yaml import events
from yaml._yaml import CParser

from afflux.lang.yaml.errors import YamlError, from_parser
from afflux.lang.yaml.folding import refolded
from afflux.lang.yaml.resolver import INT64_MAX, INT64_MIN, KUBERNETES, NOT_FINITE, Dialect
from afflux.objects.manifest import Json

ALIAS: type[object] = events.AliasEvent
DOCUMENT_END: type[object] = events.DocumentEndEvent
MAPPING_END: type[object] = events.MappingEndEvent
SCALAR: type[object] = events.ScalarEvent
SEQUENCE_END: type[object] = events.SequenceEndEvent
SEQUENCE_START: type[object] = events.SequenceStartEvent
STREAM_END: type[object] = events.StreamEndEvent

MAX_DEPTH = 200
"""Deeper documents are refused: no Kubernetes object comes near, and whatever walks the values may recurse."""
MAX_TEXT = 64 * 2**20
"""Longer texts are refused (characters or bytes)."""
MAX_NODES = 500_000
"""Documents of more values are refused: no API server would store a tenth of them, and each costs memory."""

PREFIX = "tag:yaml.org,2002:"
MERGE_TAG = PREFIX + "merge"
TYPED_TAGS: dict[str, tuple[type, ...]] = {
    PREFIX + "bool": (bool,),
    PREFIX + "int": (int,),
    PREFIX + "float": (int, float),
    PREFIX + "null": (type(None),),
}


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a stream: its value, its index among all the documents, the line where its content starts."""

    value: Json
    index: int
    line: int


class _Mark(Protocol):
    line: int
    column: int


class _Event(Protocol):
    """What libyaml's events carry; each kind has its part of it."""

    start_mark: _Mark
    version: tuple[int, int] | None
    anchor: str | None
    tag: str | None
    implicit: tuple[bool, bool]
    value: str
    style: str | None
    flow_style: bool


class _Anchor(NamedTuple):
    """What an alias stands for; ``size`` (in nodes) is None while the anchored node is still being read."""

    value: Json
    size: int | None


class Reader:
    """Reads one stream; a subclass may give scalars another value.

    ``nodes`` and ``aliased`` count what the current document expands to.
    """

    def __init__(self, text: str | bytes, dialect: Dialect, source: str) -> None:
        self.source = source
        self.dialect = dialect
        self.resolve = dialect.resolve
        self.next = cast(Callable[[], _Event], CParser(text).get_event)
        self.anchors: dict[str, _Anchor] = {}
        self.nodes = 0
        self.aliased = 0
        self.depth = 0
        self.flow = 0

    def documents(self) -> list[Document]:
        found: list[Document] = []
        index = 0
        self.next()
        while type(start := self.next()) is not STREAM_END:
            if start.version and tuple(start.version) != (1, 1):
                raise self.error(start, "found incompatible YAML document: only %YAML 1.1 is understood")
            self.anchors, self.nodes, self.aliased = {}, 0, 0
            root = self.next()
            if not _is_empty(root):
                found.append(Document(self.node(root), index, root.start_mark.line + 1))
            end = self.next()
            assert type(end) is DOCUMENT_END
            index += 1
        return found

    def error(self, event: _Event, problem: str) -> YamlError:
        mark = event.start_mark
        return YamlError(self.source, mark.line + 1, mark.column + 1, problem)

    def node(self, event: _Event) -> Json:
        kind = type(event)
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.error(event, f"the document holds more than {MAX_NODES:,} values")
        if kind is SCALAR:
            value = self.scalar(event)
            if event.anchor is not None:
                self.anchors[event.anchor] = _Anchor(value, 1)
            return value
        return self.alias(event) if kind is ALIAS else self.collection(event)

    def collection(self, event: _Event) -> Json:
        if self.depth >= MAX_DEPTH:
            raise self.error(event, f"nested more than {MAX_DEPTH} levels deep")
        before = self.nodes
        anchor = event.anchor
        if anchor is not None:
            self.anchors[anchor] = _Anchor(None, None)
        self.depth += 1
        self.flow += event.flow_style
        value: Json = self.sequence() if type(event) is SEQUENCE_START else self.mapping()
        self.flow -= event.flow_style
        self.depth -= 1
        if anchor is not None:
            self.anchors[anchor] = _Anchor(value, self.nodes - before + 1)
        return value

    def sequence(self) -> list[Json]:
        items: list[Json] = []
        next_event, node = self.next, self.node
        while type(event := next_event()) is not SEQUENCE_END:
            items.append(node(event))
        return items

    def mapping(self) -> dict[str, Json]:
        fields: dict[str, Json] = {}
        merges: list[dict[str, Json]] = []
        lines: dict[str, int] | None = {} if self.dialect.unique_keys else None
        next_event, node, resolve = self.next, self.node, self.resolve
        while type(event := next_event()) is not MAPPING_END:
            key: str | None
            if type(event) is SCALAR and event.anchor is None and event.tag is None and event.value != "<<":
                key = event.value
                if event.implicit[0] and resolve(key) != key:
                    key = self.key(event)
            elif type(event) is SCALAR and event.value == "<<" and _is_merge(event):
                merges = self.merge(fields, lines, event)
                continue
            else:
                key = self.key(event)
            if lines is not None and key is not None:
                self.claim(lines, key, event)
            value = node(next_event())
            if key is not None:
                fields[key] = value
        for mapping in reversed(merges):
            fields.update({key: value for key, value in mapping.items() if key not in fields})
        return fields

    def merge(self, fields: dict[str, Json], lines: dict[str, int] | None, event: _Event) -> list[dict[str, Json]]:
        """Overwrites ``fields`` with a merge key's mappings, or returns them for after the other keys."""
        if lines is not None:
            self.claim(lines, "<<", event)
        mappings = self.merged(self.next())
        if not self.dialect.merge_overwrites:
            return mappings
        for mapping in mappings:
            fields.update(mapping)
        return []

    def claim(self, lines: dict[str, int], key: str, event: _Event) -> None:
        if key in lines:
            raise self.error(event, f'mapping key "{key}" already defined at line {lines[key]}')
        lines[key] = event.start_mark.line + 1

    def merged(self, event: _Event) -> list[dict[str, Json]]:
        """The mappings of a merge key's value, in the order in which they overwrite each other."""
        value = self.node(event)
        listed = isinstance(value, list) and type(event) is SEQUENCE_START
        mappings: list[dict[str, Json]] = value[::-1] if listed else [value]
        if not all(isinstance(mapping, dict) for mapping in mappings):
            raise self.error(event, "map merge requires map or sequence of maps as the value")
        return mappings

    def alias(self, event: _Event) -> Json:
        anchor = self.anchors.get(event.anchor or "")
        if anchor is None:
            # Go names the anchor, which may be a password that begins with an asterisk.
            raise self.error(event, "unknown anchor referenced")
        if anchor.size is None:
            raise self.error(event, f"anchor '{event.anchor}' value contains itself")
        self.nodes += anchor.size
        self.aliased += anchor.size
        if _is_excessive(self.aliased, self.nodes):
            raise self.error(event, "document contains excessive aliasing")
        return self.copy(anchor.value, self.depth, event) if anchor.size > 1 else anchor.value

    def copy(self, value: Json, depth: int, event: _Event) -> Json:
        """An alias's own copy, so that no two places of a document share what somebody may edit."""
        if isinstance(value, (dict, list)) and depth >= MAX_DEPTH:
            raise self.error(event, f"nested more than {MAX_DEPTH} levels deep")
        if isinstance(value, dict):
            return {key: self.copy(item, depth + 1, event) for key, item in value.items()}
        if isinstance(value, list):
            return [self.copy(item, depth + 1, event) for item in value]
        return value

    def scalar(self, event: _Event) -> Json:
        text = event.value
        if event.tag is None:
            if event.implicit[0]:
                if not text and self.flow and self.dialect.round_trips:
                    return ""  # written back between brackets, nothing becomes an empty string
                value = self.resolve(text)
                return self.number(event, value) if type(value) is float else value
            return refolded(text) if event.style == ">" and self.dialect.round_trips else text
        value = text if event.tag == "!" else self.tagged(event)
        return self.number(event, value) if type(value) is float else value

    def number(self, event: _Event, value: float) -> int | float:
        """A float as JSON carries it: whole numbers that fit an integer are integers."""
        if math.isinf(value) or math.isnan(value):
            raise self.error(event, f"unsupported value {event.value}: JSON has no such number")
        return int(value) if value.is_integer() and INT64_MIN <= value <= INT64_MAX else value

    def tagged(self, event: _Event) -> Json:
        tag, text = event.tag, event.value
        if tag == PREFIX + "binary":
            try:
                packed = text.replace("\n", "").replace("\r", "")
                return base64.b64decode(packed, validate=True).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                raise self.error(event, "!!binary value contains invalid base64 data") from None
        if tag == PREFIX + "timestamp":
            return self.resolve(text)
        expected = TYPED_TAGS.get(tag or "")
        if expected is None:
            return text
        value = self.resolve(text)
        if type(value) not in expected:
            raise self.error(event, f"cannot decode `{text}` as a !!{(tag or '').removeprefix(PREFIX)}")
        return value

    def key(self, event: _Event) -> str | None:
        """A mapping's key as JSON can carry it; None for a null key that kustomize drops."""
        if type(event) is SCALAR:
            plain = event.tag is None and event.implicit[0]
            value = self.resolve(event.value) if plain else self.tagged(event) if event.tag else event.value
            if event.anchor is not None:
                self.anchors[event.anchor] = _Anchor(value, 1)
        else:
            plain = False
            value = self.node(event)
        if type(value) is str and not (plain and value != event.value):
            return value
        if isinstance(value, (dict, list)):
            raise self.error(event, "invalid map key: a key must be a string, not a map or a list")
        return self.kustomize_key(event, value) if self.dialect.round_trips else self.kubernetes_key(event, value)

    def kubernetes_key(self, event: _Event, value: Json) -> str:
        if value is None or (type(value) is int and value > INT64_MAX):
            raise self.error(event, "unsupported map key: quote it to make it a string")
        if type(value) is bool:
            return "true" if value else "false"
        if type(value) is float and event.value in NOT_FINITE:
            return str(event.value).lower().replace("+", "")
        return str(self.number(event, value)) if type(value) is float else str(value)

    def kustomize_key(self, event: _Event, value: Json) -> str | None:
        if self.depth > 1:
            raise self.error(event, f"map key {getattr(event, 'value', value)} is not a string: quote it")
        if value is None and not event.value:
            raise self.error(event, "did not find expected key")
        return None if value is None else str(event.value)


def _is_empty(event: _Event) -> bool:
    return type(event) is SCALAR and not event.value and event.tag is None and event.implicit[0]


def _is_merge(event: _Event) -> bool:
    return (event.tag is None and bool(event.implicit[0])) or event.tag == MERGE_TAG


def _is_excessive(aliased: int, nodes: int) -> bool:
    """Go's guard against alias bombs: the larger a document, the smaller a part of it may come from aliases."""
    if aliased <= 100 or nodes <= 1000:
        return False
    if nodes <= 400_000:
        allowed = 0.99
    elif nodes >= 4_000_000:
        allowed = 0.10
    else:
        allowed = 0.99 - 0.89 * (nodes - 400_000) / 3_600_000
    return aliased / nodes > allowed


def read_documents(text: str | bytes, dialect: Dialect, source: str, reader: type[Reader] = Reader) -> list[Document]:
    """``load_documents`` with a reader of the caller's."""
    if len(text) > MAX_TEXT:
        raise YamlError(source, 0, 0, f"larger than {MAX_TEXT >> 20} MiB")
    stripped = text.removeprefix("\ufeff") if isinstance(text, str) else text
    try:
        return reader(stripped, dialect, source).documents()
    except yaml.YAMLError as error:
        raise from_parser(error, source, stripped) from None
    except UnicodeEncodeError as error:
        line = error.object[: error.start].count("\n") + 1
        raise YamlError(source, line, 0, "half of a surrogate pair is not a character") from None


def load_documents(text: str | bytes, *, dialect: Dialect = KUBERNETES, source: str = "") -> list[Document]:
    """The documents of a stream; empty ones (nothing but comments) are left out, but count in ``Document.index``.

    Values are dicts with string keys, lists, strings, ints, finite floats, bools and None, shared by nothing else.
    Raises ``YamlError`` with ``source`` (a file's name) and the line for whatever Go's reader would refuse.
    """
    return read_documents(text, dialect, source)


def load(text: str | bytes, *, dialect: Dialect = KUBERNETES, source: str = "") -> Json:
    """The value of a text that holds exactly one document; any other number of them is a ``YamlError``."""
    documents = load_documents(text, dialect=dialect, source=source)
    if len(documents) == 1:
        return documents[0].value
    line = documents[1].line if documents else 0
    raise YamlError(source, line, 0, f"expected one document, found {len(documents) or 'none'}")
