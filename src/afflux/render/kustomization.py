"""Render a Kustomization: its spec and the files of its source become the manifests that are applied."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from afflux.kustomize import BuildOptions, Reorder, build
from afflux.kustomize.errors import KustomizeError
from afflux.kustomize.filesystem import DiskFileSystem, FileSystem, OverlayFileSystem
from afflux.kustomize.resource import Origin, Resource
from afflux.lang import yaml
from afflux.objects.manifest import Json, Manifest
from afflux.render.build_failure import build_failure
from afflux.render.errors import RenderFailed, UnknownFields
from afflux.render.finish import finished, objects_in
from afflux.render.inputs import Input, RecordingFileSystem, still_hold
from afflux.render.overlay import Overlay, overlay
from afflux.render.spec import RenderSpec
from afflux.render.substitution import opted_out, substituted, variables_of
from afflux.render.unknown import KindSchemas, complaints_about

_OPTIONS = BuildOptions(root_only=False, reorder=Reorder.NONE)
"""Flux's: files may come from anywhere below the artifact's root, which is the file system's; nothing is sorted."""


@dataclass(frozen=True, slots=True)
class RenderedManifest:
    """A manifest as it is applied, and where it was read or generated."""

    manifest: Manifest
    origin: Origin

    @property
    def from_where(self) -> str:
        """`` (from <file>, document <n>, line <l>)``, counted from 1, or nothing where it is unknown."""
        return from_where(self.origin)


@dataclass(frozen=True, slots=True)
class Rendered:
    """All manifests in the order of the build. ``digest`` is that of the built YAML, before labels (Flux's history).

    ``warnings`` name fields that were dropped; ``inputs`` are the looks at the tree that the result depends on.
    """

    manifests: tuple[RenderedManifest, ...]
    digest: str
    warnings: tuple[str, ...] = ()
    inputs: tuple[Input, ...] = ()


def render(spec: RenderSpec, filesystem: FileSystem, path: str) -> Rendered:
    """Build the directory ``path`` under the spec. Raises `RenderFailed`."""
    recording = RecordingFileSystem(filesystem)
    over = overlay(spec, recording, path)
    texts, objects = _built(spec, recording, over, path)
    digest = hashlib.sha256("---\n".join(texts).encode()).hexdigest()
    warnings = (*over.warnings, *_unknown_fields(objects, recording))
    if warnings and spec.strict_fields:
        raise UnknownFields("\n".join(warnings))
    manifests = tuple(RenderedManifest(finished(one.manifest, spec), one.origin) for one in objects)
    return Rendered(manifests, f"sha256:{digest}", warnings, recording.inputs)


def render_directory(root: str, path: str, spec: RenderSpec, known: Sequence[Input] = ()) -> Rendered | None:
    """`render` for a worker: the tree is the directory ``root``, and nothing outside it is read.

    None where everything that an earlier render of the same spec looked at (``known``) is still so.
    """
    filesystem = DiskFileSystem(root)
    if known and still_hold(known, filesystem):
        return None
    return render(spec, filesystem, path)


def from_where(origin: Origin) -> str:
    """Where an object came from, to be appended to a message."""
    if not origin.file:
        return ""
    line = f", line {origin.line}" if origin.line else ""
    return f" (from {origin.file.lstrip('/')}, document {origin.document + 1}{line})"


def _built(
    spec: RenderSpec, filesystem: FileSystem, over: Overlay, path: str
) -> tuple[list[str], list[RenderedManifest]]:
    """The built documents as YAML, and the objects in them."""
    variables = variables_of(spec)
    texts: list[str] = []
    objects: list[RenderedManifest] = []
    for resource in _resources(filesystem, over, path):
        where = from_where(resource.origin)
        text = yaml.dump(resource.manifest)
        value = _substituted(spec, text, resource, variables)
        texts.append(text if value is resource.manifest else yaml.dump(value))
        objects += [RenderedManifest(found, resource.origin) for found in objects_in(value, where)]
    return texts, objects


def _resources(filesystem: FileSystem, over: Overlay, path: str) -> Iterator[Resource]:
    files = OverlayFileSystem(filesystem, {over.file: over.content})
    try:
        yield from build(files, path, _OPTIONS)
    except KustomizeError as error:
        raise RenderFailed(build_failure(error, over, filesystem)) from error


def _substituted(spec: RenderSpec, text: str, resource: Resource, variables: dict[str, str] | None) -> Json:
    manifest = resource.manifest
    if variables is None or "$" not in text or opted_out(manifest):
        return manifest
    where = from_where(resource.origin)
    return substituted(text, manifest, variables, strict=spec.strict_substitution, where=where)


def _unknown_fields(objects: Sequence[RenderedManifest], filesystem: FileSystem) -> Iterator[str]:
    schemas = KindSchemas.of(one.manifest for one in objects)
    for one in objects:
        yield from complaints_about(one.manifest, one.origin, schemas, filesystem)
