"""State that survives: restarts, kill -9 (50 times with ``AFFLUX_STRESS=full``), the lock, the schema number."""

import asyncio
import json
import os
import sqlite3
import ssl
import threading
import urllib.error
import urllib.request
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
import yaml
from controlplane_client import client_of

from afflux.controlplane.control_plane import ControlPlane
from afflux.controlplane.persistence import SCHEMA, StateError
from cluster import ClusterProcess, start_cluster

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


class Caller:
    """Blocking requests to a cluster in another process."""

    def __init__(self, cluster: ClusterProcess) -> None:
        config = yaml.safe_load(cluster.kubeconfig.read_text())
        described = config["clusters"][0]["cluster"]
        self.server = described["server"]
        ca = b64decode(described["certificate-authority-data"]).decode()
        self.context = ssl.create_default_context(cadata=ca)
        self.headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = self.headers | {"Content-Type": "application/json"}
        request = urllib.request.Request(self.server + path, data, headers, method=method)
        with urllib.request.urlopen(request, context=self.context, timeout=10) as response:
            return json.loads(response.read())


def test_a_restart_keeps_objects_numbers_and_the_address(tmp_path: Path) -> None:
    with start_cluster(tmp_path / "one", data_dir=tmp_path / "data") as first:
        caller = Caller(first)
        made = caller.call("POST", CONFIG_MAPS, {"metadata": {"name": "kept"}, "data": {"a": "b"}})
        version = int(caller.call("GET", CONFIG_MAPS)["metadata"]["resourceVersion"])
        assert first.stop() == 0
    with start_cluster(tmp_path / "two", data_dir=tmp_path / "data") as second:
        assert second.kubeconfig.read_text() == first.kubeconfig.read_text()
        caller = Caller(second)
        assert caller.call("GET", f"{CONFIG_MAPS}/kept") == made
        assert int(caller.call("GET", CONFIG_MAPS)["metadata"]["resourceVersion"]) >= version
        with pytest.raises(urllib.error.HTTPError, match="401"):
            caller.headers = {"Authorization": "Bearer nobody"}
            caller.call("GET", CONFIG_MAPS)


class Load:
    """Workers that write until the cluster dies, and what they know then.

    ``acknowledged`` has the version of each object, None where its deletion was acknowledged. What happened to an
    object in ``unsure`` last was not answered.
    """

    def __init__(self, cluster: ClusterProcess, workers: int = 4) -> None:
        self.acknowledged: dict[str, int | None] = {}
        self.unsure: set[str] = set()
        self.count = 0
        self._caller = Caller(cluster)
        self._workers = [threading.Thread(target=self._work, args=(worker,)) for worker in range(workers)]
        for each in self._workers:
            each.start()

    def wait_for(self, writes: int) -> None:
        while self.count < writes:
            assert all(worker.is_alive() for worker in self._workers)

    def join(self) -> None:
        for worker in self._workers:
            worker.join()

    def _work(self, worker: int) -> None:
        for number in range(100_000):
            name = f"w{worker}-{number}"
            try:
                self._write(name, number)
            except OSError:
                self.unsure.add(name)
                return

    def _write(self, name: str, number: int) -> None:
        """Create an object; change every second and delete every third."""
        body = {"metadata": {"name": name}, "data": {"n": str(number)}}
        self._note(name, self._caller.call("POST", CONFIG_MAPS, body))
        if number % 2:
            self._note(name, self._caller.call("PUT", f"{CONFIG_MAPS}/{name}", {**body, "data": {"n": "changed"}}))
        if number % 3 == 0:
            self._caller.call("DELETE", f"{CONFIG_MAPS}/{name}")
            self._note(name, None)

    def _note(self, name: str, manifest: Any) -> None:
        self.acknowledged[name] = int(manifest["metadata"]["resourceVersion"]) if manifest else None
        self.count += 1


@pytest.mark.parametrize("attempt", range(50 if os.environ.get("AFFLUX_STRESS") == "full" else 3))
def test_kill_nine_loses_nothing_that_was_acknowledged(tmp_path: Path, attempt: int) -> None:
    with start_cluster(tmp_path / "one", data_dir=tmp_path / "data") as first:
        load = Load(first)
        load.wait_for(60 + 43 * attempt)
        first.stop(kill=True)
        load.join()
    with start_cluster(tmp_path / "two", data_dir=tmp_path / "data") as second:
        listing = Caller(second).call("GET", CONFIG_MAPS)
    stored = {item["metadata"]["name"]: int(item["metadata"]["resourceVersion"]) for item in listing["items"]}
    sure = load.acknowledged.keys() - load.unsure
    assert {name: stored.get(name) for name in sure} == {name: load.acknowledged[name] for name in sure}
    assert stored.keys() <= load.acknowledged.keys() | load.unsure | {"kube-root-ca.crt"}
    newest = max(version or 0 for version in load.acknowledged.values())
    assert int(listing["metadata"]["resourceVersion"]) >= newest


def test_sigterm_is_quick_with_open_watches(tmp_path: Path) -> None:
    with start_cluster(tmp_path / "one") as cluster:
        caller = Caller(cluster)
        request = urllib.request.Request(caller.server + f"{CONFIG_MAPS}?watch=1", headers=caller.headers)
        with urllib.request.urlopen(request, context=caller.context, timeout=10) as stream:
            stream.readline()
            assert cluster.stop() == 0


def test_the_end_of_standard_input_ends_the_process(tmp_path: Path) -> None:
    with start_cluster(tmp_path / "one") as cluster:
        assert cluster.process.stdin is not None
        cluster.process.stdin.close()
        assert cluster.process.wait(timeout=10) == 0


def test_the_kubeconfig_is_private(tmp_path: Path) -> None:
    with start_cluster(tmp_path / "one", data_dir=tmp_path / "data") as cluster:
        assert cluster.kubeconfig.stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "data" / "token").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "data" / "state.db").stat().st_mode & 0o777 == 0o600


async def test_a_data_directory_has_one_owner(tmp_path: Path) -> None:
    async with ControlPlane(tmp_path / "data"):
        with pytest.raises(StateError, match="in use by another process"):
            await ControlPlane(tmp_path / "data").start()


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    async with ControlPlane(tmp_path / "data"):
        pass
    with sqlite3.connect(tmp_path / "data" / "state.db") as connection:
        connection.execute("UPDATE meta SET value=? WHERE key='schema'", (str(SCHEMA + 1),))
    connection.close()
    with pytest.raises(StateError, match="newer version"):
        await ControlPlane(tmp_path / "data").start()


async def test_a_plane_can_be_started_twice_in_one_process(tmp_path: Path) -> None:
    planes = [ControlPlane(), ControlPlane()]
    await asyncio.gather(*(plane.start() for plane in planes))
    assert planes[0].address != planes[1].address
    await asyncio.gather(*(plane.stop() for plane in planes))


async def test_a_full_disk_is_said_and_gets_better(tmp_path: Path) -> None:
    async with ControlPlane(tmp_path / "data") as plane, client_of(plane) as api:
        journal = plane.journal
        assert journal is not None
        pages = journal.limit_pages(1)
        refused = await api.post(CONFIG_MAPS, {"metadata": {"name": "lost"}, "data": {"x": "y" * 500_000}})
        assert refused.status == 500
        assert "can't be written: database or disk is full" in refused.json["message"]
        journal.limit_pages(pages)
        accepted = await api.post(CONFIG_MAPS, {"metadata": {"name": "kept"}, "data": {"x": "y" * 500_000}})
        assert accepted.status == 201
    async with ControlPlane(tmp_path / "data") as plane, client_of(plane) as api:
        assert (await api.get(f"{CONFIG_MAPS}/kept")).status == 200
