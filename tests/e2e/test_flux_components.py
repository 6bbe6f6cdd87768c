"""A repository that `flux bootstrap` made: it carries Flux's own components, and the URL of its real remote."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from walkthrough import HERE, poll

from afflux.api.crds import crd
from afflux.api.kinds import KINDS

pytestmark = [pytest.mark.e2e, pytest.mark.embedded_only("drives `afflux up`, which brings the embedded plane")]

FLUX = {"app.kubernetes.io/instance": "flux-system", "app.kubernetes.io/part-of": "flux"}


def controller(name: str) -> dict[str, Any]:
    """A Deployment shaped as Flux's own."""
    container = {"name": "manager", "image": f"ghcr.io/fluxcd/{name}:v1.9.1", "args": ["--watch-all-namespaces=true"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "flux-system", "labels": {**FLUX, "app.kubernetes.io/component": name}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name, **FLUX}}, "spec": {"containers": [container]}},
        },
    }


def components() -> list[dict[str, Any]]:
    """What gotk-components.yaml holds, in small: with a CRD of ours that serves fewer versions than we do."""
    definition = crd(KINDS[0])
    versions = [version for version in definition["spec"]["versions"] if version["storage"]]
    narrowed = {**definition, "spec": {**definition["spec"], "versions": versions}}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flux-system", "labels": FLUX}}
    return [namespace, narrowed, controller("source-controller"), controller("helm-controller")]


def sync() -> list[dict[str, Any]]:
    """What gotk-sync.yaml holds: the real remote, which can't be reached from here."""
    metadata = {"name": "flux-system", "namespace": "flux-system"}
    git = {"interval": "1m0s", "url": "ssh://git@git.example.com/org/fleet", "ref": {"branch": "main"}}
    source = {"kind": "GitRepository", "name": "flux-system"}
    root = {"interval": "10m0s", "path": "./clusters/demo", "prune": True, "sourceRef": source}
    return [
        {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": metadata, "spec": git},
        {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": metadata, "spec": root},
    ]


def bootstrapped(folder: Path) -> Path:
    shutil.copytree(HERE / "repository", folder)
    flux = folder / "clusters/demo/flux-system"
    flux.mkdir()
    for name, manifests in (("gotk-components.yaml", components()), ("gotk-sync.yaml", sync())):
        (flux / name).write_text("\n---\n".join(json.dumps(manifest) for manifest in manifests))
    (flux / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        "resources:\n  - gotk-components.yaml\n  - gotk-sync.yaml\n"
    )
    return folder


def test_a_bootstrapped_repository_reconciles_without_starting_flux(walk: Any) -> None:
    walk.start(source=str(bootstrapped(walk.work / "source")))
    walk.clone_repository()
    commit = walk.git("rev-parse", "HEAD")
    walk.applied(commit, "flux-system")
    walk.applied(commit, "apps")
    root = walk.get("gitrepository", "flux-system", "--namespace", "flux-system")
    assert root["spec"]["url"].startswith("http://127.0.0.1:")
    served = walk.get("crd", "gitrepositories.source.toolkit.fluxcd.io")["spec"]["versions"]
    assert len([version for version in served if version["served"]]) == len(crd(KINDS[0])["spec"]["versions"])
    image = walk.get("deployment", "source-controller", "--namespace", "flux-system")["spec"]["template"]["spec"]
    assert image["containers"][0]["image"] == "ghcr.io/fluxcd/source-controller:v1.9.1"
    logs = poll(lambda: walk.kubectl("-n", "flux-system", "logs", "deployment/source-controller"), "our log")
    assert "stored artifact for commit" in logs
    assert walk.stop() == 0
