"""What every kind of source offers to the road that all sources share."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from afflux.artifacts.archive import Entry


class Revision(NamedTuple):
    """A revision as Flux writes it (``main@sha1:<hex>``), and the name of the file that holds its artifact."""

    text: str
    file_name: str


class Fetched(NamedTuple):
    """A revision's files. ``about`` says what it is in people's words (``commit 'Fix the port'``)."""

    revision: Revision
    entries: Sequence[Entry]
    about: str


class Fetcher(Protocol):
    """One source. Errors are the engine's own; they hold no secret and nothing a server said."""

    async def resolve(self) -> Revision:
        """What the source's reference means now. Cheap: nothing is fetched."""
        ...

    def fetch(self, revision: Revision) -> AbstractAsyncContextManager[Fetched]:
        """The files of ``revision``, or of a newer one where the reference has moved meanwhile.

        Entries are read inside the block, on one thread at a time; content is read only when it is asked for.
        """
        ...
