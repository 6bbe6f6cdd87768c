"""What the system knows of our connections."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from afflux.kube.config import parse_config
from afflux.kube.transport import Request, Transport

_KEEPALIVE_TIMER = "02"
_TABLE = Path("/proc/net/tcp")


@pytest.mark.skipif(not _TABLE.exists(), reason="this system doesn't tell the timers of its connections")
async def test_a_connection_that_is_silent_is_probed(https_server: Any) -> None:
    ports: list[int] = []

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        ports.append(request.transport.get_extra_info("peername")[1])
        return web.json_response({})

    https_server.answers = [answer]
    transport = Transport(parse_config(https_server.kubeconfig()))
    await transport.send(Request("GET", "/version"))
    rows = [line.split() for line in _TABLE.read_text().splitlines()[1:]]
    timers = [row[5].partition(":")[0] for row in rows if row[1].endswith(f":{ports[0]:04X}")]
    assert timers == [_KEEPALIVE_TIMER]
    await transport.close()
