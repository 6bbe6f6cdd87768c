"""Server-side apply, case by case: ``apply_table.yaml`` says what is written and what is there afterwards.

The same cases hold on a real server (``--cluster real``). A case is a list of steps:

``apply M``, ``force M``   apply as manager M, without and with force
``create M``, ``put M``    POST; PUT over the live object, whose other fields stay
``merge M``, ``strategic M``, ``json M``   patches
``scale M``, ``status M``, ``apply-status M``   writes to subresources
``dry M``                  a forced apply that is not stored
``is``                     what the object holds now: the part that the group is ``under``, or values by path
``owns``                   every manager's fields; ``M~`` is an update, ``M~scale`` and ``M@status`` of a subresource.
                           Paths are members of ``fieldsV1``: ``items[name=c](. name)`` is the item itself and its name
``refused``                the status and the message of the write before
``same``                   the write before changed nothing, not even the version
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster_option import Cluster
from plain_http import Server

TABLE = yaml.safe_load(Path(__file__).with_name("apply_table.yaml").read_text())
ON_PURPOSE = {"values stay out of messages": "a real server prints what a Secret holds"}
CASES = [
    pytest.param(
        group,
        steps,
        id=f"{group['kind']}-{says}".replace(" ", "_"),
        marks=[pytest.mark.embedded_only(ON_PURPOSE[says])] if says in ON_PURPOSE else [],
    )
    for group in TABLE["groups"]
    for says, steps in group["cases"].items()
]
NAMESPACE = "apply-table"
MERGE = "application/merge-patch+json"
CONTENT = {
    "merge": MERGE,
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
CONTROLLERS = {"kube-controller-manager", "kube-apiserver", "kubelet", "kube-scheduler"}


@pytest.fixture(scope="module")
def server(cluster: Cluster) -> Server:
    return prepared(Server(cluster.kubeconfig))


def prepared(server: Server) -> Server:
    """A Namespace and the definition of the kind that has a field of every sort."""
    server.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    server.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", TABLE["definition"])
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.example.com"
    for _ in range(200):
        conditions = server.call("GET", path)[1]["status"].get("conditions") or []
        if any(each["type"] == "Established" and each["status"] == "True" for each in conditions):
            return server
    raise AssertionError("the definition is not established")


class Case:
    """One object on its way through the steps of a case."""

    def __init__(self, server: Server, group: Any, name: str) -> None:
        self.server = server
        self.name = name
        self.under = group.get("under", "")
        self.head = {"apiVersion": group["api"], "kind": group["kind"]}
        root = "/apis/" if "/" in group["api"] else "/api/"
        self.collection = f"{root}{group['api']}/namespaces/{NAMESPACE}/{group['plural']}"
        self.path = f"{self.collection}/{name}"
        self.reply: tuple[int, Any] = (0, {})
        self.before: Any = {}

    @property
    def live(self) -> Any:
        return self.server.call("GET", self.path)[1]

    def write(self, how: str, manager: str, content: Any) -> None:
        self.before = self.live
        self.reply = self._send(how, manager, content)

    def _send(self, how: str, manager: str, content: Any) -> tuple[int, Any]:
        query = f"?fieldManager={manager}"
        match how:
            case "apply" | "force" | "dry" | "apply-status":
                query += "" if how.startswith("apply") else "&force=true"
                query += "&dryRun=All" if how == "dry" else ""
                path = f"{self.path}/status" if how == "apply-status" else self.path
                body = self.whole(content, under="" if how == "apply-status" else self.under)
                return self.server.call("PATCH", path + query, body, "application/apply-patch+yaml")
            case "create":
                return self.server.call("POST", self.collection + query, self.whole(content, self.under))
            case "put":
                return self.server.call("PUT", self.path + query, self.replaced(content))
            case "scale" | "status":
                body = {"spec": {"replicas": content}} if how == "scale" else {"status": content}
                return self.server.call("PATCH", f"{self.path}/{how}{query}", body, MERGE)
            case _:
                body = {self.under: content} if self.under and isinstance(content, dict) else content
                return self.server.call("PATCH", self.path + query, body, CONTENT[how])

    def whole(self, content: Any, under: str) -> Any:
        content = {under: content} if under else content
        return {**self.head, **content, "metadata": {"name": self.name, **content.get("metadata", {})}}

    def replaced(self, content: Any) -> Any:
        content = {self.under: content} if self.under else content
        return {**self.before, **content, "metadata": {**self.before["metadata"], **content.get("metadata", {})}}

    def is_(self) -> Any:
        """What the object holds, as a step ``is`` would say."""
        return self.live.get(self.under) if self.under else self.live

    def owners(self) -> dict[str, str]:
        """Every manager's fields, controllers' apart."""
        found = {}
        for entry in self.live["metadata"].get("managedFields", []):
            if entry["manager"] in CONTROLLERS:
                continue
            mark = "~" if entry["operation"] == "Update" else "@" if entry.get("subresource") else ""
            key = f"{entry['manager']}{mark}{entry.get('subresource', '')}"
            found[key] = " ".join(sorted(self.short(path) for path in members(entry["fieldsV1"])))
        return found

    def short(self, path: str) -> str:
        if not self.under:
            return path
        if path == self.under:
            return "."
        return path[len(self.under) + 1 :] if path.startswith(f"{self.under}.") else f"/{path}"


def members(fields: dict[str, Any], above: str = "") -> Iterator[str]:
    """The paths of a ``fieldsV1``, as text."""
    if not fields or "." in fields:
        yield above
    for key, below in fields.items():
        if key != ".":
            yield from members(below, element(above, key))


def element(above: str, key: str) -> str:
    sort, _, text = key.partition(":")
    if sort == "f":
        return f"{above}.{text}" if above else text
    if sort == "v":
        return f"{above}[={json.loads(text)}]"
    return above + "[" + ",".join(f"{name}={value}" for name, value in json.loads(text).items()) + "]"


def spelled_out(text: str) -> str:
    """The short form of ``owns`` as a sorted list of paths: ``a(. b)`` is ``a a.b``."""
    paths = []
    for prefix, inner, plain in re.findall(r"(\S+?)\(([^)]*)\)|(\S+)", text):
        for each in inner.split():
            paths.append(prefix if each == "." else f"{prefix}.{each}")
        paths += [plain] if plain else []
    return " ".join(sorted(paths))


def at(manifest: Any, path: str) -> Any:
    """The value at a dotted path with indexes; None where there is none."""
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        if index:
            manifest = manifest[int(index)] if isinstance(manifest, list) and int(index) < len(manifest) else None
        else:
            manifest = manifest.get(name) if isinstance(manifest, dict) else None
    return manifest


def check(case: Case, what: str, expected: Any) -> None:
    status, answer = case.reply
    match what:
        case "is":
            if case.under:
                assert case.is_() == expected
            else:
                assert {path: at(case.live, path) for path in expected} == expected
        case "owns":
            assert case.owners() == {manager: spelled_out(text) for manager, text in (expected or {}).items()}
        case "refused":
            uid = case.before.get("metadata", {}).get("uid", "")
            assert f"{status} {answer['message']}" == expected.replace("NAME", case.name).replace("<uid>", uid)
        case "same":
            assert uncontrolled(case.live) == uncontrolled(case.before)


def uncontrolled(manifest: Any) -> Any:
    """An object without what controllers write, and without its version where they write."""
    if manifest["kind"] != "Deployment":
        return manifest
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "resourceVersion"}
    metadata["managedFields"] = [each for each in metadata["managedFields"] if each["manager"] not in CONTROLLERS]
    metadata.pop("annotations", None)
    return {**manifest, "metadata": metadata, "status": None}


@pytest.mark.parametrize(("group", "steps"), CASES)
def test_apply(server: Server, group: Any, steps: Any, request: pytest.FixtureRequest) -> None:
    case = Case(server, group, f"c{CASES.index(next(p for p in CASES if p.values == (group, steps)))}")
    upcoming = [*steps[1:], {}]
    for step, following in zip(steps, upcoming, strict=True):
        ((verb, content),) = step.items()
        if verb in ("is", "owns", "refused", "same"):
            check(case, verb, content)
            continue
        how, _, manager = verb.partition(" ")
        case.write(how, manager, content)
        if "refused" not in following:
            assert case.reply[0] in (200, 201), case.reply[1]


def test_the_table_is_large() -> None:
    assert len(CASES) >= 150
