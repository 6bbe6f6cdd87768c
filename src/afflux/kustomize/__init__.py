"""kustomize 5.8.1's behaviour as a library: ``build(filesystem, path, options) -> ResourceMap``.

The central types, and why they are as they are:

- ``ResourceMap``: resources in order, and an index of dicts: by present id, by every id that a resource has or had,
  by name. Look-ups never search. A transformer that renames everything throws the index away; a patch moves one entry.
- ``Resource``: one object (a plain dict that nothing else shares, changed in place), the file, document and line it
  comes from, and its history: previous names with their namespaces and kinds, prefixes, suffixes. kustomize keeps that
  in annotations; here it is beside the object.
- ``FieldSpecs``: field specifications compiled and grouped by kind, once.
- ``scalars``: what a YAML node knows and a Python value doesn't (quotes, spelling) where results depend on it.
- ``name_references``: candidates by the name they had, and one tree of possible fields a kind.
- ``merge_schema``: the merge keys of the built-in kinds, as kustomize carries them.

Cost is linear in resources, layers, components, patches, replacements, images and generators.

What belongs here: kustomizations and what they do to objects. What doesn't: Flux's fields and post-build steps
(``afflux.render``), fetching (remote bases are asked for by ``RemoteResourceNeeded``), running anything (functions,
plugins and charts are ``Refused``). Nothing here does I/O but through the given ``FileSystem``.
"""

from afflux.kustomize.build import BuildOptions, Reorder, build
from afflux.kustomize.errors import KustomizeError, RemoteResourceNeeded
from afflux.kustomize.filesystem import DiskFileSystem, FileSystem, MemoryFileSystem, OverlayFileSystem
from afflux.kustomize.resource import Origin, Resource
from afflux.kustomize.resource_map import ResourceMap

__all__ = [
    "BuildOptions",
    "DiskFileSystem",
    "FileSystem",
    "KustomizeError",
    "MemoryFileSystem",
    "Origin",
    "OverlayFileSystem",
    "RemoteResourceNeeded",
    "Reorder",
    "Resource",
    "ResourceMap",
    "build",
]
