import re
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog

from afflux.objects.identity import ObjectRef
from afflux.runtime.logging import (
    Sink,
    configure,
    console_line,
    controller_logger,
    file_sink,
    process_logger,
    run_logger,
)

KEY = ObjectRef("kustomize.toolkit.fluxcd.io", "Kustomization", "flux-system", "apps")


@pytest.fixture(autouse=True)
def restored() -> Any:
    yield
    structlog.reset_defaults()


def test_a_line_has_the_shape_of_fluxs(tmp_path: Path) -> None:
    configure("info", (file_sink(tmp_path / "logs/kustomize.log"),))
    log = run_logger(controller_logger("kustomize-controller", KEY.group, KEY.kind), KEY)
    log.info("server-side apply completed", output={"Deployment/apps/redis": "configured"}, revision="main@sha1:30")
    log.error(
        "Reconciliation failed after 1s, next try in 5m0s", error=ValueError("kustomize build failed"), revision="r"
    )
    log.debug("not at this level")
    first, second = [orjson.loads(line) for line in (tmp_path / "logs/kustomize.log").read_bytes().splitlines()]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("ts"))
    assert re.fullmatch(r"[0-9a-f-]{36}", first.pop("reconcileID"))
    assert first == {
        "level": "info",
        "msg": "server-side apply completed",
        "controller": "kustomization",
        "controllerGroup": "kustomize.toolkit.fluxcd.io",
        "controllerKind": "Kustomization",
        "Kustomization": {"name": "apps", "namespace": "flux-system"},
        "namespace": "flux-system",
        "name": "apps",
        "output": {"Deployment/apps/redis": "configured"},
        "revision": "main@sha1:30",
    }
    assert list(second) == [
        *(
            "level",
            "ts",
            "msg",
            "controller",
            "controllerGroup",
            "controllerKind",
            "Kustomization",
            "namespace",
            "name",
        ),
        *("reconcileID", "revision", "error"),
    ]
    assert (second["level"], second["error"]) == ("error", "kustomize build failed")


def test_a_controllers_file_gets_its_own_lines_only(tmp_path: Path) -> None:
    source, both = tmp_path / "source.log", tmp_path / "both.log"
    configure("info", (file_sink(source, "source-controller"), file_sink(both)))
    controller_logger("source-controller", "g", "GitRepository").info("one")
    controller_logger("kustomize-controller", "g", "Kustomization").info("two")
    process_logger("source-controller").info("three")
    assert [orjson.loads(line)["msg"] for line in source.read_bytes().splitlines()] == ["one", "three"]
    assert len(both.read_bytes().splitlines()) == 3


def test_a_sink_can_be_quieter_than_the_others() -> None:
    loud: list[bytes] = []
    quiet: list[bytes] = []
    configure("info", (Sink(loud.append), Sink(quiet.append, level="error")))
    process_logger("x").info("one")
    process_logger("x").error("two")
    assert (len(loud), [orjson.loads(line)["msg"] for line in quiet]) == (2, ["two"])


def test_a_full_disk_stops_nothing() -> None:
    def full(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    lines: list[bytes] = []
    configure("info", (Sink(full), Sink(lines.append)))
    process_logger("x").info("still here")
    assert orjson.loads(lines[0])["msg"] == "still here"


LINE = {
    "level": "error",
    "ts": "2026-01-02T15:04:05.123Z",
    "msg": "Reconciliation failed",
    "controller": "kustomization",
    "controllerKind": "Kustomization",
    "Kustomization": {"name": "apps", "namespace": "ns"},
    "namespace": "ns",
    "name": "apps",
    "reconcileID": "1",
    "revision": "main@sha1:1",
    "error": "bad yaml",
}


def test_people_read_the_object_the_message_and_the_rest() -> None:
    line = console_line(LINE).decode()
    assert line.partition(" ")[2] == (
        "error Kustomization/ns/apps Reconciliation failed revision=main@sha1:1 error=bad yaml\n"
    )


def test_colour_is_for_terminals_only() -> None:
    assert b"\033[31merror\033[0m" in console_line(LINE, colour=True)
    assert b"\033" not in console_line(LINE)


def test_what_comes_from_outside_cannot_steer_a_terminal() -> None:
    subject = "stored artifact for commit 'Fix \x1b]0;owned\x07\x1b[31m \u202egnp\r\x9b2J'"
    line = console_line({"level": "info", "ts": "2025-01-01T00:00:00.000Z", "msg": subject, "error": "a\x1b[0m\nb"})
    text = line.decode()
    assert not set(text) & set("\x1b\x07\r\x9b\u202e")
    assert r"Fix \x1b]0;owned\x07\x1b[31m \u202egnp\r\x9b2J" in text
    assert "error=a\\x1b[0m\nb" in text


def test_a_name_that_is_not_utf_8_does_not_stop_a_line() -> None:
    lines: list[bytes] = []
    configure("info", (Sink(lines.append), Sink(lines.append, "console")))
    process_logger("source-controller").info("read \udcff.yaml", output={"\udcff": "created"})
    assert [r"\udcff.yaml" in line.decode().replace("\\\\", "\\") for line in lines] == [True, True]
