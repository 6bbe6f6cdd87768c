"""Tables: columns as the real server has them, and cells."""

# ruff: noqa: E501

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from afflux.controlplane.builtin_kinds import builtin_served_kinds
from afflux.controlplane.printers import PRINTERS
from afflux.controlplane.printers.column import duration, selector_text
from afflux.controlplane.printing import column_definitions

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def recorded(shared: Path) -> dict[str, Any]:
    """Tables that a real 1.36 server printed, by path."""
    archive = shared / "kubernetes-1.36" / "observed.tar.xz"
    if not archive.is_file():
        pytest.skip("recordings of a real server are not beside this checkout")
    with tarfile.open(archive) as opened:
        name = next(each for each in opened.getnames() if each.endswith("recordings/tables.json"))
        member = opened.extractfile(name)
        assert member is not None
        tables: dict[str, Any] = json.load(member)
    return tables


def test_columns_are_those_of_the_real_server(recorded: dict[str, Any]) -> None:
    shape = ("name", "type", "format", "priority")
    ours = {
        f"{kind.gvk.api_version}/{kind.plural}": [
            tuple(column[key] for key in shape) for column in column_definitions(kind)
        ]
        for kind in builtin_served_kinds("1.36")
    }
    theirs = {
        path: [tuple(column[key] for key in shape) for column in table["columnDefinitions"]]
        for path, table in recorded.items()
        if path in ours
    }
    assert {path: ours[path] for path in theirs} == theirs


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (600, "10m"), (10_799, "179m"), (10_800, "3h")),
        *((11_100, "3h5m"), (28_800, "8h"), (172_799, "47h"), (172_800, "2d"), (190_800, "2d5h"), (691_200, "8d")),
        *((2_592_000, "30d"), (63_072_000, "2y"), (65_664_000, "2y30d"), (-5, "<invalid>")),
    ],
)
def test_ages_have_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def cells(group: str, kind: str, **manifest: Any) -> list[Any]:
    return PRINTERS[(group, kind)].cells({"metadata": {"name": "n"}, **manifest}, NOW)[1:]


@pytest.mark.parametrize(
    ("pod", "status", "restarts"),
    [
        ({"status": {"phase": "Pending"}}, "Pending", "0"),
        ({"status": {"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}}, "ImagePullBackOff", "0"),
        ({"status": {"containerStatuses": [{"state": {"terminated": {"exitCode": 1}}}]}}, "ExitCode:1", "0"),
        ({"status": {"containerStatuses": [{"restartCount": 3, "lastState": {"terminated": {
            "finishedAt": "2027-01-15T07:58:00Z"}}}]}}, "<unknown>", "3 (2m ago)"),
        ({"metadata": {"name": "n", "deletionTimestamp": "2027-01-15T08:00:00Z"}}, "Terminating", "0"),
        ({"spec": {"initContainers": [{}]}, "status": {"initContainerStatuses": [{"state": {"running": {}}}]}}, "Init:0/1", "0"),
    ],
)  # fmt: skip
def test_a_pods_status_is_the_most_telling_thing(pod: Any, status: str, restarts: str) -> None:
    assert cells("", "Pod", **pod)[1:3] == [status, restarts]


def test_services_show_where_they_are_reached() -> None:
    ports = [{"port": 80, "protocol": "TCP", "nodePort": 30080}, {"port": 53, "protocol": "UDP"}]
    balanced = cells("", "Service", spec={"type": "LoadBalancer", "clusterIP": "10.96.0.2", "ports": ports})
    assert balanced[:4] == ["LoadBalancer", "10.96.0.2", "<pending>", "80:30080/TCP,53/UDP"]
    named = cells("", "Service", spec={"type": "ExternalName", "externalName": "a.b"})
    assert named[:4] == ["ExternalName", "<none>", "a.b", "<none>"]


def test_long_lists_are_cut() -> None:
    rules = [{"host": f"h{number}"} for number in range(5)]
    assert cells("networking.k8s.io", "Ingress", spec={"rules": rules})[1] == "h0,h1,h2 + 2 more..."
    assert cells("networking.k8s.io", "Ingress", spec={})[:4] == ["<none>", "*", "", "80"]


def test_jobs_and_cron_jobs_tell_how_they_stand() -> None:
    done = {"succeeded": 1, "startTime": "2027-01-15T07:00:00Z", "completionTime": "2027-01-15T07:00:05Z",
            "conditions": [{"type": "Complete", "status": "True"}]}  # fmt: skip
    assert cells("batch", "Job", spec={"completions": 1}, status=done)[:3] == ["Complete", "1/1", "5s"]
    cron = cells("batch", "CronJob", spec={"schedule": "* * * * *", "suspend": False})
    assert cron[:5] == ["* * * * *", "<none>", "False", 0, "<none>"]


def test_selectors_are_printed_as_they_are_written() -> None:
    expressions = [{"key": "t", "operator": "In", "values": ["b", "a"]}, {"key": "x", "operator": "DoesNotExist"}]
    assert selector_text({"matchLabels": {"a": "1"}, "matchExpressions": expressions}) == "a=1,t in (a,b),!x"
    assert selector_text({}) == "<none>"
