"""What a worker process may not do, and how much of the machine a task may take."""

import resource
import signal
import sys
from dataclasses import dataclass

from afflux.objects.manifest import Json
from afflux.offload.system_calls import refuse_system_calls

_FORBIDDEN_EVENTS = frozenset(
    {
        "socket.connect",
        "socket.bind",
        "socket.sendto",
        "socket.sendmsg",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.gethostbyaddr",
        "socket.getnameinfo",
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.fork",
        "os.forkpty",
        "ctypes.dlopen",
    }
)


@dataclass(frozen=True)
class Limits:
    """Bounds of one task: wall and CPU time in seconds, address space of the worker in bytes."""

    wall_seconds: float = 120.0
    cpu_seconds: int = 100
    memory_bytes: int = 4 << 30


def confine(limits: Limits) -> None:
    """Takes network and process creation from this process for good, and bounds its memory.

    Interrupts from the terminal are the parent's business: it ends its workers itself.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_AS, limits.memory_bytes)
    refuse_system_calls()
    sys.addaudithook(_refuse)


def start_cpu_clock(limits: Limits) -> None:
    """Gives the task that starts now its share of CPU time; the kernel ends the process that exceeds it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime) + 1
    _lower(resource.RLIMIT_CPU, spent + limits.cpu_seconds)


def _lower(what: int, soft: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _refuse(event: str, arguments: tuple[Json, ...]) -> None:
    if event in _FORBIDDEN_EVENTS:
        raise PermissionError(f"a worker may not do this: {event}")
