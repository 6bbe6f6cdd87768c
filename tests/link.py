"""A TCP link to a server that a test can cut, as a network is: what is under way is lost, and nobody is told."""

import asyncio
from types import TracebackType


class Link:
    """Forwards connections to ``port`` on loopback. Cut, it takes connections and bytes but passes nothing on; mended,
    it drops what was under way, as the peers of a real partition find out.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._up = asyncio.Event()
        self._up.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._stale: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Link":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """From now on nothing passes."""
        self._up.clear()
        self._stale |= self._open

    def mend(self) -> None:
        """New connections pass again; those from before are dead."""
        for writer in self._stale:
            writer.transport.abort()
        self._stale.clear()
        self._up.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        if not self._up.is_set():
            self._stale.add(writer)
            return
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        self._open.add(upstream_writer)
        await asyncio.gather(self._pipe(reader, upstream_writer), self._pipe(upstream_reader, writer))

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if writer in self._stale or not self._up.is_set():
                    return
                writer.write(data)
                await writer.drain()
            writer.close()
        except OSError:
            writer.transport.abort()
