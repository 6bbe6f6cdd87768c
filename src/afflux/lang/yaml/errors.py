"""What can be wrong with a YAML text."""

import yaml
from yaml.reader import ReaderError


class YamlError(ValueError):
    """A text that isn't the YAML that Go reads; ``str()`` is ``source:line: problem``.

    ``line`` and ``column`` count from 1; both are 0 where the place is unknown.
    """

    def __init__(self, source: str, line: int, column: int, problem: str) -> None:
        self.source = source
        self.line = line
        self.column = column
        self.problem = problem
        place = (
            f"{source}:{line}: " if source and line else f"{source}: " if source else f"line {line}: " if line else ""
        )
        super().__init__(place + problem)

    def __reduce__(self) -> tuple[type["YamlError"], tuple[str, int, int, str]]:
        return YamlError, (self.source, self.line, self.column, self.problem)


def from_parser(error: yaml.YAMLError, source: str, text: str | bytes) -> YamlError:
    """The parser's own error in our words: its problem, and the line where it was met."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "invalid YAML"
        return YamlError(source, mark.line + 1 if mark else 0, mark.column + 1 if mark else 0, problem)
    if isinstance(error, ReaderError):
        position = error.position if isinstance(error.position, int) else 0
        before = text[:position]
        newlines = before.count("\n") if isinstance(before, str) else before.count(b"\n")
        return YamlError(source, newlines + 1, 0, str(error.reason))
    return YamlError(source, 0, 0, str(error))
