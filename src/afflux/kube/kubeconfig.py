"""Where kubeconfigs lie, and several of them as one, as kubectl sees them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from afflux.kube.errors import ConfigError
from afflux.lang.yaml import YamlError, load
from afflux.objects.manifest import Json

_MAPS = ("clusters", "contexts", "users")
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def kubeconfig_files(flag: Path | None, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """The files to read: the flag's, else those of KUBECONFIG that exist, else ``~/.kube/config``; none where that is
    absent. Raises ``ConfigError`` where KUBECONFIG names no file that exists."""
    if flag is not None:
        return (flag,)
    named = [Path(name) for name in environment.get("KUBECONFIG", "").split(os.pathsep) if name]
    if named:
        present = tuple(path for path in named if path.exists())
        if not present:
            raise ConfigError(f"KUBECONFIG: no such file: {', '.join(str(path) for path in named)}")
        return present
    home = environment.get("HOME")
    default = Path(home) / ".kube/config" if home else None
    return (default,) if default is not None and default.is_file() else ()


def read_kubeconfigs(files: Sequence[Path]) -> dict[str, Json]:
    """The files as one: of entries (and settings) with one name the first file's counts, as a whole.

    File names in them are relative to the file that has them. Raises ``ConfigError`` naming the file.
    """
    merged: dict[str, Json] = {}
    for file in files:
        document = resolved(parsed_kubeconfig(_text(file), str(file)), file.parent)
        for name, value in document.items():
            if name in _MAPS:
                known = {entry.get("name") for entry in merged.get(name, [])}
                entries = [entry for entry in value or () if isinstance(entry, dict)]
                merged[name] = [*merged.get(name, []), *(each for each in entries if each.get("name") not in known)]
            elif value and not merged.get(name):
                merged[name] = value
    return merged


def parsed_kubeconfig(text: str, source: str) -> dict[str, Json]:
    """A kubeconfig's document; nothing at all is an empty one."""
    try:
        document = load(text, source=source) if text.strip() else {}
    except YamlError as error:
        raise ConfigError(f"kubeconfig {source}: not valid YAML (line {error.line})") from error
    if not isinstance(document, dict):
        raise ConfigError(f"kubeconfig {source}: not a mapping")
    return document


def resolved(document: dict[str, Json], directory: Path) -> dict[str, Json]:
    """The document with the file names of its entries made absolute."""
    for section, body in (("clusters", "cluster"), ("users", "user")):
        for entry in document.get(section) or ():
            found = entry.get(body) if isinstance(entry, dict) else None
            if isinstance(found, dict):
                _resolve(found, directory)
    return document


def _resolve(entry: dict[str, Json], directory: Path) -> None:
    for name in _FILES:
        if entry.get(name):
            entry[name] = str(directory / str(entry[name]))
    plugin = entry.get("exec")
    if isinstance(plugin, dict) and "/" in str(plugin.get("command") or ""):
        plugin["command"] = str(directory / str(plugin["command"]))


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        raise ConfigError(f"kubeconfig {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"kubeconfig {file}: not UTF-8") from error
