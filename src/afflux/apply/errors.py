"""Why a cluster could not be made to match manifests.

ApplyError
├── DryRunFailed        nothing of the stage was applied
├── ApplyFailed         the server took the dry run and refused the real thing
├── StageNotReady       definitions that didn't become ready in time
└── PruneFailed         some stale objects are still there
"""

from afflux.apply.changes import ChangeSet
from afflux.apply.inventory import Inventory


class ApplyError(Exception):
    """A failed apply; ``done`` is what was changed before it."""

    def __init__(self, message: str, done: ChangeSet | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.done = done or ChangeSet()

    def after(self, done: ChangeSet) -> "ApplyError":
        """The same error, knowing what earlier stages did; Flux appends the changed lines to the message."""
        everything = done + self.done
        error = type(self)(self.message, everything)
        lines = everything.changed_lines()
        error.args = (f"{self.message}\n{lines}" if lines else self.message,)
        return error

    def __str__(self) -> str:
        return str(self.args[0])


class DryRunFailed(ApplyError):
    """The server, asked what an object would become, refused it."""


class ApplyFailed(ApplyError):
    """A write that failed after its dry run had passed."""


class StageNotReady(ApplyError):
    """Objects that the next stage stands on didn't become ready."""


class PruneFailed(Exception):
    """Deletions that failed; ``survivors`` must stay in the inventory so that they are tried again."""

    def __init__(self, message: str, survivors: Inventory, done: ChangeSet) -> None:
        super().__init__(message)
        self.survivors = survivors
        self.done = done
