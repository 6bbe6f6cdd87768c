"""Key-value pairs from literals, files and environment files."""

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager

from afflux.kustomize.errors import InvalidKustomization, KustomizeError
from afflux.kustomize.kustomization_file import Generator
from afflux.kustomize.loader import Loader

BOM = b"\xef\xbb\xbf"
GO_SPACES = b"\t\n\v\f\r "


def pairs(generator: Generator, loader: Loader) -> dict[str, bytes]:
    """The pairs of a generator: environment files' first, then literals', then files'. Raises on a key given twice."""
    found: dict[str, bytes] = {}
    for key, value in _all_pairs(generator, loader):
        if key in found:
            raise InvalidKustomization(f"configmap {generator.name} illegally repeats the key `{key}`")
        found[key] = value
    return found


def _all_pairs(generator: Generator, loader: Loader) -> list[tuple[str, bytes]]:
    envs = [*generator.envs, *([generator.env] if generator.env else [])]
    shown_envs, shown_files = " ".join(envs), " ".join(generator.files)
    found: list[tuple[str, bytes]] = []
    with _loading(f"env source files: [{shown_envs}]"):
        found.extend(pair for path in envs for pair in env_file_pairs(loader.load_bytes(path)))
    with _loading("literal sources"):
        found.extend(literal_pair(literal) for literal in generator.literals)
    with _loading(f"file sources: [{shown_files}]"):
        found.extend(_file_pair(source, loader) for source in generator.files)
    return found


@contextmanager
def _loading(what: str) -> Iterator[None]:
    try:
        yield
    except KustomizeError as error:
        raise error.within(f"loading KV pairs: {what}") from None


def literal_pair(literal: str) -> tuple[str, bytes]:
    """``key=value``; quotes around the whole value are taken away. An error shows no literal: it may be a secret."""
    key, separator, value = literal.partition("=")
    if not separator or not key:
        raise InvalidKustomization("invalid literal source, expected key=value")
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return key, value.encode()


def _file_pair(source: str, loader: Loader) -> tuple[str, bytes]:
    key, path = split_file_source(source)
    return key, loader.load_bytes(path)


def split_file_source(source: str) -> tuple[str, str]:
    """``path`` (the key is the file's name) or ``key=path``."""
    if "=" not in source:
        return posixpath.basename(source.rstrip("/")) or ".", source
    key, _, path = source.partition("=")
    if "=" in path:
        raise InvalidKustomization(f"source \"{source}\" key name or file path contains '='")
    if not key:
        raise InvalidKustomization(f'missing key name for file path "{path}" in source "{source}"')
    if not path:
        raise InvalidKustomization(f'missing file path for key name "{key}" in source "{source}"')
    return key, path


def env_file_pairs(data: bytes) -> list[tuple[str, bytes]]:
    """The pairs of an environment file: ``key=value`` or ``key`` a line; empty lines and comments are left out."""
    found = []
    for number, line in enumerate(data.split(b"\n")):
        line = line.removesuffix(b"\r")
        try:
            line.decode()
        except UnicodeDecodeError:
            raise InvalidKustomization(f"line {number + 1} has invalid utf8 bytes") from None
        if number == 0:
            line = line.removeprefix(BOM)
        line = line.decode().lstrip().encode()
        if not line or line.startswith(b"#"):
            continue
        key, _, value = line.partition(b"=")
        if key:
            found.append((key.decode(), value))
    return found
