"""What ends a process that may not write any more and doesn't end by itself: its event loop hangs, or it was paused."""

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from afflux.kube.fence import Fence

_PATIENCE = 5.0
"""Seconds that a process gets to end in order once its fence has closed."""

_LOOKS_EVERY = 0.5


@contextmanager
def last_resort(fence: Fence) -> Iterator[None]:
    """For the block: ends the process when the fence, once open, has been closed for too long, and looks at the fence
    before anything else when the process goes on after a pause. Enter on the main thread.
    """
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(fence, over), name="last-resort", daemon=True)
    before = signal.signal(signal.SIGCONT, lambda *_: _after_a_pause(fence))
    thread.start()
    try:
        yield
    finally:
        over.set()
        signal.signal(signal.SIGCONT, before)


def _after_a_pause(fence: Fence) -> None:
    """Runs before any other line of ours: what was in hand when the process stopped must not leave."""
    if fence.armed and not fence.open:
        _end(fence, "the process was paused for too long")


def _watch(fence: Fence, over: threading.Event) -> None:
    closed_since: float | None = None
    while not over.wait(_LOOKS_EVERY):
        if not fence.armed or fence.open:
            closed_since = None
        elif closed_since is None:
            closed_since = fence.clock()
        elif fence.clock() - closed_since > _PATIENCE:
            faulthandler.dump_traceback(sys.__stderr__ or 2, all_threads=True)
            _end(fence, "the process did not end by itself; above is what it was doing")


def _end(fence: Fence, why: str) -> None:
    """At once, and without the buffers of anybody who may hold them."""
    os.write(2, f"Error: no longer the leader: {fence.reason}; {why}\n".encode())
    os._exit(1)
