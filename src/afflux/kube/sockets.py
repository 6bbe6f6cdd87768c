"""Sockets that notice within a minute that nobody is at the other end any more.

A watch only listens. Where its server vanishes without a word (a machine without power, a cut network), nothing would
end it but its own time, which is minutes away.
"""

import socket

from aiohttp import AddrInfoType

_OPTIONS = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 60_000}
"""Where the system has them: seconds of silence until the first probe and between probes, probes without an answer
until the end, milliseconds for data without one."""


def watchful_socket(address: AddrInfoType) -> socket.socket:
    """A socket for one of a server's addresses."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS.items():
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
