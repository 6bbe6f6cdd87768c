"""The loop inside a worker process."""

import pickle
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NamedTuple

from afflux.objects.manifest import Json
from afflux.offload.limits import Limits, confine, start_cpu_clock


class Task(NamedTuple):
    """What the parent sends: a module-level function and its arguments."""

    function: Callable[..., Json]
    arguments: tuple[Json, ...]


class Answer(NamedTuple):
    """What the worker sends back: a value, or the error that the function raised."""

    value: Json
    error: BaseException | None


def serve(connection: Connection, limits: Limits) -> None:
    """Answers tasks until the parent closes the pipe, as it does when it dies."""
    confine(limits)
    while True:
        try:
            task: Task = connection.recv()
        except (EOFError, OSError):
            return
        start_cpu_clock(limits)
        connection.send_bytes(_encoded(_answer(task)))


def _answer(task: Task) -> Answer:
    try:
        return Answer(task.function(*task.arguments), None)
    except MemoryError:
        return Answer(None, MemoryError("the task needs more memory than a worker may use"))
    except Exception as error:
        return Answer(None, error)


def _encoded(answer: Answer) -> bytes:
    """The answer as bytes; an error that can't be pickled (or read back) becomes a plain one with the same text."""
    try:
        encoded = pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL)
        if answer.error is not None:
            pickle.loads(encoded)
        return encoded
    except Exception:
        cause = answer.error if answer.error is not None else TypeError("the task's result can't leave its process")
        return pickle.dumps(Answer(None, RuntimeError(f"{type(cause).__name__}: {cause}")))
