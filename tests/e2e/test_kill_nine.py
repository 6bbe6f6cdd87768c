"""kill -9 of everything, at random moments: what is in the cluster afterwards is what Git says."""

import gzip
import random
import time
from pathlib import Path
from typing import Any

import pytest

from waiting import let_pass
from walkthrough_commits import edits

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(600),
    pytest.mark.embedded_only("drives `afflux up`, which brings the embedded plane"),
]

KILLS = 10


def cluster_of(walk: Any) -> dict[str, Any]:
    """What the repository declares, as it stands in the cluster, without what differs between any two runs."""
    found: dict[str, Any] = {}
    for kinds in ("deployments,configmaps,serviceaccounts", "namespaces", "kustomizations"):
        for item in walk.get(kinds, "--all-namespaces")["items"]:
            labels = item["metadata"].get("labels", {})
            if "kustomize.toolkit.fluxcd.io/name" not in labels and item["kind"] != "Kustomization":
                continue
            key = f"{item['kind']}/{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
            entries = item.get("status", {}).get("inventory", {}).get("entries", [])
            inventory = sorted(entry["id"] for entry in entries)
            found[key] = {"spec": item.get("spec"), "data": item.get("data"), "labels": labels, "inventory": inventory}
    return found


def no_torn_artifact(walk: Any) -> None:
    """Every archive in the store is whole: gzip's own checksum says so."""
    for archive in Path(walk.data).rglob("gitrepository/**/*.tar.gz"):
        with gzip.open(archive) as stream:
            while stream.read(1 << 20):
                pass


def test_the_cluster_after_ten_kills_equals_the_undisturbed_runs(walk: Any, another_walk: Any) -> None:
    seed = time.time_ns()
    print(f"seed {seed}")
    moments = random.Random(seed)
    disturbed, calm = walk, another_walk
    for each in (disturbed, calm):
        each.start()
        each.clone_repository()
    kills = 0
    uid = ""
    for message, edit in edits():
        calm_commit = calm.push(message, edit)
        commit = disturbed.push(message, edit)
        for _ in range(2 if kills < KILLS else 0):
            let_pass(moments.uniform(0, 1.5))
            disturbed.kill()
            kills += 1
            no_torn_artifact(disturbed)
            disturbed.start()
            disturbed.clone_repository()
        calm.applied(calm_commit)
        disturbed.applied(commit)
        now = disturbed.get("deployment", "nginx-new")["metadata"]["uid"]
        assert uid in ("", now), "an object that the commit contains was deleted and made again"
        uid = now
    assert kills >= KILLS
    assert cluster_of(disturbed) == cluster_of(calm)
    assert disturbed.stop() == 0
    assert calm.stop() == 0
