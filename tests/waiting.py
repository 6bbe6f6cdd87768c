"""Waiting for a condition: the one place where tests let time pass."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(probe: Callable[[], Awaitable[T]], timeout: float = 20.0, interval: float = 0.05) -> T:
    """The first truthy answer of ``probe``; fails with its last answer or error when the deadline passes.

    An ``AssertionError`` raised by the probe counts as "not yet"; every other error is final.
    """
    deadline = time.monotonic() + timeout
    while True:
        last: object
        try:
            last = await probe()
            if last:
                return last  # type: ignore[return-value]
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"condition not met within {timeout:g} s; last answer: {last!r}")
        await asyncio.sleep(interval)


def let_pass(seconds: float) -> None:
    """Lets a chosen time pass: for what must happen at a random moment, never for what should have happened by then."""
    threading.Event().wait(seconds)
