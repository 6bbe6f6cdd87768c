"""Helm's own Go SDK, unmodified: a release is installed, tested, upgraded, rolled back and uninstalled, with waiting.

The SDK is large: ``pip install -e '.[helm-oracle]'`` brings it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

helm = pytest.importorskip("helm_python", reason="Helm's SDK is not installed (the extra helm-oracle)")

from cluster_option import Cluster  # noqa: E402

KUBECTL = Path(sys.executable).parent / "kubectl"
TIMEOUT = 60
"""Seconds that Helm may wait."""

CHART = """
apiVersion: v2
name: shop
version: {version}
appVersion: "1.0"
kubeVersion: ">=1.30.0-0"
"""

VALUES = """
replicas: 2
image: registry.example.com/shop:1.0
greeting: hello
"""

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: carts.shop.example.com}
spec:
  group: shop.example.com
  scope: Namespaced
  names: {plural: carts, singular: cart, kind: Cart}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, properties: {size: {type: integer, default: 3}}}
"""

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-web
  labels: {app: web}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: {{ .Values.image }}
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: http}}
          volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: {{ .Release.Name }}-data}}]
---
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}-web}
spec:
  type: LoadBalancer
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
"""

STATE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-settings}
data:
  greeting: {{ .Values.greeting | quote }}
{{- with .Values.extra }}
  extra: {{ . | quote }}
{{- end }}
---
apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}-secret}
stringData: {password: {{ .Values.greeting | quote }}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: {{ .Release.Name }}-data}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
---
apiVersion: shop.example.com/v1
kind: Cart
metadata: {name: {{ .Release.Name }}-cart}
spec: {}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: {{ .Release.Name }}-db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: registry.example.com/db:1.0}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: {{ .Release.Name }}-seed-{{ .Release.Revision }}}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: seed, image: registry.example.com/seed:1.0}]}
"""

HOOK = """
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-%(name)s
  annotations:
    helm.sh/hook: %(events)s
    helm.sh/hook-weight: "%(weight)s"
    helm.sh/hook-delete-policy: %(policy)s
spec:
  backoffLimit: 0
  template:
    metadata: {annotations: {%(fault)s}}
    spec: {restartPolicy: Never, containers: [{name: hook, image: registry.example.com/hook:1.0}]}
"""

TEST = """
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-test
  annotations: {helm.sh/hook: test}
spec: {restartPolicy: Never, containers: [{name: test, image: registry.example.com/test:1.0}]}
"""


def hook(name: str, events: str, weight: int = 0, policy: str = "before-hook-creation", fault: str = "") -> str:
    return HOOK % {"name": name, "events": events, "weight": weight, "policy": policy, "fault": fault}


def chart(folder: Path, version: str = "1.0.0", **more: str) -> Path:
    """A chart on disk, with a definition, workloads, a claim, hooks and a test."""
    files = {
        "Chart.yaml": CHART.format(version=version),
        "values.yaml": VALUES,
        "crds/carts.yaml": CRD,
        "templates/web.yaml": WEB,
        "templates/state.yaml": STATE,
        "templates/migrate.yaml": hook("migrate", "pre-install,pre-upgrade"),
        "templates/warm.yaml": hook("warm", "post-install,post-upgrade,post-rollback", 5, "hook-succeeded"),
        "templates/farewell.yaml": hook("farewell", "pre-delete", policy="hook-succeeded"),
        "templates/test.yaml": TEST,
        **more,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.lstrip("\n"))
    return folder


class Release:
    """One release of a chart in a Namespace of its own."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self.kubeconfig = kubeconfig
        self.namespace = namespace
        self.helm = helm.Config(kubeconfig_path=kubeconfig, namespace=namespace)

    def get(self, what: str) -> Any:
        """What kubectl reads; None where it isn't there."""
        command = [str(KUBECTL), "--kubeconfig", str(self.kubeconfig), "-n", self.namespace, "get", what]
        done = subprocess.run(
            [*command, "--ignore-not-found", "-o", "json"], capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    def names(self, kind: str) -> set[str]:
        found = self.get(kind)
        return {item["metadata"]["name"] for item in found["items"]} if found else set()

    def history(self) -> list[tuple[int, str]]:
        return [(each["revision"], each["status"]) for each in self.helm.history("shop")]


@pytest.fixture(scope="session")
def kubeconfig(cluster: Cluster) -> Path:
    return cluster.kubeconfig


@pytest.fixture
def release(kubeconfig: Path, request: pytest.FixtureRequest) -> Iterator[Release]:
    namespace = f"h-{abs(hash(request.node.name)) % 10**8}"
    made = Release(kubeconfig, namespace)
    with made.helm:
        yield made


@pytest.mark.parametrize("wait", ["watcher", "legacy"])
def test_a_release_lives_its_whole_life(release: Release, tmp_path: Path, wait: str) -> None:
    shop = chart(tmp_path / "shop")
    options = {"wait": wait, "timeout": TIMEOUT}
    installed = release.helm.install(shop, "shop", create_namespace=True, **options)
    assert (installed["revision"], installed["status"]) == (1, "deployed")
    check_installed(release)

    assert release.helm.test("shop", timeout=TIMEOUT)
    upgraded = release.helm.upgrade(shop, "shop", {"replicas": 3, "greeting": "bye", "extra": "x"}, **options)
    assert (upgraded["revision"], upgraded["status"]) == (2, "deployed")
    assert release.get("configmap/shop-settings")["data"] == {"greeting": "bye", "extra": "x"}
    assert release.get("deployment/shop-web")["status"]["readyReplicas"] == 3
    assert release.names("jobs") == {"shop-migrate", "shop-seed-2"}

    release.helm.rollback("shop", version=1, **options)
    assert release.get("configmap/shop-settings")["data"] == {"greeting": "hello"}
    assert release.get("deployment/shop-web")["spec"]["replicas"] == 2
    assert release.history() == [(1, "superseded"), (2, "superseded"), (3, "deployed")]

    release.helm.uninstall("shop", **options)
    assert release.names("deployments,services,statefulsets,configmaps,secrets,pvc") == {"kube-root-ca.crt"}
    assert release.get("crd/carts.shop.example.com"), "Helm never deletes definitions"


def check_installed(release: Release) -> None:
    """Everything that the release waits for is as it should be."""
    web = release.get("deployment/shop-web")
    assert (web["status"]["readyReplicas"], web["status"]["observedGeneration"]) == (2, web["metadata"]["generation"])
    assert release.get("service/shop-web")["status"]["loadBalancer"]["ingress"]
    assert release.get("pvc/shop-data")["status"]["phase"] == "Bound"
    assert release.get("statefulset/shop-db")["status"]["readyReplicas"] == 1
    assert release.get("carts.shop.example.com/shop-cart")["spec"] == {"size": 3}
    assert release.names("jobs") == {"shop-migrate", "shop-seed-1"}, "the hook that succeeded is gone"


def test_a_second_upgrade_with_the_same_values_changes_nothing(release: Release, tmp_path: Path) -> None:
    plain = chart(tmp_path / "shop", **{"templates/state.yaml": STATE.rpartition("---\n")[0]})
    release.helm.install(plain, "shop", create_namespace=True, wait="watcher", timeout=TIMEOUT)
    kinds = "deployments,services,statefulsets,configmaps,pvc,carts"
    before = versions(release, kinds)
    release.helm.upgrade(plain, "shop", wait="watcher", timeout=TIMEOUT)
    assert versions(release, kinds) == before


def versions(release: Release, kinds: str) -> dict[str, str]:
    return {
        f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
        for item in release.get(kinds)["items"]
    }


def test_a_server_side_dry_run_makes_nothing(release: Release, tmp_path: Path) -> None:
    release.helm.install(chart(tmp_path / "shop"), "shop", create_namespace=True, wait="watcher", timeout=TIMEOUT)
    before = versions(release, "all,configmaps,secrets")
    planned = release.helm.upgrade(chart(tmp_path / "shop"), "shop", {"greeting": "bye"}, dry_run="server")
    assert 'greeting: "bye"' in planned["manifest"]
    assert versions(release, "all,configmaps,secrets") == before


def test_a_failing_hook_fails_the_upgrade_and_rolls_back(release: Release, tmp_path: Path) -> None:
    options = {"wait": "watcher", "timeout": TIMEOUT}
    release.helm.install(chart(tmp_path / "good"), "shop", create_namespace=True, **options)
    fault = "sim.gitops/fail: job-failed"
    bad = chart(tmp_path / "bad", "1.1.0", **{"templates/migrate.yaml": hook("migrate", "pre-upgrade", fault=fault)})
    with pytest.raises(helm.HelmReleaseError, match=r"(?s)pre-upgrade.*fail"):
        release.helm.upgrade(bad, "shop", {"greeting": "bye"}, rollback_on_failure=True, **options)
    assert release.get("configmap/shop-settings")["data"] == {"greeting": "hello"}
    assert [status for _, status in release.history()] == ["superseded", "failed", "deployed"]


def test_an_image_that_cannot_be_pulled_times_out(release: Release, tmp_path: Path) -> None:
    with pytest.raises(helm.HelmError, match=r"(?s)shop-web not ready.*Available: 0/2.*deadline exceeded"):
        release.helm.install(
            chart(tmp_path / "shop"),
            "shop",
            {"image": "registry.example.com/doesnotexist:1.0"},
            create_namespace=True,
            wait="watcher",
            timeout=5,
        )
    assert release.history() == [(1, "failed")]


def test_objects_of_another_release_are_refused(release: Release, tmp_path: Path) -> None:
    plain = {"templates/state.yaml": STATE.partition("---\n")[0].replace("{{ .Release.Name }}-settings", "shared")}
    for name in ("web", "migrate", "warm", "farewell", "test"):
        plain[f"templates/{name}.yaml"] = ""
    one = chart(tmp_path / "one", **plain)
    release.helm.install(one, "one", create_namespace=True, wait="watcher", timeout=TIMEOUT)
    with pytest.raises(helm.HelmError, match=r"shared.*cannot be imported.*invalid ownership metadata"):
        release.helm.install(one, "two", wait="watcher", timeout=TIMEOUT)
    assert release.get("configmap/shared")["metadata"]["annotations"]["meta.helm.sh/release-name"] == "one"
