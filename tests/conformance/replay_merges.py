"""Replays the recording of strategic merge patches: each starts from the same Deployment."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import aiohttp
from replay_differences import Difference, differences

_PATH = "/apis/apps/v1/namespaces/default/deployments"
_ADDED = {"resources", "terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy"}
_PATCHED = re.compile(r"## (?P<title>.*?) (?P<patch>\{.*\}) *")
_REFUSED = re.compile(r"## (?P<title>.*?) (?P<status>422|500) (?P<message>.*)")
_WITHOUT_PATCH: dict[str, dict[str, Any]] = {
    "volume w/o retainKeys": {"template": {"spec": {"volumes": [{"name": "v", "configMap": {"name": "q"}}]}}},
    "strategy Recreate w/o retain": {"strategy": {"type": "Recreate"}},
    "missing merge key": {"template": {"spec": {"containers": [{"image": "j"}]}}},
}
"""The recording has no patch where it was refused."""

_CONTAINER = {
    "name": "c",
    "image": "i",
    "args": ["1"],
    "ports": [{"containerPort": 80}, {"containerPort": 81}],
    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
}
_POD = {
    "containers": [_CONTAINER, {"name": "s", "image": "s"}],
    "volumes": [{"name": "v", "emptyDir": {}}],
    "tolerations": [{"key": "t"}],
}
_DEPLOYMENT = {
    "metadata": {"name": "d", "finalizers": ["x.io/x"]},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"a": "x"}},
        "template": {"metadata": {"labels": {"a": "x"}}, "spec": _POD},
    },
}


async def merge_differences(
    session: aiohttp.ClientSession, address: str, token: str, path: Path
) -> list[tuple[str, list[Difference]]]:
    """By title, how our results differ."""
    headers = {"Authorization": f"Bearer {token}"}
    compared = []
    lines = iter(path.read_text().splitlines())
    for number, line in enumerate(line for line in lines if line.startswith("## ")):
        name = f"d{number}"
        body = {**_DEPLOYMENT, "metadata": {"name": name}}
        async with session.post(address + _PATH, json=body, headers=headers) as response:
            assert response.status == 201, await response.text()
        recorded, patch = _expected(path, line)
        sent = {**headers, "Content-Type": "application/strategic-merge-patch+json"}
        async with session.patch(f"{address}{_PATH}/{name}", data=json.dumps(patch), headers=sent) as response:
            ours = _projected(json.loads(await response.text()), response.status)
        if isinstance(recorded, str):
            ours = str(ours).replace(f'"{name}"', '"d"')
        compared.append((line, list(differences(recorded, ours))))
    return compared


def _expected(path: Path, line: str) -> tuple[Any, Any]:
    if refused := _REFUSED.fullmatch(line):
        return f"{refused['status']} {refused['message']}", {"spec": _WITHOUT_PATCH[refused["title"]]}
    patched = _PATCHED.fullmatch(line)
    assert patched is not None, line
    after = path.read_text().split(line + "\n", 1)[1].splitlines()[0]
    return json.loads(after), json.loads(patched["patch"])


def _projected(deployment: dict[str, Any], status: int) -> Any:
    """What the recording shows of a Deployment, or of a refusal."""
    if status >= 400:
        return f"{status} {deployment['message']}"
    spec = deployment["spec"]
    pod = spec["template"]["spec"]
    shown = {
        "containers": [{name: each[name] for name in each if name not in _ADDED} for each in pod["containers"]],
        "volumes": pod.get("volumes"),
        "tol": pod.get("tolerations"),
        "strategy": spec["strategy"],
        "labels": spec["template"]["metadata"]["labels"],
        "selector": spec["selector"],
    }
    return shown
