"""GitRepository: where manifests come from."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from afflux.api.meta import (
    Artifact,
    Condition,
    Duration,
    Int64,
    LocalObjectReference,
    ObjectMeta,
    ShortDuration,
    check_durations,
)
from afflux.lang.duration import parse_duration
from afflux.objects.manifest import Json

DEFAULT_BRANCH = "master"
DEFAULT_TIMEOUT = "60s"


class GitRepositoryRef(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """What to check out; where several are set: commit, then name, tag, semver, branch."""

    branch: str = ""
    tag: str = ""
    semver: str = ""
    name: str = ""
    commit: str = ""


class GitRepositoryInclude(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """Another GitRepository's artifact, copied into this one."""

    repository: LocalObjectReference
    from_path: str = ""
    to_path: str = ""


class GitRepositoryVerification(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """Which signatures must be good, and whose."""

    secret_ref: LocalObjectReference
    mode: Annotated[Literal["head", "HEAD", "Tag", "TagAndHEAD"], Meta(extra_json_schema={"default": "HEAD"})] = "HEAD"


class AccessFrom(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """Of the versions before v1; without effect."""

    namespace_selectors: tuple[dict[str, Json], ...]


class GitRepositorySpec(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """What to follow and how."""

    url: Annotated[str, Meta(pattern=r"^(http|https|ssh)://.*$")]
    interval: Duration
    timeout: Annotated[ShortDuration, Meta(extra_json_schema={"default": DEFAULT_TIMEOUT})] = DEFAULT_TIMEOUT
    secret_ref: LocalObjectReference | None = None
    provider: Literal["generic", "aws", "azure", "github"] = "generic"
    service_account_name: str = ""
    ref: GitRepositoryRef | None = None
    verify: GitRepositoryVerification | None = None
    proxy_secret_ref: LocalObjectReference | None = None
    ignore: str | None = None
    suspend: bool = False
    recurse_submodules: bool = False
    include: tuple[GitRepositoryInclude, ...] = ()
    sparse_checkout: tuple[str, ...] = ()
    git_implementation: Literal["go-git", "libgit2"] | None = None
    access_from: AccessFrom | None = None

    def __post_init__(self) -> None:
        check_durations(interval=self.interval, timeout=self.timeout)

    @property
    def interval_seconds(self) -> float:
        """How often to look at the remote."""
        return parse_duration(self.interval)

    @property
    def timeout_seconds(self) -> float:
        """How long one Git operation may take."""
        return parse_duration(self.timeout)


class GitRepositoryStatus(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """What the controller found and stored. The ``observed`` fields are what the stored artifact was made with."""

    observed_generation: Int64 = 0
    conditions: tuple[Condition, ...] = ()
    artifact: Artifact | None = None
    included_artifacts: tuple[Artifact, ...] = ()
    observed_ignore: str | None = None
    observed_recurse_submodules: bool = False
    observed_include: tuple[GitRepositoryInclude, ...] = ()
    observed_sparse_checkout: tuple[str, ...] = ()
    source_verification_mode: str | None = None
    last_handled_reconcile_at: str = ""


RULES = [
    {
        "rule": "!has(self.serviceAccountName) || (has(self.provider) && (self.provider == 'azure' || "
        "self.provider == 'aws'))",
        "message": "serviceAccountName can only be set when provider is 'azure' or 'aws'",
    }
]


class GitRepository(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """A Git repository, followed at a reference and packed into an artifact."""

    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: Annotated[GitRepositorySpec, Meta(extra_json_schema={"x-kubernetes-validations": RULES})]
    status: Annotated[GitRepositoryStatus, Meta(extra_json_schema={"default": {"observedGeneration": -1}})] = field(
        default_factory=GitRepositoryStatus
    )
