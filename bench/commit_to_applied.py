"""How long from the end of `git push` to the object applied, and to healthy?

Starts `afflux up` on the walk-through's repository, pushes commits that change the sample app's Pod template one after
the other, and watches Deployment and Kustomization on the API server from outside. Target: p95 to applied under 1 s.

    python bench/commit_to_applied.py [--commits 100] [--json]
"""

import argparse
import base64
import json
import os
import ssl
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples/01-walkthrough"))

import yaml
from walkthrough import Walkthrough, poll

DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments"
KUSTOMIZATION = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations"


class Watcher:
    """Watches one collection in a thread and notes when a mark is first seen."""

    def __init__(self, kubeconfig: Path, path: str, mark_of: Callable[[dict[str, Any]], str | None]) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        self._server = config["clusters"][0]["cluster"]["server"]
        authority = config["clusters"][0]["cluster"]["certificate-authority-data"]
        self._token = config["users"][0]["user"]["token"]
        self._trust = ssl.create_default_context(cadata=base64.b64decode(authority).decode())
        self._path, self._mark_of = path, mark_of
        self.seen: dict[str, float] = {}
        threading.Thread(target=self._run, daemon=True).start()

    def _events(self) -> Iterator[dict[str, Any]]:
        request = urllib.request.Request(
            f"{self._server}{self._path}?watch=true", headers={"Authorization": f"Bearer {self._token}"}
        )
        with urllib.request.urlopen(request, context=self._trust) as stream:
            for line in stream:
                yield json.loads(line)

    def _run(self) -> None:
        for event in self._events():
            mark = self._mark_of(event["object"])
            if mark is not None:
                self.seen.setdefault(mark, time.monotonic())


def commit_in_template(deployment: dict[str, Any]) -> str | None:
    return deployment["spec"]["template"]["metadata"].get("annotations", {}).get("bench/commit")


def healthy_revision(kustomization: dict[str, Any]) -> str | None:
    status = kustomization.get("status", {})
    ready = [c for c in status.get("conditions", []) if c["type"] == "Ready" and c["status"] == "True"]
    if kustomization["metadata"]["name"] != "apps" or not ready:
        return None
    return str(status.get("lastAppliedRevision", "")).rpartition(":")[2]


def annotated(number: int) -> Callable[[str], str]:
    def edit(text: str) -> str:
        head, _, tail = text.partition("  template:\n    metadata:\n")
        tail = tail[tail.index("      labels:") :]
        return f'{head}  template:\n    metadata:\n      annotations:\n        bench/commit: "{number}"\n{tail}'

    return edit


def measure(commits: int) -> dict[str, list[float]]:
    to_applied, to_healthy = [], []
    with tempfile.TemporaryDirectory(prefix="afflux-bench-") as folder:
        walk = Walkthrough(Path(folder))
        walk.start()
        try:
            walk.clone_repository()
            walk.applied(walk.git("rev-parse", "HEAD"))
            kubeconfig = Path(walk.said["kubeconfig"])
            applied = Watcher(kubeconfig, DEPLOYMENT, commit_in_template)
            healthy = Watcher(kubeconfig, KUSTOMIZATION, healthy_revision)
            for number in range(commits):
                commit = walk.commit(f"Commit {number}", annotated(number))
                walk.git("push", "--quiet", "origin", "HEAD")
                pushed = time.monotonic()
                poll(lambda n=str(number), c=commit: n in applied.seen and c in healthy.seen, f"commit {number}", 60)
                to_applied.append(max(0.0, applied.seen[str(number)] - pushed))
                to_healthy.append(max(0.0, healthy.seen[commit] - pushed))
        finally:
            walk.stop()
    return {"applied": to_applied, "healthy": to_healthy}


def percentiles(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = {what: percentiles(values) for what, values in measure(arguments.commits).items()}
    if arguments.json:
        print(json.dumps(results))
        return
    print(f"from the end of git push, {arguments.commits} commits, {os.cpu_count()} cores")
    for what, row in results.items():
        print(f"  to {what:8} " + "  ".join(f"{name} {value * 1000:6.0f} ms" for name, value in row.items()))


if __name__ == "__main__":
    main()
