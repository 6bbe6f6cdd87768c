"""Rendering for the controller: unpacked once a revision, built by workers, and only where something is new."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import orjson

from afflux import offload
from afflux.api.kustomization import Kustomization
from afflux.api.meta import Artifact
from afflux.apply.ownership import Owner
from afflux.controllers.kustomization_variables import variables_for
from afflux.kube.client import KubeClient
from afflux.objects.identity import ObjectRef
from afflux.render.inputs import Input
from afflux.render.kustomization import Rendered, render_directory
from afflux.render.spec import RenderSpec
from afflux.runtime.reconciler import Run

_BUILT_FROM = (
    "path",
    "targetNamespace",
    "namePrefix",
    "nameSuffix",
    "commonMetadata",
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "images",
    "components",
    "ignoreMissingComponents",
    "buildMetadata",
    "postBuild",
)
"""The fields of a spec that shape what is built."""


def owner_of(key: ObjectRef) -> Owner:
    """A Kustomization as the owner of what it applies."""
    return Owner("kustomize-controller", "kustomize.toolkit.fluxcd.io", key.name, key.namespace)


class Trees(Protocol):
    """Unpacked artifacts."""

    async def directory(self, artifact: Artifact) -> Path:
        """The directory that an artifact unpacks to, unpacked once a digest."""
        ...

    async def touched(self, old_digest: str, new_digest: str) -> frozenset[str] | None:
        """The paths that differ between two unpacked artifacts; None where that can't be told."""
        ...


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A render, and what it was made from beside the files."""

    spec_digest: str
    artifact_digest: str
    rendered: Rendered


class Renderer:
    """Renders Kustomizations and remembers the last render of each."""

    def __init__(
        self,
        client: KubeClient,
        trees: Trees,
        *,
        strict_fields: bool = False,
        on_build: Callable[[], None] | None = None,
    ) -> None:
        self._client = client
        self._on_build = on_build or (lambda: None)
        self._trees = trees
        self._strict_fields = strict_fields
        self._remembered: dict[ObjectRef, _Remembered] = {}

    async def tree(self, artifact: Artifact) -> Path:
        """The files of an artifact."""
        return await self._trees.directory(artifact)

    async def render(self, run: Run[Kustomization], artifact: Artifact, tree: Path) -> Rendered:
        """The manifests; raises `RenderFailed`. Not built again where everything that the last build looked at is
        the same: the spec, the variables, the files."""
        spec = await self._spec(run)
        digest = _digest_of(spec)
        last = await self._still_good(run.key, digest, artifact)
        if last is not None:
            return last
        known = self._inputs_of(run.key, digest)
        rendered = await offload.run(render_directory, str(tree), run.object.spec.path, spec, known)
        if rendered is None:
            rendered = self._remembered[run.key].rendered
        else:
            self._on_build()
        self._remembered[run.key] = _Remembered(digest, artifact.digest, rendered)
        return rendered

    async def unchanged(self, run: Run[Kustomization], artifact: Artifact) -> Rendered | None:
        """The last render, where an artifact touches nothing that it was made from; None where that isn't sure."""
        if run.key not in self._remembered:
            return None
        await self.tree(artifact)
        return await self._still_good(run.key, _digest_of(await self._spec(run)), artifact)

    async def _still_good(self, key: ObjectRef, spec_digest: str, artifact: Artifact) -> Rendered | None:
        last = self._remembered.get(key)
        if last is None or last.spec_digest != spec_digest:
            return None
        if last.artifact_digest != artifact.digest:
            touched = await self._trees.touched(last.artifact_digest, artifact.digest)
            if touched is None or any(one.path in touched for one in last.rendered.inputs):
                return None
            self._remembered[key] = _Remembered(spec_digest, artifact.digest, last.rendered)
        return last.rendered

    def _inputs_of(self, key: ObjectRef, spec_digest: str) -> tuple[Input, ...]:
        """What the last build looked at, where it was of the same spec."""
        last = self._remembered.get(key)
        return last.rendered.inputs if last is not None and last.spec_digest == spec_digest else ()

    def forget(self, key: ObjectRef) -> None:
        """A Kustomization that is gone."""
        self._remembered.pop(key, None)

    async def _spec(self, run: Run[Kustomization]) -> RenderSpec:
        spec = run.manifest.get("spec") or {}
        return RenderSpec(
            {name: spec[name] for name in _BUILT_FROM if name in spec},
            variables=await variables_for(self._client, run.object),
            owner_labels=owner_of(run.key).labels,
            strict_fields=self._strict_fields,
        )


def _digest_of(spec: RenderSpec) -> str:
    everything = [spec.spec, dict(spec.variables), spec.strict_fields, spec.strict_substitution]
    return hashlib.sha256(orjson.dumps(everything, option=orjson.OPT_SORT_KEYS)).hexdigest()
