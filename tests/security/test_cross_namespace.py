"""``--no-cross-namespace-refs``: a source of another namespace stays out of reach."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from afflux.app.settings import Settings
from afflux.cli.commands import run
from afflux.kube.client import KubeClient
from fleet import fleet


async def test_a_source_of_another_namespace_is_refused_where_the_operator_says_so(
    kube_client: KubeClient, tmp_path: Path
) -> None:
    async with fleet(kube_client, "fenced", tmp_path, no_cross_namespace_refs=True) as ours:
        elsewhere = {"kind": "GitRepository", "name": "fleet", "namespace": "flux-system"}
        await ours.kustomization("reaching-out", sourceRef=elsewhere)
        refused = await ours.failing("reaching-out", reason="AccessDenied")
    assert refused["message"] == (
        "can't access 'GitRepository/flux-system/fleet', cross-namespace references have been blocked"
    )


def test_the_flag_of_run_becomes_the_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings: list[Settings] = []

    async def keep(stop: object, given: Settings) -> None:
        settings.append(given)

    monkeypatch.setattr(run, "serve_until", keep)
    CliRunner().invoke(run.run, ["--data-dir", str(tmp_path), "--no-cross-namespace-refs"], catch_exceptions=False)
    assert [one.no_cross_namespace_refs for one in settings] == [True]
