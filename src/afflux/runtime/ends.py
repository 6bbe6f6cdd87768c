"""How a run ends: ``Done``, ``Waiting``, or an error that is ``Stalled``, ``NotReady`` or anything else."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

from afflux.kube.errors import KubeError, TooManyRequests, Unauthorized, is_away

Truth: TypeAlias = Literal["True", "False", "Unknown"]


class Cause(StrEnum):
    """Why an object is reconciled."""

    START = "start"
    GENERATION = "generation"
    REQUEST = "request"
    INTERVAL = "interval"
    RETRY = "retry"
    DEPENDENCY = "dependency"
    BELL = "bell"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Done:
    """What was wanted is so. ``reason`` defaults to the kind's; ``next_in`` (seconds) to its interval."""

    message: str
    reason: str | None = None
    revision: str | None = None
    next_in: float | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing to do until ``on`` changes; looked at again after ``check_in`` seconds at the latest.

    ``ready`` is ``False`` where something is missing (a dependency) and ``Unknown`` where work is under way (health);
    with ``Unknown`` the object is ``Reconciling``, with ``progress`` (or the message) as that condition's message.
    ``quiet``: seconds for which nothing is written of the wait, as it may be over by then.
    """

    on: str
    reason: str
    message: str
    check_in: float
    ready: Literal["False", "Unknown"] = "False"
    progress: str | None = None
    quiet: float = 0.0


@dataclass(frozen=True, slots=True)
class Postponed:
    """There is nothing to write yet, or something that can wait: the same run is made again after ``seconds``, for
    ``cause``."""

    seconds: float
    cause: Cause


class Stalled(Exception):
    """Only a change by a person can help; nothing is retried until then."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class NotReady(Exception):
    """A failure with a reason of its own, retried by the kind's policy or after ``retry_in`` seconds."""

    def __init__(self, reason: str, message: str, retry_in: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_in = retry_in


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that failed, as recorded: what a step makes of the error that left it. ``passing``: the API server had
    trouble of its own, so that it is tried again soon."""

    reason: str
    message: str
    stalled: bool = False
    retry_in: float | None = None
    passing: bool = False


_DEFECTS = (LookupError, TypeError, AttributeError, NameError, AssertionError, ArithmeticError, RecursionError)


def failure_of(error: Exception, reason: str) -> Failure:
    """The failure that an error means; ``reason`` is used where the error has none of its own."""
    match error:
        case Stalled():
            return Failure(error.reason, error.message, stalled=True)
        case NotReady():
            return Failure(error.reason, error.message, retry_in=error.retry_in, passing=_is_passing(error))
        case TimeoutError():
            return Failure(reason, str(error) or "timed out")
        case _ if type(error) in _DEFECTS or (type(error).__module__ == "builtins" and isinstance(error, _DEFECTS)):
            return Failure(reason, f"internal error: {type(error).__name__}: {error}")
        case _:
            return Failure(reason, str(error) or type(error).__name__, passing=_is_passing(error))


def _is_passing(error: BaseException | None) -> bool:
    """Whether an error, or the one that it was made of, is trouble of the API server that ends without our doing."""
    while error is not None and not isinstance(error, KubeError):
        error = error.__cause__
    return error is not None and (is_away(error) or isinstance(error, TooManyRequests | Unauthorized))
