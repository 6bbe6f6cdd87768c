"""Files as resources: documents split, lists of objects opened, every object with a kind and a name.

The rules are kyaml's reader's and the resource factory's: what counts as a separator, which documents are dropped,
in which order the items of lists come.
"""

import re
from collections import deque
from typing import NamedTuple

import yaml as pyyaml

from afflux.kustomize.errors import MalformedDocument, Place
from afflux.kustomize.scalars import FLOW_NULL, MARKING, Quoted, is_null, text_of, unmarked
from afflux.lang.yaml import Document, YamlError, load_documents
from afflux.lang.yaml.errors import from_parser
from afflux.lang.yaml.folding import refolded
from afflux.lang.yaml.reader import MAX_TEXT, Reader
from afflux.objects.manifest import Json, Manifest

CONVERTING = "error converting YAML to JSON: "
SEPARATOR = re.compile(r"\n---([^\n]*)\n")


class Parsed(NamedTuple):
    """One object of a file: the object, the document it stands in (from 0) and the line where that starts."""

    value: Json
    document: int
    line: int


class _MarkingReader(Reader):
    """Reads as kustomize does and marks the scalars whose style matters (``scalars``)."""

    def scalar(self, event: Json) -> Json:
        if event.tag is not None:
            return super().scalar(event)
        text: str = event.value
        if event.implicit[0]:
            if not text and self.flow:
                return FLOW_NULL
            value = self.resolve(text)
            return self.number(event, value) if type(value) is float else value
        return Quoted(refolded(text) if event.style == ">" else text)


def read_marked(text: str, source: str) -> list[Document]:
    """The documents of a text, scalars marked. Raises ``YamlError``."""
    if len(text) > MAX_TEXT:
        raise YamlError(source, 0, 0, f"larger than {MAX_TEXT >> 20} MiB")
    try:
        return _MarkingReader(text.removeprefix("\ufeff"), MARKING, source).documents()
    except pyyaml.YAMLError as error:
        raise from_parser(error, source, text) from None


def decoded(data: bytes, source: str) -> str:
    """A file's text. Raises ``MalformedDocument`` where it isn't UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        place = Place(file=source, line=line)
        raise MalformedDocument(f"MalformedYAMLError: yaml: invalid UTF-8 in File: {source}:{line}", place) from None


def parse_objects(text: str, source: str) -> list[Parsed]:
    """The Kubernetes objects of a text, lists opened. Raises ``MalformedDocument`` with the line."""
    objects = _documents(text.replace("\r\n", "\n") if "\r" in text else text, source)
    objects = _unwrapped(objects)
    for item in objects:
        _validate(item, source)
    return _opened(objects, source)


def _documents(text: str, source: str) -> list[Parsed]:
    if "\n---" in text:
        _check_separators(text, source)
    try:
        found = read_marked(text, source)
    except YamlError as error:
        place = Place(file=source, line=error.line)
        problem = f"yaml: line {error.line}: {error.problem}" if error.line else f"yaml: {error.problem}"
        raise MalformedDocument(f"MalformedYAMLError: {problem} in File: {source}", place) from None
    return [Parsed(item.value, item.index, item.line) for item in found if not is_null(item.value)]


def _check_separators(text: str, source: str) -> None:
    for match in SEPARATOR.finditer(text):
        rest = match.group(1).strip()
        if rest and not rest.startswith("#"):
            line = text.count("\n", 0, match.start()) + 2
            raise MalformedDocument(
                f"invalid document separator: ---{match.group(1).rstrip()} ({source}:{line})",
                Place(file=source, line=line),
            )


def _unwrapped(objects: list[Parsed]) -> list[Parsed]:
    """The items of a file that holds one list and nothing else."""
    if len(objects) != 1 or not isinstance(objects[0].value, dict):
        return _not_empty(objects)
    only = objects[0]
    if text_of(only.value.get("kind")) not in ("List", "ResourceList"):
        return _not_empty(objects)
    if "items" not in only.value and "functionConfig" not in only.value:
        return objects
    items = only.value.get("items")
    return _not_empty([Parsed(item, only.document, only.line) for item in items] if isinstance(items, list) else [])


def _not_empty(objects: list[Parsed]) -> list[Parsed]:
    return [item for item in objects if not is_null(item.value) and item.value != {} and item.value != []]


def _opened(objects: list[Parsed], source: str) -> list[Parsed]:
    """``FooList`` objects replaced by their items, which come after everything else in the file."""
    if not any(_kind(item.value).endswith("List") for item in objects):
        return objects
    pending = deque(objects)
    result: list[Parsed] = []
    while pending:
        item = pending.popleft()
        kind = _kind(item.value)
        if not kind.endswith("List") or "items" not in item.value:
            result.append(item)
            continue
        items = item.value["items"]
        if is_null(items):
            continue
        if not isinstance(items, list):
            raise MalformedDocument(
                f"expected array in {kind}/items, but found {_go_type(items)} ({source}:{item.line})",
                Place(file=source, line=item.line, field="items"),
            )
        inner = _not_empty([Parsed(requoted(unmarked(each)), item.document, item.line) for each in items])
        for each in inner:
            _validate(each, source)
        pending.extend(inner)
    return result


def requoted(value: Json) -> Json:
    """The value as if it had been written as JSON and read again: every string is a quoted one."""
    if isinstance(value, dict):
        return {key: requoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [requoted(item) for item in value]
    return Quoted(value) if type(value) is str else value


def _kind(value: Manifest) -> str:
    return text_of(value.get("kind"))


def _go_type(value: Json) -> str:
    names = {dict: "map[string]interface {}", bool: "bool", int: "int", float: "float64"}
    return names.get(type(value), "string")


def _validate(item: Parsed, source: str) -> None:
    """Every object needs a kind, and a name unless it is a list."""
    value = item.value
    problem = "missing Resource metadata"
    if isinstance(value, dict):
        metadata = value.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        kind, name = text_of(value.get("kind", "")), text_of(metadata.get("name", ""))
        if kind and not is_null(value.get("kind")) and (kind.endswith("List") or _is_name(metadata.get("name"), name)):
            return
        problem = _metadata_problem(value, metadata, kind)
    raise MalformedDocument(f"{problem} ({source}:{item.line})", Place(file=source, line=item.line, field="metadata"))


def _is_name(value: Json, text: str) -> bool:
    return bool(text) and not is_null(value)


def _metadata_problem(value: Manifest, metadata: Manifest, kind: str) -> str:
    fields = (value.get("apiVersion"), value.get("kind"), value.get("metadata"))
    if all(field is None or is_null(field) or field == {} for field in fields):
        return "missing Resource metadata"
    missing = "metadata.name" if kind else "kind"
    shown = (value.get("apiVersion", ""), kind, metadata.get("name", ""), metadata.get("namespace", ""))
    api_version, kind, name, namespace = ("" if is_null(part) else text_of(part) for part in shown)
    return f"missing {missing} in object {{{{{api_version} {kind}}} {{{{{name} {namespace}}} map[] map[]}}}}"


def load_config(text: str, source: str) -> Json:
    """A configuration that kustomize reads through JSON: Kubernetes' dialect, the first document only."""
    try:
        documents = load_documents(text, source=source)
    except YamlError as error:
        place = Place(file=source, line=error.line)
        shown = f"{CONVERTING}yaml: line {error.line}: {error.problem}"
        raise MalformedDocument(shown, place) from None
    return documents[0].value if documents and documents[0].index == 0 else None
