"""The same random writes to two API servers: object, owners and errors must be the same after each.

    python tests/conformance/apply_sequences.py [--steps 10000] [--seed S] [KUBECONFIG_A KUBECONFIG_B]

Without kubeconfigs it starts the embedded control plane and a real kube-apiserver (``make e2e-binaries``).

Every object gets a dozen writes by a few managers: applies with and without force, updates, patches, scaling, resets
of its entries. What differs from run to run is masked: times, uids, versions, addresses; causes and entries are sorted.
The kinds are those that no controller writes to. Each difference is printed with the writes that led there; the seed
repeats a run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

TESTS: Final = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent / "e2e")]

from cluster import start_cluster  # noqa: E402
from plain_http import Server  # noqa: E402
from real_cluster import RealCluster, assets, missing  # noqa: E402

DEFINITION: Final = yaml.safe_load((TESTS / "controlplane" / "apply_table.yaml").read_text())["definition"]
DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MANAGERS: Final = ("m", "o", "p", "kubectl")
STEPS_AN_OBJECT: Final = 12
CONTENT: Final = {
    "apply": "application/apply-patch+yaml",
    "force": "application/apply-patch+yaml",
    "status": "application/apply-patch+yaml",
    "merge": "application/merge-patch+json",
    "scale": "application/merge-patch+json",
    "reset": "application/json-patch+json",
    "create": "application/json",
    "put": "application/json",
}
WAYS: Final = ("apply",) * 8 + ("force",) * 4 + ("merge",) * 3 + ("create", "put", "reset", "scale", "status")


class Picker:
    """Random choices of one run."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def one(self, choices: Any) -> Any:
        return self.random.choice(choices)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def some(self, choices: Any, most: int) -> list[Any]:
        return self.random.sample(list(choices), self.random.randint(0, most))

    def map(self, keys: str, values: str = "12") -> dict[str, str]:
        return {key: self.one(values) for key in self.some(keys, 2)}

    def parts(self, makers: dict[str, Any], share: float) -> dict[str, Any]:
        """Some of the fields, each made anew."""
        return {name: make() for name, make in makers.items() if self.chance(share)}


def config_map(pick: Picker) -> dict[str, Any]:
    labels = {"labels": pick.map("lk")} if pick.chance(0.4) else {}
    return {"data": pick.map("abc", "123"), "metadata": labels}


def service(pick: Picker) -> dict[str, Any]:
    ports = [{"name": f"n{number}", "port": number} for number in pick.some((53, 80, 81), 2)]
    for port in ports:
        if pick.chance(0.4):
            port["protocol"] = "TCP"
    spec = pick.parts({"selector": lambda: pick.map("ab"), "sessionAffinity": lambda: "None"}, 0.4)
    return {"spec": {**spec, "ports": ports or [{"name": "n1", "port": 1}]}}


def pod_template(pick: Picker) -> dict[str, Any]:
    names = ["c", *pick.some("de", 2)]
    pick.random.shuffle(names)
    containers = [{"name": name, "image": f"i:{pick.one('12')}", **container(pick)} for name in names]
    makers = {
        "tolerations": lambda: [{"key": key} for key in pick.some("tu", 2)],
        "volumes": lambda: [{"name": name, "emptyDir": {}} for name in pick.some("vw", 2)],
        "nodeSelector": lambda: pick.map("ab"),
        "restartPolicy": lambda: "Never",
    }
    spec = {"containers": containers, **pick.parts(makers, 0.3)}
    return {"template": {"metadata": {"labels": pick.map("lk")}, "spec": spec}}


def cron_job(pick: Picker) -> dict[str, Any]:
    spec = pick.parts({"backoffLimit": lambda: pick.one((1, 2)), "parallelism": lambda: pick.one((1, 2))}, 0.4)
    template = {"spec": {**pod_template(pick)["template"]["spec"], "restartPolicy": "Never"}}
    limits = pick.parts({"failedJobsHistoryLimit": lambda: pick.one((1, 2))}, 0.4)
    job = {"spec": {**spec, "template": template}}
    return {"spec": {"schedule": f"{pick.one('12')} 0 1 1 *", "suspend": True, "jobTemplate": job, **limits}}


def container(pick: Picker) -> dict[str, Any]:
    makers = {
        "env": lambda: [{"name": name, "value": pick.one("12")} for name in pick.some("XYZ", 3)],
        "ports": lambda: [{"containerPort": number} for number in pick.some((80, 81), 2)],
        "args": lambda: pick.some("ab", 2),
        "resources": lambda: {"limits": {"cpu": pick.one(("500m", "0.5", "1"))}},
    }
    return pick.parts(makers, 0.3)


def thing(pick: Picker) -> dict[str, Any]:
    makers = {
        "a": lambda: pick.one("12"),
        "n": lambda: pick.one((1, 2)),
        "color": lambda: pick.one(("red", "blue")),
        "labels": lambda: pick.map("xyz"),
        "atom": lambda: pick.map("xy"),
        "struct": lambda: {**pick.map("xy"), **pick.parts({"deep": lambda: pick.map("zw")}, 0.5)},
        "groups": lambda: {key: pick.map("pq") for key in pick.some("gh", 2)},
        "list": lambda: pick.some("ab", 2),
        "tags": lambda: pick.some("abc", 3),
        "items": lambda: [item(pick, name) for name in pick.some("xyz", 3)],
        "any": lambda: {"map": pick.map("kl"), "list": pick.some((1, 2), 2)},
    }
    return {"spec": pick.parts(makers, 0.4)}


def item(pick: Picker, name: str) -> dict[str, Any]:
    makers = {
        "value": lambda: pick.one("12"),
        "labels": lambda: pick.map("lk"),
        "ports": lambda: [{"port": number} for number in pick.some((1, 2), 2)],
    }
    return {"name": name, **pick.parts(makers, 0.4)}


@dataclass(frozen=True)
class Kind:
    """A kind and how its bodies are made."""

    api: str
    name: str
    plural: str
    body: Any
    scales: bool = False

    def collection(self, namespace: str) -> str:
        root = "/apis/" if "/" in self.api else "/api/"
        return f"{root}{self.api}/namespaces/{namespace}/{self.plural}"


KINDS: Final = (
    Kind("v1", "ConfigMap", "configmaps", config_map),
    Kind("v1", "Service", "services", service),
    Kind("v1", "PodTemplate", "podtemplates", pod_template),
    Kind("batch/v1", "CronJob", "cronjobs", cron_job),
    Kind("example.com/v1", "Thing", "things", thing, scales=True),
    Kind("example.com/v1", "Thing", "things", thing, scales=True),
)


@dataclass(frozen=True)
class Write:
    """One request, the same for both servers but for what it takes from the live object."""

    kind: Kind
    name: str
    how: str
    manager: str
    body: Any

    def send(self, server: Server, namespace: str) -> tuple[int, Any]:
        collection = self.kind.collection(namespace)
        path, query = f"{collection}/{self.name}", f"?fieldManager={self.manager}"
        match self.how:
            case "create":
                return server.call("POST", collection + query, self.body)
            case "put":
                code, live = server.call("GET", path)
                if code != 200:
                    return code, live
                return server.call("PUT", path + query, {**live, **self._fields()})
            case "scale" | "status":
                return server.call("PATCH", f"{path}/{self.how}{query}", self.body, CONTENT[self.how])
            case _:
                query += "&force=true" if self.how == "force" else ""
                return server.call("PATCH", path + query, self.body, CONTENT[self.how])

    def _fields(self) -> dict[str, Any]:
        return {key: value for key, value in self.body.items() if key in ("data", "spec", "template")}

    def __str__(self) -> str:
        return f"{self.how} {self.manager}: {json.dumps(self.body)}"


def writes(pick: Picker) -> Iterator[Write]:
    """Writes without end, a dozen for each object."""
    number = 0
    while True:
        kind = pick.one(KINDS)
        for step in range(STEPS_AN_OBJECT):
            how = pick.one(WAYS) if step else pick.one(("apply", "apply", "create"))
            if how in ("scale", "status") and not kind.scales:
                how = "merge"
            yield Write(kind, f"o{number}", how, pick.one(MANAGERS), body_of(pick, kind, f"o{number}", how))
        number += 1


def body_of(pick: Picker, kind: Kind, name: str, how: str) -> Any:
    fields = kind.body(pick)
    head = {"apiVersion": kind.api, "kind": kind.name}
    match how:
        case "reset":
            return [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
        case "scale":
            return {"spec": {"replicas": pick.one((1, 2, 3))}}
        case "status":
            return {
                **head,
                "metadata": {"name": name},
                "status": {"conditions": [{"type": pick.one("AB"), "status": "True"}]},
            }
        case "merge":
            return fields
        case _:
            return {**head, **fields, "metadata": {"name": name, **fields.get("metadata", {})}}


@dataclass
class Difference:
    """Where two servers parted: after which writes, and what each said."""

    history: list[Write]
    ours: Any
    theirs: Any
    paths: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        last = self.history[-1]
        lines = [f"{last.kind.name} {last.name} after {len(self.history)} writes differs at {', '.join(self.paths)}"]
        lines += [f"  {write}" for write in self.history]
        lines += [f"  A: {json.dumps(self.ours, sort_keys=True)}", f"  B: {json.dumps(self.theirs, sort_keys=True)}"]
        return "\n".join(lines)


def outcome(server: Server, namespace: str, write: Write) -> dict[str, Any]:
    """Everything that must be the same on both servers after a write."""
    code, answer = write.send(server, namespace)
    found: dict[str, Any] = {"code": code}
    if code >= 300:
        found["message"] = "\n".join(sorted(masked(answer.get("message", "")).splitlines()))
        found["reason"] = answer.get("reason")
        causes = (answer.get("details") or {}).get("causes") or []
        found["causes"] = sorted(json.dumps(cause, sort_keys=True) for cause in causes)
    code, live = server.call("GET", f"{write.kind.collection(namespace)}/{write.name}")
    found["live"] = stripped(live) if code == 200 else code
    return found


def masked(text: str) -> str:
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID", text)


def stripped(live: Any) -> Any:
    """An object without what differs from run to run."""
    metadata = {**live["metadata"]}
    for name in ("uid", "resourceVersion", "creationTimestamp"):
        metadata.pop(name)
    entries = [
        {key: value for key, value in entry.items() if key != "time"} for entry in metadata.pop("managedFields", [])
    ]
    spec = {**live.get("spec", {})}
    for name in ("clusterIP", "clusterIPs"):
        spec.pop(name, None)
    return {**live, "metadata": metadata, "spec": spec, "entries": sorted(entries, key=json.dumps)}


def differing(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """The paths at which two values differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            yield from differing(ours.get(key), theirs.get(key), f"{path}.{key}")
    elif ours != theirs:
        yield path


def prepare(server: Server, namespace: str) -> None:
    """A Namespace, and a definition that is served."""
    server.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    server.call("POST", DEFINITIONS, DEFINITION)
    deadline = time.monotonic() + 20
    while server.call("GET", f"/apis/example.com/v1/namespaces/{namespace}/things")[0] != 200:
        if time.monotonic() > deadline:
            raise RuntimeError("the definition is not served")


def compare(ours: Path, theirs: Path, steps: int, seed: int) -> list[Difference]:
    """Send the same writes to both; an object that differs once is left alone from then on."""
    namespace = f"sequences-{seed}"
    servers = [Server(ours), Server(theirs)]
    for server in servers:
        prepare(server, namespace)
    found: list[Difference] = []
    history: list[Write] = []
    parted = ""
    for _, write in zip(range(steps), writes(Picker(seed)), strict=False):
        if write.name == parted:
            continue
        history = [*history, write] if history and history[-1].name == write.name else [write]
        a, b = (outcome(server, namespace, write) for server in servers)
        if a != b:
            found.append(Difference(history, a, b, list(differing(a, b))))
            parted = write.name
    for server in servers:
        server.call("DELETE", f"/api/v1/namespaces/{namespace}")
    return found


def start_both(stack: contextlib.ExitStack) -> tuple[Path, Path]:
    """The embedded control plane and a real one, until the stack is closed."""
    folder = assets()
    if folder is None:
        sys.exit(f"error: {missing()}")
    work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="afflux-sequences-")))
    ours = stack.enter_context(start_cluster(work / "embedded"))
    theirs = stack.enter_context(RealCluster(work / "real", folder))
    return ours.kubeconfig, theirs.kubeconfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kubeconfigs", type=Path, nargs="*", metavar="KUBECONFIG")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments = parser.parse_args()
    if len(arguments.kubeconfigs) not in (0, 2):
        parser.error("give two kubeconfigs, or none")
    print(f"seed {arguments.seed}", flush=True)
    with contextlib.ExitStack() as stack:
        ours, theirs = arguments.kubeconfigs or start_both(stack)
        found = compare(ours, theirs, arguments.steps, arguments.seed)
    for difference in found:
        print(difference)
    print(f"{arguments.steps} steps, {len(found)} differences, seed {arguments.seed}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
