"""Patches: strategic merge and JSON 6902, by id or by target."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from afflux.kustomize.documents import load_config, parse_objects
from afflux.kustomize.errors import InvalidKustomization, KustomizeError, MissingFile, Place, TransformationFailed
from afflux.kustomize.json_operations import apply_operations
from afflux.kustomize.kustomization_file import Patch, PatchOptions, Selector
from afflux.kustomize.loader import Loader
from afflux.kustomize.merge_schema import MergeSchemas
from afflux.kustomize.node_kinds import without_contents
from afflux.kustomize.resource import Origin, Resource
from afflux.kustomize.resource_map import ResourceMap
from afflux.kustomize.scalars import MARKING, Quoted, copied, is_null, text_of, unmarked
from afflux.kustomize.selection import select
from afflux.kustomize.strategic_merge import DIRECTIVE, strategic_merge
from afflux.lang.yaml.resolver import INT64_MIN, UINT64_MAX
from afflux.objects.json_patch import JsonPatchError
from afflux.objects.manifest import Json, Manifest

WIPING = ("replace", "delete")


@dataclass(frozen=True, slots=True)
class MergePatch:
    """A strategic merge patch: an object, and where it was written. ``selected``: a target says what it is for."""

    patch: Resource
    options: PatchOptions
    schemas: MergeSchemas
    selected: bool = False

    def apply(self, resource: Resource) -> None:
        """Merges the patch into a resource, which keeps its name, kind and namespace unless the options say else."""
        name, namespace, kind = resource.name, resource.namespace, resource.manifest.get("kind")
        if self.options.allow_name_change or self.options.allow_kind_change:
            resource.remember_id()
        if wipes_notes(self.patch.manifest):
            resource.forget_history()
        try:
            merged = strategic_merge(resource.manifest, self._patch_for(resource), self.schemas, resource.sharing)
        except TransformationFailed as error:
            origin = self.patch.origin
            shown = without_contents(error) if text_of(kind) == "Secret" else error
            raise shown.at(Place(file=origin.file, line=origin.line)) from None
        if merged is None:
            resource.deleted = True
            return
        resource.manifest = merged
        if not self.options.allow_kind_change:
            merged["kind"] = kind
        if not self.options.allow_name_change:
            resource.rename(name)
        resource.set_namespace(namespace)

    def _patch_for(self, resource: Resource) -> Manifest:
        """The patch's object, to be used up; one for targets is of the version of what it meets."""
        patch: Manifest = copied(self.patch.manifest)
        if self.selected:
            patch["apiVersion"] = resource.manifest.get("apiVersion", "")
        return patch

    def for_targets(self) -> "MergePatch":
        """The patch as it is merged into selected resources: its labels and annotations are texts, nulls too."""
        manifest = copied(self.patch.manifest)
        prepared = Resource(manifest, self.patch.origin)
        for field in ("labels", "annotations"):
            _make_texts(prepared, field)
        return MergePatch(prepared, self.options, self.schemas, selected=True)


def _make_texts(patch: Resource, field: str) -> None:
    """Labels or annotations of a patch as kustomize leaves them when it writes one of its own: texts, nulls too."""
    if field in patch.metadata:
        patch.set_texts(field, {key: Quoted(text) for key, text in patch.texts(field).items()})


def wipes_notes(patch: Manifest) -> bool:
    """Whether a patch replaces or removes the annotations, in which kustomize keeps what it knows of a resource."""
    if patch.get(DIRECTIVE) in WIPING:
        return False
    metadata = patch.get("metadata")
    if not isinstance(metadata, dict):
        return "metadata" in patch
    if metadata.get(DIRECTIVE) in WIPING:
        return True
    annotations = metadata.get("annotations", {})
    return is_null(annotations) or (isinstance(annotations, dict) and annotations.get(DIRECTIVE) in WIPING)


class PatchTransformer:
    """One entry of ``patches``. The patch is read, and found to be one of the two kinds, when this is made."""

    def __init__(self, entry: Patch, loader: Loader, schemas: MergeSchemas, where: str) -> None:
        self._entry = entry
        self._text, self._source, self._file = _patch_text(entry, loader, where)
        options = entry.options or PatchOptions()
        merge_patches, operations = self._read()
        if options.allow_name_change or options.allow_kind_change:
            for patch in merge_patches:
                _make_texts(patch, "annotations")
        self._merge = [MergePatch(patch, options, schemas) for patch in merge_patches]
        self._operations = operations

    def _read(self) -> tuple[list[Resource], list[Json]]:
        """The patch as objects to be merged, or as operations: a text is one of the two or neither."""
        is_list = self._text.lstrip().startswith(("[", "- "))
        if not is_list:
            try:
                return patches_from(self._text, self._file), []
            except KustomizeError as error:
                problem = error
        operations, json_error = _operations(self._text, self._file)
        if json_error is None:
            return [], operations
        shown = json_error if is_list else problem
        raise InvalidKustomization(
            f"unable to parse SM or JSON patch from {self._source} ({shown.message.strip()})", shown.place
        )

    def transform(self, resources: ResourceMap) -> None:
        """Applies the patch. Raises where it needs a target and has none."""
        if self._merge and self._entry.target is not None:
            self._merge_into_targets(resources, self._entry.target)
        elif self._merge:
            for patch in self._merge:
                merge_by_id(resources, patch, "no resource matches strategic merge patch")
        elif self._operations:
            if self._entry.target is None:
                raise InvalidKustomization(f"must specify a target for JSON patch {self._source}")
            for resource in select(resources, self._entry.target):
                resource.remember_id()
                patch_resource(resource, self._operations, self._source)
                resources.touch(resource)

    def _merge_into_targets(self, resources: ResourceMap, target: Selector) -> None:
        if len(self._merge) > 1:
            raise InvalidKustomization(
                "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set `patches.target`"
                f" field: {self._source}"
            )
        patch = self._merge[0].for_targets()
        for resource in select(resources, target):
            patch.apply(resource)
            resources.touch(resource)
        resources.drop_deleted()
        resources.check_unique()


class StrategicMergeTransformer:
    """``patchesStrategicMerge``: patches that find their targets by their ids."""

    def __init__(self, patches: Sequence[Resource], schemas: MergeSchemas) -> None:
        self._patches = [MergePatch(patch, PatchOptions(), schemas) for patch in patches]

    def transform(self, resources: ResourceMap) -> None:
        """Applies the patches in order."""
        for patch in self._patches:
            merge_by_id(resources, patch, "")
            resources.drop_deleted()
            resources.check_unique()


class JsonPatchTransformer:
    """An entry of ``patchesJson6902``."""

    def __init__(self, entry: Patch, loader: Loader) -> None:
        if entry.target is None or not entry.target.name:
            raise InvalidKustomization("must specify the target name")
        if not entry.path and not entry.patch:
            raise InvalidKustomization("empty file path and empty jsonOp")
        if entry.path and entry.patch:
            raise InvalidKustomization("must specify a file path or jsonOp, not both")
        text = loader.load(entry.path) if entry.path else entry.patch
        self._source = f'[path: "{entry.path}"]' if entry.path else shown_patch(text)
        if not text:
            raise InvalidKustomization(f"patch file '{entry.path}' empty seems to be empty")
        operations, error = _operations(text, loader.path_of(entry.path) if entry.path else "")
        if error is not None:
            raise error
        if not operations:
            raise InvalidKustomization(f"patch appears to be empty; file={entry.path}, JsonOp={text}")
        self._target = entry.target
        self._operations = operations

    def transform(self, resources: ResourceMap) -> None:
        """Applies the operations to what the target selects."""
        for resource in select(resources, self._target):
            patch_resource(resource, self._operations, self._source)
            resources.touch(resource)


def merge_by_id(resources: ResourceMap, patch: MergePatch, doing: str) -> None:
    """Merges a patch into the one resource that has or had its id. Raises where there is none, or several."""
    wanted = patch.patch.original_id
    found = [resource for resource in resources.with_any(wanted) if not resource.deleted]
    if len(found) != 1:
        how_many = "multiple" if found else "no"
        origin = patch.patch.origin
        message = f"{how_many} matches for Id {wanted}; failed to find unique target for patch {wanted}"
        if origin.file:
            message += f" ({origin.file}:{origin.line})"
        prefix = f'{doing} "{wanted}": ' if doing else ""
        raise TransformationFailed(prefix + message, Place(file=origin.file, line=origin.line))
    patch.apply(found[0])
    resources.touch(found[0])


def patch_resource(resource: Resource, operations: list[Json], source: str) -> None:
    """Applies JSON patch operations to a resource. Annotations exist for them where kustomize keeps notes there."""
    manifest = unmarked(resource.manifest)
    if resource.has_history and not isinstance(resource.metadata.get("annotations"), dict):
        manifest.setdefault("metadata", {})["annotations"] = {}
    try:
        patched = apply_operations(manifest, copied(operations))
    except JsonPatchError as error:
        raise TransformationFailed(f"{error.problem} (patch {source} of {resource.id})") from None
    if not isinstance(patched, dict):
        raise TransformationFailed(f"json: cannot unmarshal the patched {resource.id} into an object (patch {source})")
    resource.manifest = _rewritten(patched)
    resource.set_texts("annotations", resource.texts("annotations"))


def _rewritten(value: Json) -> Json:
    """The value with the marks of something just written as YAML: only strings that need quotes have them."""
    if isinstance(value, dict):
        return {key: _rewritten(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rewritten(item) for item in value]
    if type(value) is str:
        return value if value and type(MARKING.resolve(value)) is str and "\n" not in value else Quoted(value)
    if type(value) is int and not -(2**53) <= value <= 2**53:
        return _through_float(value)
    return value


def _through_float(value: int) -> int | float:
    """A large integer after it was a float and text once: digits lost, zeros in their place."""
    number = float(value)
    shown = int(Decimal(repr(number)))
    return shown if INT64_MIN <= shown <= UINT64_MAX else number


def _patch_text(entry: Patch, loader: Loader, where: str) -> tuple[str, str, str]:
    text = entry.patch.strip()
    if not text and not entry.path:
        raise InvalidKustomization(f"must specify one of patch and path in\n{where}")
    if text and entry.path:
        raise InvalidKustomization(f"patch and path can't be set at the same time\n{where}")
    if text:
        return text, shown_patch(text), ""
    try:
        return loader.load(entry.path), f'[path: "{entry.path}"]', loader.path_of(entry.path)
    except MissingFile as error:
        raise error.within(f"failed to get the patch file from path({entry.path})") from None


def patches_from(text: str, file: str) -> list[Resource]:
    """The objects of a patch text."""
    return [Resource(each.value, Origin(file, each.document, each.line)) for each in parse_objects(text, file)]


def _operations(text: str, file: str) -> tuple[list[Json], KustomizeError | None]:
    if not text:
        return [], InvalidKustomization("empty json patch operations")
    try:
        value = load_config(text, file)
    except KustomizeError as error:
        return [], error
    if value is None:
        return [], None
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        kind = "object" if isinstance(value, dict | list) else "string" if isinstance(value, str) else "number"
        return [], InvalidKustomization(f"json: cannot unmarshal {kind} into Go value of type jsonpatch.Patch")
    return value, None


def shown_patch(text: str) -> str:
    """The beginning of an inline patch, for messages: no values of it, for they may be a secret's."""
    first = text.strip().partition("\n")[0]
    first = first[:1] if first.startswith("{") else first.partition("value")[0]
    shown = first[:60].replace("\\", "\\\\").replace('"', '\\"')
    return f'[patch: "{shown}{"..." if shown != text.strip() else ""}"]'
