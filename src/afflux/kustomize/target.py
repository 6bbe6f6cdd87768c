"""One kustomization: its resources, bases and components gathered, its generators and transformers run."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from afflux.kustomize.accumulator import Accumulation
from afflux.kustomize.crds import config_from_crds
from afflux.kustomize.documents import load_config, parse_objects
from afflux.kustomize.errors import (
    InvalidKustomization,
    KustomizeError,
    MissingFile,
    Place,
    RemoteResourceNeeded,
    TransformationFailed,
)
from afflux.kustomize.kustomization_file import FILE_NAMES, Kustomization, parse_kustomization
from afflux.kustomize.loader import Loader
from afflux.kustomize.merge_schema import (
    BUILT_IN_VERSION,
    MergeSchemas,
    OpenApiSchemas,
    built_in_schemas,
    cluster_scoped_kinds,
)
from afflux.kustomize.plugins import Config, generated_by, transformer_of
from afflux.kustomize.provenance import Trail, note_transformed, plugin_note
from afflux.kustomize.resource import Origin, Resource, from_manifest
from afflux.kustomize.resource_id import ALSO_CLUSTER_SCOPED
from afflux.kustomize.resource_map import ResourceMap
from afflux.kustomize.scalars import copied
from afflux.kustomize.stages import Surroundings, generations, placed_at, stages
from afflux.kustomize.transformer_config import DEFAULT, TransformerConfig, config_from_file, merged_files
from afflux.kustomize.variables import add_variables, bind

VALIDATED_BY = "validated-by"


@dataclass(slots=True)
class Workshop:
    """What all kustomizations of one build share. ``notes``: whether origins are kept track of."""

    notes: bool = False
    schemas: MergeSchemas = field(default_factory=built_in_schemas)
    has_own_schemas: bool = False
    warnings: list[str] = field(default_factory=list)
    configs: dict[tuple[str, ...], TransformerConfig] = field(default_factory=dict)
    files: dict[tuple[str, str], tuple[Kustomization, list[str]]] = field(default_factory=dict)
    has_met_unknown_kinds: bool = False

    def parsed(self, text: str, source: str) -> tuple[Kustomization, list[str]]:
        """A kustomization file read, once however often it is a base."""
        known = self.files.get((source, text))
        if known is None:
            known = self.files[source, text] = parse_kustomization(text, source)
        return known

    def use_openapi(self, openapi: dict[str, str], loader: Loader, is_root: bool) -> None:
        """Takes the merge keys of ``openapi``: the root's, or the first that any kustomization below brings."""
        if self.has_own_schemas and not is_root:
            return
        path, version = openapi.get("path"), openapi.get("version")
        if path is not None:
            text = loader.load(path)
            if version is not None:
                raise InvalidKustomization("builtin version and custom schema provided, cannot use both")
            # kustomize reads its own schema once it has met a kind that it doesn't know by heart, and keeps it then.
            document = load_config(text, loader.path_of(path))
            self.schemas = OpenApiSchemas(document, self.has_met_unknown_kinds)
            ALSO_CLUSTER_SCOPED.set(cluster_scoped_kinds(document))
            self.has_own_schemas = True
        elif version:
            if version != BUILT_IN_VERSION:
                raise InvalidKustomization(
                    f"the specified OpenAPI version is not built in: '{version}', there is only '{BUILT_IN_VERSION}'"
                )
            self.schemas, self.has_own_schemas = built_in_schemas(), True


@dataclass(slots=True)
class Target:
    """A kustomization read from its directory. ``trail``: how the build came to it."""

    loader: Loader
    workshop: Workshop
    kustomization: Kustomization
    file_name: str
    trail: Trail

    @classmethod
    def load(cls, loader: Loader, workshop: Workshop, trail: Trail) -> "Target":
        """Reads the kustomization file of the loader's directory. Raises where there is none, or more than one."""
        name, text = _kustomization_text(loader)
        kustomization, warnings = workshop.parsed(text, loader.path_of(name))
        workshop.warnings.extend(warnings)
        return cls(loader, workshop, kustomization, name, trail)

    @property
    def source(self) -> str:
        """The kustomization file's path."""
        return self.loader.path_of(self.file_name)

    def accumulate(self, into: Accumulation) -> Accumulation:
        """Gathers and transforms; a component's resources are its parent's."""
        try:
            into = self._resources(into, self.kustomization.all_resources, "resources")
        except KustomizeError as error:
            raise error.within("accumulating resources") from None
        into.config = into.config.merged(self._config()).merged(self._crds())
        self._generate(into)
        try:
            for index, path in enumerate(self.kustomization.components):
                into = self._component(into, path, f"components[{index}]")
        except KustomizeError as error:
            raise error.within("accumulating components") from None
        self._transform(into)
        self._validate(into)
        bind(into.resources, self.kustomization.vars)
        add_variables(into.variables, self.kustomization.vars)
        return into

    def _resources(self, into: Accumulation, paths: Iterable[str], field_name: str) -> Accumulation:
        for index, path in enumerate(paths):
            entry = f"{field_name}[{index}]"
            try:
                self._resource(into, path)
            except RemoteResourceNeeded as error:
                raise placed_at(error, self.source, entry) from None
            except KustomizeError as error:
                raise placed_at(error, self.source, entry) from None
        return into

    def _resource(self, into: Accumulation, path: str) -> None:
        """A file's resources, or another kustomization's; what is wrong with the file is told too."""
        try:
            resources = self._file(path)
        except RemoteResourceNeeded:
            raise
        except KustomizeError as error:
            file_error = error.within(f"accumulating resources from '{path}'")
        else:
            try:
                into.resources.append_all(resources)
            except KustomizeError as error:
                raise error.within(f"merging resources from '{path}'") from None
            return
        try:
            loader = self.loader.enter(path)
        except KustomizeError as error:
            if isinstance(error, RemoteResourceNeeded):
                raise
            if "MalformedYAMLError" in file_error.message or not isinstance(error, MissingFile | InvalidKustomization):
                raise file_error from None
            message = f"accumulation err='{file_error.message}': {error.message}"
            raise type(error)(message, file_error.place) from None
        try:
            into.take(self._base(loader, path))
        except KustomizeError as error:
            raise error.within(f"accumulation err='{file_error.message}'") from None

    def _file(self, path: str) -> ResourceMap:
        source = self.loader.path_of(path)
        resources = ResourceMap()
        for resource in objects_of(self.loader.load(path), source):
            if self.workshop.notes:
                resource.origin_note = self.trail.file_note(path)
            if not self.workshop.has_met_unknown_kinds:
                self.workshop.has_met_unknown_kinds = not resource.gvk.is_known
            resources.append(resource)
        return resources

    def _base(self, loader: Loader, path: str) -> Accumulation:
        target = self._other(loader, path)
        if target.kustomization.is_component:
            raise InvalidKustomization(f"expected kind != 'Component' for path '{loader.root}'")
        try:
            return target.accumulate(Accumulation())
        except KustomizeError as error:
            raise error.within(f"recursed accumulation of path '{loader.root}'") from None

    def _component(self, into: Accumulation, path: str, entry: str) -> Accumulation:
        try:
            loader = self.loader.enter(path)
        except KustomizeError as error:
            raise placed_at(_quoted("loader.New", error), self.source, entry) from None
        try:
            target = self._other(loader, path)
            if not target.kustomization.is_component:
                kind = target.kustomization.kind or "Kustomization"
                raise InvalidKustomization(f"expected kind 'Component' for path '{loader.root}' but got '{kind}'")
            return target.accumulate(into)
        except KustomizeError as error:
            raise placed_at(_quoted("accumulateDirectory:", error), self.source, entry) from None

    def _other(self, loader: Loader, path: str) -> "Target":
        try:
            target = Target.load(loader, self.workshop, self.trail.to(path))
        except KustomizeError as error:
            raise error.within(f"couldn't make target for path '{loader.root}'") from None
        self.workshop.use_openapi(target.kustomization.openapi, loader, is_root=False)
        return target

    def _config(self) -> TransformerConfig:
        paths = self.kustomization.configurations
        if not paths:
            return DEFAULT
        sources = tuple(self.loader.path_of(path) for path in paths)
        known = self.workshop.configs.get(sources)
        if known is None:
            files = []
            for path, source in zip(paths, sources, strict=True):
                files.append(config_from_file(load_config(self.loader.load(path), source), source))
            known = self.workshop.configs[sources] = merged_files(files)
        return known

    def _crds(self) -> TransformerConfig:
        try:
            return config_from_crds(self.kustomization.crds, self.loader)
        except KustomizeError as error:
            raise error.within(f"loading CRDs {self.kustomization.crds}") from None

    def _generate(self, into: Accumulation) -> None:
        for kind, resource, entry in generations(self.kustomization, self.loader, self.source):
            note = self.trail.builtin_note(self.file_name, kind) if self.workshop.notes else None
            try:
                into.absorb(resource, note)
            except KustomizeError as error:
                raise placed_at(error.within(f"merging from generator {kind}"), self.source, entry) from None
        for config in self._plugins(self.kustomization.generators, "generators"):
            made = generated_by(Config(config, self.loader, self.workshop.schemas))
            for resource in made:
                into.absorb(resource, plugin_note(config))

    def _transform(self, into: Accumulation) -> None:
        around = Surroundings(self.kustomization, into.config, self.loader, self.workshop.schemas, self.source)
        own = stages(around)
        named = [
            (config, transformer_of(Config(config, self.loader, self.workshop.schemas)))
            for config in self._plugins(self.kustomization.transformers, "transformers")
        ]
        resources = into.resources
        for stage in own:
            try:
                stage.transformer.transform(resources)
            except KustomizeError as error:
                raise placed_at(error, self.source, stage.entry or stage.kind) from None
            if self.workshop.notes:
                for _ in range(stage.times):
                    note_transformed(resources, self.trail.builtin_note(self.file_name, stage.kind))
            resources.drop_deleted()
        for config, transformer in named:
            try:
                transformer.transform(resources)
            except KustomizeError as error:
                raise placed_at(error, self.source, f"transformers: {config.id}") from None
            note_transformed(resources, plugin_note(config))
            resources.drop_deleted()

    def _validate(self, into: Accumulation) -> None:
        for config in self._plugins(self.kustomization.validators, "validators"):
            validator = transformer_of(Config(config, self.loader, self.workshop.schemas))
            before = [copied(resource.manifest) for resource in into.resources]
            validator.transform(into.resources)
            after = [_without_validation(resource) for resource in into.resources]
            if before != after:
                raise TransformationFailed(f"validator shouldn't modify the resource map: {config.id} in {self.source}")

    def _plugins(self, entries: list[str], field_name: str) -> list[Resource]:
        """The configurations that entries hold, or that the files and kustomizations that they name hold."""
        gathered = Accumulation()
        paths = []
        for entry in entries:
            try:
                inline = objects_of(entry, "")
            except KustomizeError:
                paths.append(entry)
                continue
            for config in inline:
                config.origin = Origin(self.source)
                if self.workshop.notes:
                    config.origin_note = self.trail.file_note(self.file_name)
                gathered.resources.append(config)
        return list(self._resources(gathered, paths, field_name).resources)


def _quoted(doing: str, error: KustomizeError) -> KustomizeError:
    return error.saying(f'{doing} "{error.message}"')


def objects_of(text: str, source: str) -> list[Resource]:
    """The resources of a file's text."""
    parsed = parse_objects(text, source)
    return [from_manifest(each.value, Origin(source, each.document, each.line)) for each in parsed]


def _without_validation(resource: Resource) -> object:
    manifest = copied(resource.manifest)
    labels = manifest.get("metadata", {}).get("labels")
    if isinstance(labels, dict) and VALIDATED_BY in labels:
        del labels[VALIDATED_BY]
        if not labels:
            del manifest["metadata"]["labels"]
    return manifest


def _kustomization_text(loader: Loader) -> tuple[str, str]:
    found = []
    for name in FILE_NAMES:
        try:
            found.append((name, loader.load(name)))
        except MissingFile:
            continue
    if len(found) == 1:
        return found[0]
    place = Place(kustomization=loader.root)
    if found:
        raise InvalidKustomization(f"Found multiple kustomization files under: {loader.root}", place)
    names = ", ".join(f"'{name}'" for name in FILE_NAMES[:-1])
    raise MissingFile(f"unable to find one of {names} or '{FILE_NAMES[-1]}' in directory '{loader.root}'", place)
