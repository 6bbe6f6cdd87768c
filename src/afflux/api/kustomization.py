"""Kustomization: what of a source to build, how, and what to do with the result."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from afflux.api.meta import (
    Condition,
    Duration,
    Int64,
    LocalObjectReference,
    NamespacedObjectKindReference,
    ObjectMeta,
    SecretKeyReference,
    Snapshot,
    check_durations,
)
from afflux.lang.duration import parse_duration
from afflux.objects.manifest import Json

SHORTEST_TIMEOUT = 30.0

Affix = Annotated[str, Meta(min_length=1, max_length=200)]


class CrossNamespaceSourceReference(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """The source; without a namespace, in the Kustomization's own."""

    kind: Literal["OCIRepository", "GitRepository", "Bucket", "ExternalArtifact"]
    name: str
    namespace: str = ""
    api_version: str = ""


class DependencyReference(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """Another Kustomization that must be ready first; ``ready_expr`` (CEL) says what ready means."""

    name: str
    namespace: str = ""
    ready_expr: str = ""


class CustomHealthCheck(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """CEL expressions over an object's fields that say how a kind is doing."""

    api_version: str
    current: str
    kind: str = ""
    in_progress: str = ""
    failed: str = ""


class CommonMetadata(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """Labels and annotations for everything that is built."""

    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


class Selector(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """Which objects: anchored patterns and label selectors; an empty field matches all."""

    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    label_selector: str = ""
    annotation_selector: str = ""


class Patch(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """A strategic merge or JSON 6902 patch as YAML text, and what it is for."""

    patch: str
    target: Selector | None = None


class JsonOperation(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """One operation of a JSON 6902 patch."""

    op: Literal["test", "remove", "add", "replace", "move", "copy"]
    path: str
    from_: str = field(default="", name="from")
    value: Json = None


class Json6902Patch(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """A JSON 6902 patch of the versions before v1."""

    patch: tuple[JsonOperation, ...]
    target: Selector


class Image(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """An image's new name, tag or digest."""

    name: str
    new_name: str = ""
    new_tag: str = ""
    digest: str = ""


class SubstituteReference(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """A ConfigMap or Secret in the same namespace whose data are variables."""

    kind: Literal["Secret", "ConfigMap"]
    name: Annotated[str, Meta(min_length=1, max_length=253)]
    optional: Annotated[bool, Meta(extra_json_schema={"default": False})] = False


class PostBuild(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """Variables to put into what was built."""

    substitute: dict[str, str] = field(default_factory=dict)
    substitute_from: tuple[SubstituteReference, ...] = ()
    substitute_strategy: Literal["WithVariables", "Always"] = "WithVariables"


class Decryption(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """How to open what is encrypted in the source."""

    provider: Literal["sops"]
    secret_ref: LocalObjectReference | None = None
    service_account_name: str = ""


class KubeConfigReference(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """The cluster to apply to: exactly one of the two."""

    config_map_ref: LocalObjectReference | None = None
    secret_ref: SecretKeyReference | None = None


class IgnoreRule(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """JSON pointers of fields whose drift is none."""

    paths: tuple[str, ...]
    target: Selector | None = None


EITHER_KUBECONFIG = "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified"
KUBECONFIG_RULES = [
    {"rule": "has(self.configMapRef) || has(self.secretRef)", "message": EITHER_KUBECONFIG},
    {"rule": "!has(self.configMapRef) || !has(self.secretRef)", "message": EITHER_KUBECONFIG},
]


class KustomizationSpec(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """What to build and how to apply it. The last three fields are of the versions before v1."""

    interval: Duration
    prune: bool
    source_ref: CrossNamespaceSourceReference
    retry_interval: Duration | None = None
    timeout: Duration | None = None
    path: str = ""
    deletion_policy: Literal["MirrorPrune", "Delete", "WaitForTermination", "Orphan"] = "MirrorPrune"
    depends_on: tuple[DependencyReference, ...] = ()
    suspend: bool = False
    force: Annotated[bool, Meta(extra_json_schema={"default": False})] = False
    wait: bool = False
    health_checks: tuple[NamespacedObjectKindReference, ...] = ()
    health_check_exprs: tuple[CustomHealthCheck, ...] = ()
    target_namespace: Annotated[str, Meta(min_length=1, max_length=63)] | None = None
    name_prefix: Affix | None = None
    name_suffix: Affix | None = None
    common_metadata: CommonMetadata | None = None
    patches: tuple[Patch, ...] = ()
    images: tuple[Image, ...] = ()
    components: tuple[str, ...] = ()
    ignore_missing_components: bool = False
    build_metadata: tuple[Literal["originAnnotations", "transformerAnnotations"], ...] = ()
    post_build: PostBuild | None = None
    decryption: Decryption | None = None
    service_account_name: str = ""
    kube_config: (
        Annotated[KubeConfigReference, Meta(extra_json_schema={"x-kubernetes-validations": KUBECONFIG_RULES})] | None
    ) = None
    ignore: tuple[IgnoreRule, ...] = ()
    patches_strategic_merge: tuple[dict[str, Json], ...] = ()
    patches_json6902: tuple[Json6902Patch, ...] = field(default=(), name="patchesJson6902")
    validation: Literal["none", "client", "server"] | None = None

    def __post_init__(self) -> None:
        check_durations(interval=self.interval, retryInterval=self.retry_interval, timeout=self.timeout)

    @property
    def interval_seconds(self) -> float:
        """How often to look for drift."""
        return parse_duration(self.interval)

    @property
    def retry_seconds(self) -> float:
        """How long to wait after a failure."""
        return parse_duration(self.retry_interval or self.interval)

    @property
    def timeout_seconds(self) -> float:
        """How long applying and waiting for health may take: by default 30 s less than the interval, at least 30 s."""
        wanted = parse_duration(self.timeout) if self.timeout is not None else self.interval_seconds - SHORTEST_TIMEOUT
        return max(wanted, SHORTEST_TIMEOUT)


class ResourceRef(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """One object of the inventory: ``<namespace>_<name>_<group>_<kind>`` and its version."""

    id: str
    v: str


class ResourceInventory(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """Everything that was applied."""

    entries: tuple[ResourceRef, ...]


class KustomizationStatus(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """What was applied, what came of it, and what is owned."""

    observed_generation: Int64 = 0
    conditions: tuple[Condition, ...] = ()
    last_applied_revision: str = ""
    last_applied_origin_revision: str = ""
    last_attempted_revision: str = ""
    inventory: ResourceInventory | None = None
    history: tuple[Snapshot, ...] = ()
    last_handled_reconcile_at: str = ""


class Kustomization(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """A path of a source, built with kustomize, applied and kept applied."""

    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: KustomizationSpec
    status: Annotated[KustomizationStatus, Meta(extra_json_schema={"default": {"observedGeneration": -1}})] = field(
        default_factory=KustomizationStatus
    )
