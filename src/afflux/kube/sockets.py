"""Sockets that notice within a minute that nobody is at the other end any more.

A watch only listens. Where its server vanishes without a word (a machine without power, a cut network), nothing would
end it but its own time, which is minutes away.
"""

import socket

from aiohttp import AddrInfoType

_OPTIONS = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""Where the system has them: seconds of silence until the first probe and between probes, probes without an answer
until the end."""


LONGEST_SILENCE = 60.0
"""Seconds for which data may be without an acknowledgement where nobody asks for less."""


def watchful_socket(address: AddrInfoType, patience: float = LONGEST_SILENCE) -> socket.socket:
    """A socket for one of a server's addresses.

    What the peer doesn't acknowledge within ``patience`` seconds is given up by the kernel, also when our process is
    gone: it would deliver it when a network comes back, minutes later.
    """
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = _OPTIONS | {"TCP_USER_TIMEOUT": max(1, int(patience * 1000))}
    for name, value in options.items():
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
