"""What is in a cluster before controllers run."""

import asyncio
from pathlib import Path

import pytest

from afflux.api.crds import crd
from afflux.api.kinds import KINDS
from afflux.app.install import conditions_of, install_crds, merged_versions
from afflux.kube.client import KubeClient, Target
from afflux.kube.config import load_config
from cluster_option import Cluster


@pytest.fixture
def kubeconfig(fresh_cluster: Cluster) -> Path:
    return fresh_cluster.kubeconfig


def version(name: str, *, storage: bool = False, note: str = "") -> dict[str, object]:
    return {"name": name, "storage": storage, "served": True, "note": note}


def test_versions_that_are_served_stay_served() -> None:
    present = [version("v1", storage=True), version("v1beta9")]
    merged = merged_versions(present, [version("v1", storage=True, note="ours"), version("v1beta1")], replace=False)
    assert merged == [version("v1", storage=True), version("v1beta9"), version("v1beta1")]


def test_our_own_schemas_move_with_us() -> None:
    merged = merged_versions([version("v1", storage=True)], [version("v1", storage=True, note="newer")], replace=True)
    assert merged == [version("v1", storage=True, note="newer")]


@pytest.mark.parametrize("status", [None, {}, {"conditions": None}])
def test_a_definition_without_conditions_has_none_yet(status: object) -> None:
    assert conditions_of({"status": status}) == []


async def test_installing_twice_changes_nothing(kubeconfig: Path) -> None:
    client = KubeClient.connect(load_config(kubeconfig))
    try:
        await install_crds(client, KINDS)
        targets = [Target.of(crd(kind)) for kind in KINDS]
        before = [(await client.get(target))["metadata"]["resourceVersion"] for target in targets]
        await install_crds(client, KINDS)
        assert [(await client.get(target))["metadata"]["resourceVersion"] for target in targets] == before
    finally:
        await client.close()


async def test_a_definition_of_flux_gains_the_versions_that_it_lacks_and_keeps_its_own(kubeconfig: Path) -> None:
    client = KubeClient.connect(load_config(kubeconfig))
    try:
        flux = crd(KINDS[0])
        flux["spec"]["versions"] = [each for each in flux["spec"]["versions"] if each["storage"]]
        await client.create(flux, field_manager="flux")
        await install_crds(client, KINDS)
        served = [each["name"] for each in (await client.get(Target.of(flux)))["spec"]["versions"]]
        assert served == [each["name"] for each in crd(KINDS[0])["spec"]["versions"]]
    finally:
        await client.close()


async def test_several_that_start_at_once_do_not_get_in_each_others_way(kubeconfig: Path) -> None:
    client = KubeClient.connect(load_config(kubeconfig))
    try:
        flux = crd(KINDS[0])
        flux["spec"]["versions"] = [each for each in flux["spec"]["versions"] if each["storage"]]
        await client.create(flux, field_manager="flux")
        await asyncio.gather(*(client.get(Target.of(flux)) for _ in range(10)))  # opens the connections
        await asyncio.gather(*(install_crds(client, KINDS) for _ in range(5)))
        served = [each["name"] for each in (await client.get(Target.of(flux)))["spec"]["versions"]]
        assert served == [each["name"] for each in crd(KINDS[0])["spec"]["versions"]]
    finally:
        await client.close()
