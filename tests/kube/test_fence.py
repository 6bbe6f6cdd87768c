"""What is written, and what is kept, by the clock."""

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import web

from afflux.kube.config import ClusterConfig, parse_config
from afflux.kube.credentials import Credential
from afflux.kube.errors import Unreachable
from afflux.kube.fence import Fence, LeaseLost, PermitOutdated, waking_and_sleeping
from afflux.kube.transport import Request, Transport

WRITES = [
    Request("POST", "/x", body=b"{}"),
    Request("PUT", "/x", body=b"{}"),
    Request("PATCH", "/x", body=b"{}", content_type="application/apply-patch+yaml"),
    Request("DELETE", "/x"),
]


class Clock:
    """A clock that a test sets. ``jumps`` are seconds that pass at each further look."""

    def __init__(self, *jumps: float) -> None:
        self.now, self.jumps = 100.0, list(jumps)

    def __call__(self) -> float:
        if self.jumps:
            self.now += self.jumps.pop(0)
        return self.now


def fenced(https_server: Any, clock: Clock) -> tuple[Transport, Fence]:
    fence = Fence(clock)
    return Transport(parse_config(https_server.kubeconfig(token="t")), fence), fence


@pytest.mark.parametrize("request_", WRITES, ids=lambda each: each.method)
async def test_nobody_but_the_leader_writes(https_server: Any, answer_with: Any, request_: Request) -> None:
    https_server.answers = [answer_with({"ok": True})]
    clock = Clock()
    transport, fence = fenced(https_server, clock)
    with pytest.raises(LeaseLost, match="this process is not the leader"):
        await transport.send(request_)
    assert await transport.send(Request("GET", "/x")) == b'{"ok": true}'
    fence.extend(sure_until=130.0, ends=135.0)
    assert await transport.send(request_) == b'{"ok": true}'
    clock.now = 130.0
    with pytest.raises(LeaseLost, match="could not be renewed in time"):
        await transport.send(request_)
    assert [each.method for each in https_server.requests] == ["GET", request_.method]
    await transport.close()


async def test_the_server_is_asked_to_be_done_before_the_lease_ends(https_server: Any, answer_with: Any) -> None:
    https_server.answers = [answer_with({})]
    transport, fence = fenced(https_server, Clock())
    fence.extend(sure_until=130.0, ends=135.0)
    await transport.send(Request("PATCH", "/x", {"fieldManager": "me"}, b"{}"))
    await transport.send(Request("GET", "/x"))
    assert [dict(each.query) for each in https_server.requests] == [{"fieldManager": "me", "timeout": "25.500s"}, {}]
    await transport.close()


async def test_what_was_ready_to_leave_when_the_process_stopped_does_not_leave(
    https_server: Any, answer_with: Any
) -> None:
    """The first look is when the request is made ready, the second when its bytes are handed over."""
    https_server.answers = [answer_with({})]
    transport, fence = fenced(https_server, Clock(0, 40))
    fence.extend(sure_until=130.0, ends=135.0)
    refused: list[bool] = []
    fence.on_refusal = lambda: refused.append(True)
    with pytest.raises(LeaseLost):
        await transport.send(Request("POST", "/x", body=b"{}"))
    assert (https_server.requests, refused) == ([], [True])
    assert fence.unanswered < 0
    await transport.close()


async def test_a_request_that_waited_long_is_made_ready_anew(https_server: Any, answer_with: Any) -> None:
    https_server.answers = [answer_with({})]
    transport, fence = fenced(https_server, Clock(0, 20))
    fence.extend(sure_until=130.0, ends=135.0)
    await transport.send(Request("POST", "/x", body=b"{}"))
    assert [each.query["timeout"] for each in https_server.requests] == ["9.500s"]
    await transport.close()


async def test_a_write_without_an_answer_is_remembered(https_server: Any, answer_with: Any) -> None:
    async def breaks(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    https_server.answers = [breaks]
    transport, fence = fenced(https_server, Clock())
    fence.extend(sure_until=130.0, ends=135.0)
    with pytest.raises(Unreachable):
        await transport.send(Request("POST", "/x", body=b"{}"))
    assert fence.unanswered == 100.0
    await transport.close()


async def test_a_write_that_was_given_up_is_remembered(https_server: Any) -> None:
    arrived = asyncio.Event()

    async def never(_: web.Request) -> web.StreamResponse:
        arrived.set()
        await asyncio.Event().wait()
        return web.Response()

    https_server.answers = [never]
    transport, fence = fenced(https_server, Clock())
    fence.extend(sure_until=130.0, ends=135.0)
    writing = asyncio.create_task(transport.send(Request("POST", "/x", body=b"{}")))
    await arrived.wait()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert fence.unanswered == 100.0
    await transport.close()


async def test_credentials_that_take_long_do_not_let_a_write_slip_out(https_server: Any, answer_with: Any) -> None:
    https_server.answers = [answer_with({})]
    clock = Clock()
    transport, fence = fenced(https_server, clock)
    fence.extend(sure_until=130.0, ends=135.0)

    class Slow:
        async def current(self) -> Credential:
            clock.now += 40
            return Credential()

        def refused(self, credential: Credential) -> None: ...

    object.__setattr__(transport.config, "credentials", Slow())
    with pytest.raises(LeaseLost):
        await transport.send(Request("POST", "/x", body=b"{}"))
    assert https_server.requests == []
    await transport.close()


def test_what_is_closed_for_good_stays_closed_and_keeps_its_first_reason() -> None:
    fence = Fence(Clock())
    fence.close("somebody else has it")
    fence.extend(sure_until=130.0, ends=135.0)
    fence.close("another reason")
    assert not fence.open
    with pytest.raises(LeaseLost, match="somebody else has it"):
        fence.permit()


def test_a_permit_never_outlasts_the_lease() -> None:
    clock = Clock()
    fence = Fence(clock)
    fence.extend(sure_until=130.0, ends=135.0)
    permit = fence.permit()
    clock.now += 8
    assert permit == 25.5
    with pytest.raises(PermitOutdated):
        fence.check(permit)
    fence.extend(sure_until=138.0, ends=143.0)
    fence.check(permit)


async def test_what_the_network_does_not_take_is_given_up_before_the_lease_ends() -> None:
    """A peer that takes nothing more: without a limit the kernel would hold what is left, and deliver it much later."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    fence = Fence(on_the_way=1.0)
    fence.extend(sure_until=fence.clock() + 30, ends=fence.clock() + 35)
    transport = Transport(ClusterConfig(server=f"http://127.0.0.1:{listener.getsockname()[1]}"), fence)
    began = fence.clock()
    with pytest.raises(Unreachable):
        await transport.send(Request("POST", "/x", body=b"x" * (16 << 20)))
    assert fence.clock() - began < 15
    assert fence.unanswered >= began
    await transport.close()
    listener.close()


def test_a_process_that_stops_in_order_is_not_ended_by_force() -> None:
    fence = Fence(Clock())
    assert not fence.armed
    fence.extend(sure_until=130.0, ends=135.0)
    assert fence.armed
    fence.disarm("stopping")
    assert not fence.armed
    assert not fence.open


def test_the_clock_goes_on() -> None:
    before = waking_and_sleeping()
    assert waking_and_sleeping() >= before
