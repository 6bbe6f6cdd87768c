"""The kustomization.yaml that is built: the directory's own or a generated one, with the spec merged into it.

The rules are Flux's (`pkg/kustomize`, Generator).
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from afflux.kustomize.errors import NOWHERE, KustomizeError
from afflux.kustomize.filesystem import FileSystem, normal
from afflux.kustomize.kustomization_file import Kustomization, parse_kustomization
from afflux.lang import yaml
from afflux.objects.manifest import Json, Manifest
from afflux.render.errors import PathNotFound, RenderFailed, with_relative_paths
from afflux.render.spec import RenderSpec

FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")

_HEADER = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
_PLACEHOLDER_NAMESPACE = "_placeholder"
_REMOTE_PREFIXES = ("git::", "gh:", "ssh://", "https://", "http://", "git@", "github.com:", "github.com/")
_KNOWN_FIELDS = frozenset(field.encode_name.lower() for field in msgspec.structs.fields(Kustomization))
_OVERWRITTEN = {"targetNamespace": "namespace", "namePrefix": "namePrefix", "nameSuffix": "nameSuffix"}


@dataclass(frozen=True)
class Overlay:
    """A kustomization file to build in place of the one at ``file``; ``generated`` where there was none.

    ``warnings`` name top-level fields that were dropped, as Flux drops them.
    """

    file: str
    content: bytes
    generated: bool
    warnings: tuple[str, ...] = ()


def overlay(spec: RenderSpec, filesystem: FileSystem, path: str) -> Overlay:
    """The kustomization file of the directory ``path`` (relative to the file system's root) under this spec."""
    path = normal(path)
    if not filesystem.is_dir(path):
        raise PathNotFound(f"kustomization path not found: stat {path}: no such file or directory")
    file = kustomization_file(filesystem, path)
    if file is None:
        document = _generate(filesystem, path)
        _merge(document, spec, filesystem, path)
        return Overlay(posixpath.join(path, FILE_NAMES[0]), yaml.dump(document).encode(), generated=True)
    return _over_own(filesystem.read(file), file, spec, filesystem, path)


def _over_own(text: bytes, file: str, spec: RenderSpec, filesystem: FileSystem, path: str) -> Overlay:
    """The directory's own file; as it is written where nothing is to be changed, so that errors name its lines."""
    own = _read(text, file)
    unknown = [] if spec.strict_fields else [name for name in own if name.lower() not in _KNOWN_FIELDS]
    if not unknown:
        _check(text, file)
    document = {**_HEADER, **{name: value for name, value in own.items() if name not in unknown}}
    if not document.get("resources"):
        # An empty build is an error in kustomize and none in Flux, which sets this for the same reason.
        document["buildMetadata"] = ["originAnnotations"]
    untouched = dict(document)
    _merge(document, spec, filesystem, path)
    same = document == untouched and own.keys() >= document.keys() - _HEADER.keys() and not unknown
    content = text if same else yaml.dump(document).encode()
    warnings = [f'{file.lstrip("/")}:{yaml.locate(text, 0, [name])}: unknown field "{name}"' for name in unknown]
    return Overlay(file, content, generated=False, warnings=tuple(warnings))


def kustomization_file(filesystem: FileSystem, directory: str) -> str | None:
    """The kustomization file of a directory, or None where it has none."""
    candidates = (posixpath.join(directory, name) for name in FILE_NAMES)
    return next((candidate for candidate in candidates if filesystem.is_file(candidate)), None)


def _read(text: bytes, file: str) -> Manifest:
    try:
        documents = yaml.load_documents(text, source=file.lstrip("/"))
    except yaml.YamlError as error:
        raise RenderFailed(str(error)) from error
    document = documents[0].value if documents else None
    if document is not None and not isinstance(document, dict):
        raise RenderFailed(f"{file.lstrip('/')}: a kustomization file must be a mapping")
    return document or {}


def _check(text: bytes, file: str) -> None:
    """Looks for mistakes while lines are those of the user's file. An empty file is none."""
    try:
        parse_kustomization(text.decode(), file)
    except (KustomizeError, UnicodeDecodeError) as error:
        if not str(error).startswith("kustomization.yaml is empty"):
            place = error.place if isinstance(error, KustomizeError) else NOWHERE
            raise RenderFailed(f"kustomize build failed: {with_relative_paths(str(error), place)}") from error


def _generate(filesystem: FileSystem, path: str) -> Manifest:
    resources = [f"./{posixpath.relpath(found, path)}" for found in _manifests_below(filesystem, path)]
    if not resources:
        return {**_HEADER, "namespace": _PLACEHOLDER_NAMESPACE}
    return {**_HEADER, "resources": resources}


def _manifests_below(filesystem: FileSystem, directory: str) -> Iterator[str]:
    """YAML files and directories with a kustomization file of their own, in lexical order, depth first."""
    for name in sorted(filesystem.list_dir(directory)):
        entry = posixpath.join(directory, name)
        if filesystem.is_dir(entry):
            if kustomization_file(filesystem, entry) is not None:
                yield entry
            else:
                yield from _manifests_below(filesystem, entry)
        elif name.endswith((".yaml", ".yml")):
            yield entry


def _merge(document: Manifest, spec: RenderSpec, filesystem: FileSystem, path: str) -> None:
    for ours, theirs in _OVERWRITTEN.items():
        if value := spec.text(ours):
            document[theirs] = value
    _append(document, "patches", spec.entries("patches"))
    _append(document, "components", list(_components(spec, filesystem, path)))
    _append(document, "patchesStrategicMerge", [_as_text(patch) for patch in spec.entries("patchesStrategicMerge")])
    _append(document, "patchesJson6902", [_json_patch(patch) for patch in spec.entries("patchesJson6902")])
    if images := spec.entries("images"):
        document["images"] = _merged_images(document.get("images") or [], images)
    if metadata := spec.entries("buildMetadata"):
        document["buildMetadata"] = metadata


def _append(document: Manifest, name: str, more: list[Json]) -> None:
    if more:
        document[name] = [*(document.get(name) or []), *more]


def _components(spec: RenderSpec, filesystem: FileSystem, path: str) -> Iterator[str]:
    ignore_missing = spec.spec.get("ignoreMissingComponents") is True
    for component in spec.entries("components"):
        if not _is_local(component):
            raise RenderFailed(f"component path '{component}' must be local and relative")
        where = normal(posixpath.join(path, component))
        if ignore_missing and not (filesystem.is_dir(where) or filesystem.is_file(where)):
            continue
        yield component


def _is_local(component: str) -> bool:
    lowered = component.lower()
    if any(lowered.startswith(prefix) and len(lowered) > len(prefix) for prefix in _REMOTE_PREFIXES):
        return False
    return not lowered.removeprefix("file://").startswith("/")


def _as_text(patch: Json) -> str:
    return patch if isinstance(patch, str) else yaml.dump(patch)


def _json_patch(patch: Manifest) -> Manifest:
    return {**patch, "patch": _as_text(patch.get("patch"))}


def _merged_images(existing: list[Manifest], ours: list[Manifest]) -> list[Manifest]:
    """By name: newName replaced where set; newTag and digest replaced together where either is set."""
    merged = {image.get("name", ""): dict(image) for image in existing}
    for image in ours:
        known = merged.get(image.get("name", ""))
        if known is None:
            merged[image.get("name", "")] = dict(image)
            continue
        if image.get("newName"):
            known["newName"] = image["newName"]
        if image.get("newTag") or image.get("digest"):
            for field in ("newTag", "digest"):
                known.pop(field, None)
                if image.get(field):
                    known[field] = image[field]
    return list(merged.values())
