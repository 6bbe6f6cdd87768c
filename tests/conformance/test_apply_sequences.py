"""Random sequences of applies and updates: two servers agree after each, and a difference is noticed.

One is the embedded plane; the other is a second one, or with ``--cluster real`` the real one.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from apply_sequences import KINDS, Picker, Write, compare, writes

from cluster import start_cluster
from cluster_option import Cluster
from plain_http import Server


@pytest.fixture(scope="module")
def kubeconfigs(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    with start_cluster(tmp_path_factory.mktemp("sequences")) as ours:
        yield ours.kubeconfig, cluster.kubeconfig


@pytest.mark.parametrize("seed", [1, 2, random.SystemRandom().randrange(3, 10**6)], ids=["1", "2", "random"])
def test_both_servers_agree_after_every_write(kubeconfigs: tuple[Path, Path], seed: int) -> None:
    found = compare(*kubeconfigs, steps=300, seed=seed)
    assert not found, f"seed {seed}\n" + "\n".join(str(each) for each in found)


def test_a_difference_is_noticed_and_told(kubeconfigs: tuple[Path, Path]) -> None:
    first: Write = next(writes(Picker(7)))
    theirs = Server(kubeconfigs[1])
    theirs.call("POST", "/api/v1/namespaces", {"metadata": {"name": "sequences-7"}})
    head = {
        "apiVersion": first.kind.api,
        "kind": first.kind.name,
        "metadata": {"name": first.name, "labels": {"z": "9"}},
    }
    theirs.call("POST", first.kind.collection("sequences-7"), {**head, **first.kind.body(Picker(1))})
    (found,) = compare(*kubeconfigs, steps=3, seed=7)
    assert found.history == [first]
    assert ".live.metadata.labels" in str(found)


def test_a_seed_repeats_its_writes() -> None:
    first, second = writes(Picker(3)), writes(Picker(3))
    seen = [next(first) for _ in range(600)]
    assert seen == [next(second) for _ in range(600)]
    assert {write.kind.name for write in seen} == {kind.name for kind in KINDS}
