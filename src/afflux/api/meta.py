"""What Flux's kinds share: metadata, conditions, artifacts, references.

Fields, limits and patterns are those of Flux 2.9's ``meta`` package and Kubernetes' ``meta/v1``. Every struct is
frozen; a field with a default may be left out; texts that are durations or times stay texts, as users wrote them.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from afflux.lang.duration import InvalidDuration, parse_duration

Duration = Annotated[str, Meta(pattern=r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$")]
"""A Go duration of milliseconds, seconds, minutes and hours."""
ShortDuration = Annotated[str, Meta(pattern=r"^([0-9]+(\.[0-9]+)?(ms|s|m))+$")]
"""A Go duration without hours, as the timeouts of sources are."""
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""An RFC 3339 time."""
Int64 = Annotated[int, Meta(extra_json_schema={"format": "int64"})]


def check_durations(**durations: str | None) -> None:
    """Raises ``InvalidDuration`` with the field's name for what fits the pattern and is still too long for Go."""
    for name, text in durations.items():
        try:
            parse_duration(text or "0")
        except InvalidDuration as error:
            raise InvalidDuration(f"{name}: {error}") from None


class ObjectMeta(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """The part of an object's metadata that controllers read."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class Condition(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """One aspect of an object's state (``metav1.Condition``)."""

    type: Annotated[
        str,
        Meta(
            max_length=316,
            pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
            r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        ),
    ]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Meta(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
    message: Annotated[str, Meta(max_length=32768)]
    last_transition_time: Time
    observed_generation: Annotated[int, Meta(ge=0, extra_json_schema={"format": "int64"})] = 0


class Artifact(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """What a source produced: one stored file, its digest and where to get it."""

    digest: Annotated[str, Meta(pattern=r"^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$")]
    path: str
    url: str
    revision: str
    last_update_time: Time
    size: Int64 | None = None
    metadata: dict[str, str] = field(default_factory=dict)


class LocalObjectReference(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """An object of a known kind in the same namespace."""

    name: str


class SecretKeyReference(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """A key of a Secret in the same namespace."""

    name: str
    key: str = ""


class NamespacedObjectKindReference(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """An object of any kind in any namespace; without a namespace, the one of the object that names it."""

    kind: str
    name: str
    api_version: str = ""
    namespace: str = ""


class Snapshot(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """One entry of ``status.history``: what came of one digest, and how often."""

    digest: str
    first_reconciled: Time
    last_reconciled: Time
    last_reconciled_duration: str
    last_reconciled_status: str
    total_reconciliations: Int64
    metadata: dict[str, str] = field(default_factory=dict)
