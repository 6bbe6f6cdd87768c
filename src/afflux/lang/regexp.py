"""Regular expressions that users write: RE2, as in Go, in linear time and bounded memory."""

from collections.abc import Iterator
from typing import Protocol, cast

import re2

MAX_PATTERN = 16_384
MAX_MEMORY = 8 << 20


class InvalidPattern(ValueError):
    """A text that isn't an RE2 pattern."""


class Match(Protocol):
    """What a successful match tells."""

    def group(self, group: int | str = 0) -> str | None: ...
    def groupdict(self) -> dict[str, str | None]: ...
    def start(self, group: int | str = 0) -> int: ...
    def end(self, group: int | str = 0) -> int: ...


class Pattern(Protocol):
    """A compiled pattern: ``search`` and ``finditer`` look anywhere, ``fullmatch`` at the whole text."""

    def search(self, text: str) -> Match | None: ...
    def finditer(self, text: str) -> Iterator[Match]: ...
    def fullmatch(self, text: str) -> Match | None: ...


def compile_pattern(text: str) -> Pattern:
    """The pattern, or ``InvalidPattern`` that quotes it and says what is wrong with it."""
    if len(text) > MAX_PATTERN:
        raise InvalidPattern(f"regular expression of {len(text)} characters: at most {MAX_PATTERN} are allowed")
    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    try:
        return cast(Pattern, re2.compile(text, options))
    except re2.error as error:
        reason = error.args[0] if error.args else "invalid"
        said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise InvalidPattern(f"invalid regular expression '{text}': {said}") from None


def compile_anchored(text: str) -> Pattern:
    """The pattern as Flux's and kustomize's selectors use it: ``^(?:text)$``, for ``search``."""
    compile_pattern(text)
    return compile_pattern(f"^(?:{text})$")
