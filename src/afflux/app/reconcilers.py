"""Which reconciler serves which kind, and how it is wired: one line a kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from afflux.api.kinds import GIT_REPOSITORY, KUSTOMIZATION
from afflux.app.settings import Settings
from afflux.apply.health_tracker import HealthTracker
from afflux.artifacts.confirmations import Confirmations
from afflux.artifacts.store import ArtifactStore
from afflux.artifacts.unpacked import UnpackedArtifacts
from afflux.controllers import git_repository, kustomization
from afflux.controllers.kustomization_own_components import OwnComponents
from afflux.controllers.kustomization_rendering import Renderer
from afflux.controllers.source import SourceRoad
from afflux.kube.client import KubeClient
from afflux.net.http import HttpSession
from afflux.objects.manifest import Json
from afflux.remotes.git.mirror import Mirrors
from afflux.runtime.controller import Controller
from afflux.runtime.metrics import Metrics
from afflux.runtime.triggers import Triggers


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the reconcilers of one process share."""

    settings: Settings
    client: KubeClient
    store: ArtifactStore
    unpacked: UnpackedArtifacts
    http: HttpSession
    mirrors: Mirrors
    triggers: Triggers
    metrics: Metrics = field(default_factory=Metrics.create)
    confirmations: Confirmations | None = None


def _git_repository(parts: Parts) -> Controller[Json]:
    road = SourceRoad(parts.store, parts.confirmations)
    reconciler = git_repository.GitRepositoryReconciler(parts.client, road, parts.mirrors, parts.http)
    return Controller(
        GIT_REPOSITORY,
        reconciler,
        git_repository.RULES,
        client=parts.client,
        concurrency=parts.settings.concurrent,
    )


def _kustomization(parts: Parts) -> Controller[Json]:
    settings = parts.settings
    reconciler = kustomization.KustomizationReconciler(
        parts.client,
        Renderer(
            parts.client,
            parts.unpacked,
            strict_fields=settings.field_validation_strict,
            on_build=parts.metrics.builds.inc,
        ),
        HealthTracker("kustomize.toolkit.fluxcd.io/name"),
        parts.triggers,
        kustomization.KustomizationSettings(
            requeue_dependency=settings.requeue_dependency,
            no_cross_namespace_refs=settings.no_cross_namespace_refs,
            own_components=OwnComponents.STAND_IN if settings.stand_in else OwnComponents.REFUSE,
        ),
        parts.confirmations,
    )
    return Controller(
        KUSTOMIZATION,
        reconciler,
        kustomization.RULES,
        client=parts.client,
        concurrency=settings.concurrent,
        dependencies=kustomization.DEPENDENCIES,
        indexes=kustomization.INDEXES,
    )


RECONCILERS: Mapping[str, tuple[str, Callable[[Parts], Controller[Json]]]] = {
    "GitRepository": ("source", _git_repository),
    "Kustomization": ("kustomize", _kustomization),
}
"""By kind: the controller of ``--controllers`` that it belongs to, and how it is made."""
