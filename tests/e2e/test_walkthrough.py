"""The walk-through, examples/01-walkthrough, as people run it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from walkthrough import poll

pytestmark = [pytest.mark.e2e, pytest.mark.embedded_only("drives `afflux up`, which brings the embedded plane")]

DEMO = Path(__file__).parents[2] / "examples/01-walkthrough/demo.py"


def test_the_demo_verifies_every_step_from_any_folder_without_a_cluster(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "PYTHONPATH")}
    done = subprocess.run(
        [sys.executable, str(DEMO)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every step was verified" in done.stdout
    assert "✗" not in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_up_resumes_where_it_stopped(walk: Any) -> None:
    walk.start()
    walk.clone_repository()
    commit = walk.git("rev-parse", "HEAD")
    walk.applied(commit)
    before = walk.get("deployment", "nginx")["metadata"]
    first = dict(walk.said)
    assert walk.stop() == 0
    walk.start()
    assert walk.said == first
    walk.applied(commit)
    after = walk.get("deployment", "nginx")["metadata"]
    assert (after["uid"], after["generation"]) == (before["uid"], before["generation"])
    pushed = walk.push("Change the image", lambda text: text.replace("nginx:1.27.0", "nginx:1.27.1"))
    walk.applied(pushed)
    assert walk.stop() == 0


def test_two_processes_never_share_a_data_directory(walk: Any) -> None:
    walk.start()
    second = subprocess.run(
        [sys.executable, "-m", "afflux", "up", str(walk.work / "source"), "--data-dir", str(walk.data)],
        env=walk.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert second.returncode == 1
    assert "another afflux uses" in second.stderr
    assert walk.stop() == 0


def test_an_empty_repository_waits_for_the_first_push(walk: Any) -> None:
    walk.start(source="")
    poll(lambda: walk.ready("gitrepository", "flux-system").get("reason") == "EmptyGitRepository", "empty", 20)
    walk.git("clone", "--quiet", walk.said["cloneURL"], str(walk.clone), cwd=walk.work)
    (walk.clone / "one.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, namespace: default}\n")
    walk.git("add", "--all")
    walk.git("commit", "--quiet", "--message", "The first commit")
    walk.git("push", "--quiet", "origin", "HEAD:main")
    walk.applied(walk.git("rev-parse", "HEAD"), "flux-system", timeout=20)
    assert walk.get("configmap", "one")
    assert walk.stop() == 0


def test_a_url_is_followed_and_its_one_cluster_folder_found(walk: Any, another_walk: Any) -> None:
    walk.start()
    another_walk.start(source=walk.said["cloneURL"])
    assert "cloneURL" not in another_walk.said
    assert another_walk.said["path"] == "./clusters/demo"
    walk.clone_repository()
    another_walk.applied(walk.git("rev-parse", "HEAD"))
    source = another_walk.get("gitrepository", "flux-system", "--namespace", "flux-system")
    assert walk.said["token"] not in str(source["spec"])
    assert another_walk.stop() == 0
    assert walk.stop() == 0


def test_a_url_that_cant_be_followed_is_refused_without_its_password(walk: Any) -> None:
    walk.start()
    wrong = walk.said["cloneURL"].replace(walk.said["token"], "wr0ng-passw0rd")
    done = subprocess.run(
        [sys.executable, "-m", "afflux", "up", wrong, "--data-dir", str(walk.work / "refused")],
        env=walk.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "can't follow http://127.0.0.1" in done.stderr
    assert "wr0ng-passw0rd" not in done.stdout + done.stderr
    assert walk.stop() == 0
