"""Workers and the parent's side of them."""

import asyncio
import multiprocessing
import os
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from types import TracebackType
from typing import ParamSpec, TypeVar, cast

from afflux.offload.limits import Limits
from afflux.offload.worker import Answer, Task, serve

P = ParamSpec("P")
R = TypeVar("R")


class TaskFailed(Exception):
    """A task that gave no answer. Errors that the function itself raised pass through unchanged."""


class TaskTimedOut(TaskFailed):
    """The task was still running when its wall time ended; its worker was killed."""


class TaskCrashed(TaskFailed):
    """The worker died under the task: out of CPU time or memory, or killed."""


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, limits: Limits, preload: Sequence[str]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(preload))
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, limits), daemon=True, name="afflux-worker")
        self._process.start()
        theirs.close()

    def ask(self, task: Task) -> Answer:
        """Sends a task and waits for its answer; blocks. ``EOFError`` or ``OSError`` when the process dies."""
        connection: Connection = self._connection
        connection.send(task)
        return cast(Answer, pickle.loads(connection.recv_bytes()))

    def kill(self) -> None:
        """Ends the process at once; a thread that waits in ``ask`` gets ``EOFError``."""
        self._process.kill()

    def dispose(self) -> str:
        """Ends the process, collects it, and says how it ended."""
        self._process.kill()
        self._process.join()
        self._connection.close()
        return f"exit code {self._process.exitcode}"


class WorkerPool:
    """A fixed number of workers, started when first needed; a bad task costs only its own worker.

    While a pool is open (``async with``), ``offload.run`` uses it. ``preload`` names modules that workers import once.
    """

    def __init__(
        self, size: int | None = None, limits: Limits | None = None, preload: Sequence[str] = ("afflux.offload.worker",)
    ) -> None:
        self._size = size or max(1, os.cpu_count() or 1)
        self._limits = limits or Limits()
        self._preload = tuple(preload)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._slots = asyncio.Semaphore(self._size)
        self._threads = ThreadPoolExecutor(self._size, thread_name_prefix="afflux-offload")

    async def __aenter__(self) -> "WorkerPool":
        global _current
        _current = self
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _current
        if _current is self:
            _current = None
        self.close()

    def close(self) -> None:
        """Ends all workers; tasks under way fail with ``TaskCrashed``."""
        for worker in self._all:
            worker.kill()
        for worker in self._idle:
            worker.dispose()
        self._idle.clear()
        self._all.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs ``function(*args)`` in a worker; its errors are raised here as they were there."""
        return await self.run_within(self._limits.wall_seconds, function, *args, **kwargs)

    async def run_within(self, seconds: float, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The same with a time of its own, from when a worker has taken it; never longer than the pool's limit."""
        async with self._slots:
            loop = asyncio.get_running_loop()
            worker = self._idle.pop() if self._idle else await loop.run_in_executor(self._threads, self._start)
            self._all.add(worker)
            answer = await self._ask(worker, Task(function, args), min(seconds, self._limits.wall_seconds))
        if answer.error is not None:
            raise answer.error
        return cast(R, answer.value)

    def _start(self) -> _Worker:
        return _Worker(self._limits, self._preload)

    async def _ask(self, worker: _Worker, task: Task, seconds: float) -> Answer:
        loop = asyncio.get_running_loop()
        asking = loop.run_in_executor(self._threads, worker.ask, task)
        try:
            async with asyncio.timeout(seconds):
                answer = await asyncio.shield(asking)
        except TimeoutError:
            await self._replace(worker, asking)
            raise TaskTimedOut(f"gave up after {seconds:g} s: {task.function.__name__}") from None
        except (EOFError, OSError):
            how = await self._replace(worker, asking)
            raise TaskCrashed(f"the worker died ({how}): {task.function.__name__}") from None
        except BaseException:
            await self._replace(worker, asking)
            raise
        self._idle.append(worker)
        return answer

    async def _replace(self, worker: _Worker, asking: "asyncio.Future[Answer]") -> str:
        """Removes a worker whose task went wrong; the next task starts a fresh one."""
        worker.kill()
        self._all.discard(worker)
        await asyncio.gather(asking, return_exceptions=True)
        return worker.dispose()


_current: WorkerPool | None = None


async def run(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs a module-level function in the open pool, or inline where none is open.

    Errors of the function pass through; ``TaskFailed`` (``TaskTimedOut``, ``TaskCrashed``) where it gave no answer.
    """
    if _current is None:
        return function(*args, **kwargs)
    return await _current.run(function, *args, **kwargs)


async def run_within(seconds: float, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """`run` for work that has no right to the pool's whole time limit: ``TaskTimedOut`` after ``seconds``."""
    if _current is None:
        return function(*args, **kwargs)
    return await _current.run_within(seconds, function, *args, **kwargs)
