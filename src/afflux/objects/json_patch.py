"""JSON patch (RFC 6902), as Kubernetes and kustomize apply it.

Beyond the RFC, an index counts from the end when it is negative (``/items/-1``), as in the Go library both use.
"""

from typing import Final, NoReturn

from afflux.objects.equality import json_equal
from afflux.objects.manifest import Json

MAX_OPERATIONS: Final = 10_000
"""The API server's limit on the operations of one patch."""

MAX_COPIED: Final = 3 * 1024 * 1024
"""Bytes (about) that the ``copy`` operations of one patch may duplicate together, lest a patch grow exponentially."""


class JsonPatchError(ValueError):
    """A patch that does not apply. ``index`` counts from 0 and is -1 where the patch as a whole is wrong."""

    def __init__(self, index: int, path: str, problem: str) -> None:
        super().__init__(f"operation {index}: {problem}" if index >= 0 else problem)
        self.index = index
        self.path = path
        self.problem = problem


class JsonPatchTestFailed(JsonPatchError):
    """A ``test`` operation found another value."""


def apply_json_patch(document: Json, operations: Json) -> Json:
    """``document`` after ``operations`` (a list of ``{op, path, value, from}``), all of them or none.

    Returns a new value that shares what did not change; inputs are not changed. Raises ``JsonPatchError``.
    """
    if not isinstance(operations, list):
        raise JsonPatchError(-1, "", "a JSON patch must be a list of operations")
    if len(operations) > MAX_OPERATIONS:
        raise JsonPatchError(
            -1, "", f"the allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        )
    patching = _Patching(document)
    for index, operation in enumerate(operations):
        patching.run(index, operation)
    return patching.document


def parse_pointer(pointer: str) -> list[str]:
    """The reference tokens of a JSON pointer (RFC 6901); the whole document is the empty list."""
    if pointer == "":
        return []
    if not pointer.startswith("/"):
        raise ValueError(f'a JSON pointer must start with "/": "{pointer}"')
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/")]


class _Patching:
    """A document while it is patched: containers are copied when they are first written, once a patch."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self._owned: dict[int, Json] = {}
        self._copied = 0
        self._index = 0
        self._op = ""
        self._path = ""

    def run(self, index: int, operation: Json) -> None:
        self._index, self._op, self._path = index, "", ""
        if not isinstance(operation, dict):
            self._fail("an operation must be an object")
        self._op, self._path = str(operation.get("op")), self._text(operation, "path")
        match operation.get("op"):
            case "add":
                self._add(self._path, self._value(operation))
            case "remove":
                self._remove(self._path)
            case "replace":
                self._replace(self._path, self._value(operation))
            case "move":
                self._move(self._text(operation, "from"))
            case "copy":
                self._copy(self._text(operation, "from"))
            case "test":
                self._test(self._value(operation))
            case other:
                self._fail(f"unexpected kind: {other}")

    def _add(self, path: str, value: Json) -> None:
        tokens = self._tokens(path)
        if not tokens:
            self.document = value
            return
        container = self._writable(tokens[:-1], path)
        if isinstance(container, dict):
            container[tokens[-1]] = value
        elif tokens[-1] == "-":
            container.append(value)
        else:
            container.insert(self._position(tokens[-1], len(container) + 1, path), value)

    def _remove(self, path: str) -> None:
        tokens = self._tokens(path)
        if not tokens:
            self._fail("cannot remove the whole document")
        self._read(tokens, path)
        container = self._writable(tokens[:-1], path)
        if isinstance(container, dict):
            del container[tokens[-1]]
        else:
            del container[self._position(tokens[-1], len(container), path)]

    def _replace(self, path: str, value: Json) -> None:
        tokens = self._tokens(path)
        if not tokens:
            self.document = value
            return
        container = self._writable(tokens[:-1], path)
        if isinstance(container, dict):
            container[tokens[-1]] = value  # whether it was there or not, as in the Go library
        else:
            container[self._position(tokens[-1], len(container), path)] = value

    def _move(self, source: str) -> None:
        if self._path.startswith(source + "/"):
            self._fail(f'cannot move "{source}" into itself')
        value = self._read(self._tokens(source), source)
        if source == self._path:
            return
        self._remove(source)
        self._add(self._path, value)

    def _copy(self, source: str) -> None:
        value = self._read(self._tokens(source), source)
        self._copied += _size(value, MAX_COPIED - self._copied)
        if self._copied > MAX_COPIED:
            self._fail(f"the values copied by this patch exceed {MAX_COPIED} bytes")
        # Two places now share containers, so none of those written so far may be written in place again.
        self._owned.clear()
        self._add(self._path, value)

    def _test(self, value: Json) -> None:
        if not json_equal(self._read(self._tokens(self._path), self._path), value):
            raise JsonPatchTestFailed(self._index, self._path, f'testing value "{self._path}" failed: test failed')

    def _read(self, tokens: list[str], path: str) -> Json:
        value = self.document
        for token in tokens:
            value = self._child(value, token, path)
        return value

    def _child(self, container: Json, token: str, path: str) -> Json:
        if isinstance(container, dict):
            if token not in container:
                self._missing(path)
            return container[token]
        if isinstance(container, list):
            return container[self._position(token, len(container), path)]
        self._missing(path)

    def _writable(self, tokens: list[str], path: str) -> Json:
        """The container at ``tokens``, it and the containers above it copied unless this patch made them."""
        self.document = container = self._own(self.document, path)
        for token in tokens:
            child = self._own(self._child(container, token, path), path)
            if isinstance(container, dict):
                container[token] = child
            else:
                container[self._position(token, len(container), path)] = child
            container = child
        return container

    def _own(self, value: Json, path: str) -> Json:
        if id(value) in self._owned:
            return value
        if not isinstance(value, dict | list):
            self._missing(path)
        copy = value.copy()
        self._owned[id(copy)] = copy
        return copy

    def _position(self, token: str, length: int, path: str) -> int:
        digits = token.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()):
            self._fail(f'"{token}" in "{path}" is not an index of a list')
        position = int(token) if len(digits) < 10 else length
        if not -length <= position < length:
            self._fail(f'{self._op} operation does not apply: index {token} in "{path}" is out of bounds')
        return position % length

    def _tokens(self, path: str) -> list[str]:
        try:
            return parse_pointer(path)
        except ValueError as error:
            self._fail(str(error))

    def _text(self, operation: dict[str, Json], key: str) -> str:
        value = operation.get(key)
        if not isinstance(value, str):
            self._fail(f'{self._op or operation.get("op")} operation needs "{key}" as a string')
        return value

    def _value(self, operation: dict[str, Json]) -> Json:
        if "value" not in operation:
            self._fail(f'{self._op} operation on "{self._path}" has no value')
        return operation["value"]

    def _missing(self, path: str) -> NoReturn:
        self._fail(f'{self._op} operation does not apply: doc is missing path: "{path}": missing value')

    def _fail(self, problem: str) -> NoReturn:
        raise JsonPatchError(self._index, self._path, problem)


def _size(value: Json, limit: int) -> int:
    """About the bytes of ``value`` as JSON; stops counting soon after ``limit``, for shared parts count every time."""
    size, pending = 0, [value]
    while pending and size <= limit:
        node = pending.pop()
        if isinstance(node, dict):
            size += 2 + sum(len(key) + 4 for key in node)
            pending.extend(node.values())
        elif isinstance(node, list):
            size += 2 + len(node)
            pending.extend(node)
        else:
            size += len(node) + 2 if isinstance(node, str) else 8
    return size
