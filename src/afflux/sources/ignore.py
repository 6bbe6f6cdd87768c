"""Which files of a source are left out of its artifact: ``.sourceignore`` files, ``spec.ignore``, and what Flux leaves
out.

The patterns are ``.gitignore``'s as Flux's source-controller reads them: the last pattern that matches a path decides;
a pattern without a slash in it matches a name at any level, and with it all that is below; a directory that is left out
does not keep a later pattern from bringing back a file inside.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from afflux.artifacts.archive import Entry, File, Ignore
from afflux.sources.glob import NameMatcher, compile_name

FILE_NAME = ".sourceignore"
MAX_PATTERNS = 10_000
MAX_BYTES = 1 << 20
MAX_SECONDS = 20.0
"""Of processor time for one artifact: thousands of patterns on thousands of paths would take hours."""
_PATTERNS_A_GLANCE = 64

VERSION_CONTROL = (".git/", ".gitignore", ".gitmodules", ".gitattributes")
"""Always left out."""

DEFAULTS = (
    *("*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip"),
    *(".github/", ".circleci/", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml"),
    *("cloudbuild.yaml", "codeship-services.yml", "codeship-steps.yml"),
    *("**/.goreleaser.yml", "**/.sops.yaml", "**/.flux.yaml"),
)
"""Left out where nobody gave a pattern."""


class TooManyPatterns(ValueError):
    """More ignore patterns than are reasonable, a file of them that is too large, or too much work to match them."""


@dataclass(frozen=True)
class Pattern:
    """One line. ``scope`` is the directory it was found in; ``segments`` are its parts between slashes."""

    scope: tuple[str, ...]
    includes: bool
    directories_only: bool
    anchored: bool
    segments: tuple[str, ...]
    matchers: tuple[NameMatcher, ...]

    def matches(self, path: tuple[str, ...], is_directory: bool) -> bool:
        """Whether the pattern speaks about the path."""
        depth = len(self.scope)
        if len(path) <= depth or path[:depth] != self.scope:
            return False
        below = path[depth:]
        return self._walk(below, is_directory) if self.anchored else self._any_name(below, is_directory)

    def _any_name(self, path: tuple[str, ...], is_directory: bool) -> bool:
        matches = self.matchers[0]
        for index, name in enumerate(path):
            if matches(name):
                return is_directory or not self.directories_only or index < len(path) - 1
        return False

    def _walk(self, path: tuple[str, ...], is_directory: bool) -> bool:
        at, matched, skipping = 0, False, False
        for index, segment in enumerate(self.segments):
            if segment == "":
                skipping = False
            elif segment == "**":
                if index == len(self.segments) - 1:
                    break
                skipping = True
            elif "**" in segment or at == len(path):
                return False
            else:
                found = self._find(self.matchers[index], path, at, skipping)
                if found is None and not skipping:
                    return False
                matched, at, skipping = found is not None, len(path) if found is None else found + 1, False
        return matched and not (self.directories_only and not is_directory and at == len(path))

    @staticmethod
    def _find(matches: NameMatcher, path: tuple[str, ...], at: int, skipping: bool) -> int | None:
        candidates = range(at, len(path) if skipping else at + 1)
        return next((index for index in candidates if matches(path[index])), None)


def parse_patterns(text: str, scope: tuple[str, ...] = ()) -> list[Pattern]:
    """The patterns of an ignore file that lies in the directory ``scope``."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return [_pattern(line, scope) for line in lines if line.strip() and not line.startswith("#")]


def _pattern(line: str, scope: tuple[str, ...]) -> Pattern:
    includes = line.startswith("!")
    line = line.removeprefix("!")
    if not line.endswith("\\ "):
        line = line.rstrip(" ")
    directories_only = line.endswith("/")
    line = line.removesuffix("/")
    segments = tuple(line.split("/"))
    matchers = tuple(compile_name(segment) for segment in segments)
    return Pattern(scope, includes, directories_only, "/" in line, segments, matchers)


_VERSION_CONTROL = tuple(parse_patterns("\n".join(VERSION_CONTROL)))
_DEFAULTS = tuple(parse_patterns("\n".join(DEFAULTS)))


def ignore_rules(entries: Iterable[Entry], spec_ignore: str | None) -> Ignore:
    """What is left out of these entries. One pattern of a user's replaces all defaults but those of version control.

    Raises ``TooManyPatterns``, also when it is asked about a path.
    """
    patterns = [pattern for scope, text in _ignore_files(entries) for pattern in parse_patterns(text, scope)]
    patterns += parse_patterns(spec_ignore or "")
    if len(patterns) > MAX_PATTERNS:
        raise TooManyPatterns(f"{FILE_NAME} files and spec.ignore hold more than {MAX_PATTERNS} patterns")
    return _matcher((*_VERSION_CONTROL, *(patterns or _DEFAULTS)))


def _ignore_files(entries: Iterable[Entry]) -> list[tuple[tuple[str, ...], str]]:
    """Scope and text of each ignore file; a directory's before those of the directories in it."""
    found = []
    for entry in entries:
        *scope, name = entry.path.split("/")
        if name == FILE_NAME and isinstance(entry, File) and ".git" not in scope:
            content = entry.read()
            if len(content) > MAX_BYTES:
                raise TooManyPatterns(f"{entry.path} is larger than {MAX_BYTES} bytes")
            found.append((tuple(scope), content.decode("utf-8", "surrogateescape")))
    return sorted(found)


def _matcher(patterns: tuple[Pattern, ...]) -> Ignore:
    last_first = patterns[::-1]
    split = lru_cache(maxsize=1024)(lambda directory: tuple(directory.split("/")))
    deadline = _Deadline()

    def ignored(path: str, is_directory: bool) -> bool:
        directory, slash, name = path.rpartition("/")
        parts = (*split(directory), name) if slash else (name,)
        for count, pattern in enumerate(last_first):
            if count % _PATTERNS_A_GLANCE == 0:
                deadline.check()
            if pattern.matches(parts, is_directory):
                return not pattern.includes
        return False

    return ignored


class _Deadline:
    """Processor time of the thread that matches, from the first path on."""

    def __init__(self) -> None:
        self._end: float | None = None

    def check(self) -> None:
        now = time.thread_time()
        if self._end is None:
            self._end = now + MAX_SECONDS
        elif now > self._end:
            raise TooManyPatterns(
                f"{FILE_NAME} files and spec.ignore hold more patterns than can be matched in {MAX_SECONDS:g} s"
            )
