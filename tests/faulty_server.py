"""An API server that tests kill, restart and restore: the embedded one and a real one, by the same names."""

import asyncio
import shutil
from typing import Protocol

from process_fleet import Fleet
from real_cluster import RealCluster


class FaultyServer(Protocol):
    """What can be done to an API server, its storage included."""

    async def start(self, fleet: Fleet) -> None:
        """Starts it, and sees to the fleet's kubeconfig."""
        ...

    async def kill(self, fleet: Fleet) -> None:
        """kill -9 of the server."""
        ...

    async def restart(self, fleet: Fleet) -> None:
        """Starts it again after ``kill``."""
        ...

    async def snapshot(self, fleet: Fleet) -> None:
        """Keeps what it stores now; it may be away for a moment."""
        ...

    async def restore(self, fleet: Fleet) -> None:
        """Stops it, gives it what the snapshot holds, and starts it again."""
        ...


class EmbeddedServer:
    """`afflux cluster` with a data directory."""

    async def start(self, fleet: Fleet) -> None:
        await fleet.start_cluster()

    async def kill(self, fleet: Fleet) -> None:
        await fleet.kill_one("cluster")

    async def restart(self, fleet: Fleet) -> None:
        await fleet.start_cluster()

    async def snapshot(self, fleet: Fleet) -> None:
        await fleet.kill_one("cluster")
        shutil.copytree(fleet.work / "cluster", fleet.work / "cluster-snapshot")
        await fleet.start_cluster()

    async def restore(self, fleet: Fleet) -> None:
        await fleet.kill_one("cluster")
        shutil.rmtree(fleet.work / "cluster")
        shutil.copytree(fleet.work / "cluster-snapshot", fleet.work / "cluster")
        await fleet.start_cluster()


class RealServer:
    """kube-apiserver and etcd."""

    def __init__(self, cluster: RealCluster) -> None:
        self.cluster = cluster

    async def start(self, fleet: Fleet) -> None:
        fleet.kubeconfig = self.cluster.kubeconfig

    async def kill(self, fleet: Fleet) -> None:
        await asyncio.to_thread(self.cluster.stop, "kube-apiserver", kill=True)

    async def restart(self, fleet: Fleet) -> None:
        await asyncio.to_thread(self.cluster.start_api_server)

    async def snapshot(self, fleet: Fleet) -> None:
        await asyncio.to_thread(self.cluster.snapshot)

    async def restore(self, fleet: Fleet) -> None:
        await asyncio.to_thread(self.cluster.restore)
