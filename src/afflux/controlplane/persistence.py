"""State that survives: objects in SQLite, written by one thread, many changes a transaction.

A change is acknowledged when its transaction is committed. The write-ahead log makes a killed process lose nothing that
was acknowledged. Numbers are reserved ahead in blocks, so that the counter never goes back even though a number may
have been seen by a reader before its transaction was committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson
import structlog

from afflux.controlplane.served_kind import StorageKey
from afflux.controlplane.stored import StoredObject
from afflux.objects.manifest import Json

SCHEMA = 1
"""The layout of the database; a newer one is refused."""

RESERVED = 10_000
"""How many numbers are reserved ahead in one step."""

MOST_PAGES = 1024 * 1024
"""The largest database, in pages of 4 KiB."""

_RETRY_SECONDS = 1.0
_COLLECT_SECONDS = 0.05
_ROWS_A_STATEMENT = 200

_log = structlog.get_logger(__name__)

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    api_group TEXT NOT NULL, plural TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    version INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (api_group, plural, namespace, name)
);
"""


class StateError(Exception):
    """The state directory can't be used; the message says why and what to do."""


class Loaded(NamedTuple):
    """What was there: the objects, and the number that the counter goes on from."""

    objects: list[StoredObject]
    version: int


class _Change(NamedTuple):
    storage: StorageKey
    namespace: str
    name: str
    version: int
    body: bytes | None


class SqliteJournal:
    """The journal of one plane. Opened in the loop; ``committed()`` is awaited before an answer goes out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = _open(path)
        self._pending: list[_Change] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._standing_back: list[asyncio.Future[None]] = []
        self._clients = 0
        self._condition = threading.Condition()
        self._reserved = 0
        self._closing = False
        self._failure = ""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    @property
    def failure(self) -> str:
        """Why nothing can be written at the moment; empty when all is well."""
        return self._failure

    def load(self) -> Loaded:
        """Read everything; before ``start``."""
        rows = self._connection.execute("SELECT api_group, plural, version, body FROM objects")
        objects = [_stored(*row) for row in rows]
        counter = self._meta("reserved")
        version = max([int(counter or 0), *(stored.version for stored in objects)])
        self._reserved = version
        return Loaded(objects, version)

    def start(self) -> None:
        """Reserve the first numbers and let the writer run."""
        with self._connection:
            self._reserve(self._reserved)
        self._thread.start()

    def put(self, stored: StoredObject) -> None:
        change = _Change(stored.storage, stored.namespace, stored.name, stored.version, stored.encoded)
        self._add(change)

    def remove(self, stored: StoredObject, version: int) -> None:
        self._add(_Change(stored.storage, stored.namespace, stored.name, version, None))

    async def committed(self) -> None:
        """Wait until all that was written so far is on disk. Raises StateError when it can't be."""
        future: asyncio.Future[None] = self._loop.create_future()
        with self._condition:
            self._waiting.append(future)
            self._condition.notify()
        self._clients += 1
        try:
            await future
        finally:
            self._clients -= 1

    async def stand_back(self) -> None:
        """For work that nobody waits for: where somebody waits for a commit, leave the interpreter to it until then."""
        if self._clients:
            future: asyncio.Future[None] = self._loop.create_future()
            with self._condition:
                self._standing_back.append(future)
            await future

    def limit_pages(self, pages: int) -> int:
        """Bound the database to so many pages of 4 KiB (it keeps what it has); the bound before comes back."""
        before: int = self._connection.execute("PRAGMA max_page_count").fetchone()[0]
        self._connection.execute(f"PRAGMA max_page_count={int(pages)}")
        return before

    def close(self, version: int) -> None:
        """Write what is left and the exact counter, then close. Blocks for as long as one transaction takes."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join(timeout=10)
        with contextlib.suppress(sqlite3.Error):
            with self._connection:
                self._set_meta("reserved", str(version))
            self._connection.close()

    def _add(self, change: _Change) -> None:
        with self._condition:
            if not self._pending:
                self._condition.notify()
            self._pending.append(change)

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._pending or self._waiting or self._closing)
                if not self._waiting and not self._closing:
                    # Nobody waits for what the plane's own controllers write: more of it goes into one transaction.
                    self._condition.wait(timeout=_COLLECT_SECONDS)
                changes, self._pending = self._pending, []
                waiting, self._waiting = self._waiting, []
                closing = self._closing
            if changes or waiting:
                self._commit(changes, waiting)
            elif closing:
                return

    def _commit(self, changes: list[_Change], waiting: list[asyncio.Future[None]]) -> None:
        while True:
            try:
                self._write(changes)
            except sqlite3.Error as error:
                self._failed(error, waiting)
                waiting = []
                if self._closing:
                    return
                time.sleep(_RETRY_SECONDS)
            else:
                self._failure = ""
                self._settle(waiting, None)
                return

    def _write(self, changes: list[_Change]) -> None:
        latest = {(*change.storage, change.namespace, change.name): change for change in changes}
        gone = [place for place, change in latest.items() if change.body is None]
        kept = [(*place, change.version, change.body) for place, change in latest.items() if change.body is not None]
        with self._connection:
            for chunk in _chunks(gone):
                rows = ",".join(["(?,?,?,?)"] * len(chunk))
                where = f"(api_group, plural, namespace, name) IN (VALUES {rows})"
                self._connection.execute(f"DELETE FROM objects WHERE {where}", _flat(chunk))
            for chunk in _chunks(kept):
                rows = ",".join(["(?,?,?,?,?,?)"] * len(chunk))
                self._connection.execute(f"INSERT OR REPLACE INTO objects VALUES {rows}", _flat(chunk))
            newest = changes[-1].version if changes else 0
            if newest + RESERVED // 2 > self._reserved:
                self._reserve(newest)

    def _reserve(self, version: int) -> None:
        self._reserved = version + RESERVED
        self._set_meta("reserved", str(self._reserved))

    def _failed(self, error: sqlite3.Error, waiting: list[asyncio.Future[None]]) -> None:
        self._failure = f"the state in {self._path} can't be written: {error}"
        _log.error("state can't be written", path=str(self._path), error=str(error))
        with self._condition:
            waiting += self._waiting
            self._waiting = []
        self._settle(waiting, StateError(self._failure))

    def _settle(self, waiting: list[asyncio.Future[None]], error: StateError | None) -> None:
        with self._condition:
            standing_back, self._standing_back = self._standing_back, []

        def settle() -> None:
            for future in waiting:
                if future.done():
                    continue
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)
            for future in standing_back:
                if not future.done():
                    future.set_result(None)

        if waiting or standing_back:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(settle)

    def _meta(self, key: str) -> str:
        row = self._connection.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return str(row[0]) if row else ""

    def _set_meta(self, key: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def _chunks(rows: Sequence[tuple[Json, ...]]) -> Iterator[Sequence[tuple[Json, ...]]]:
    """Rows for one statement each. Few statements: after each one this thread must win the interpreter back."""
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        yield rows[start : start + _ROWS_A_STATEMENT]


def _flat(rows: Sequence[tuple[Json, ...]]) -> list[Json]:
    return [value for row in rows for value in row]


def _open(path: Path) -> sqlite3.Connection:
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    try:
        connection = sqlite3.connect(path, check_same_thread=False, isolation_level="DEFERRED")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA max_page_count={MOST_PAGES}")
        connection.executescript(_TABLES)
        with connection:
            _check_schema(connection, path)
    except sqlite3.Error as error:
        raise StateError(f"{path} can't be opened: {error}") from error
    return connection


def _check_schema(connection: sqlite3.Connection, path: Path) -> None:
    row = connection.execute("SELECT value FROM meta WHERE key='schema'").fetchone()
    if row is None:
        connection.execute("INSERT INTO meta VALUES ('schema', ?)", (str(SCHEMA),))
    elif int(row[0]) > SCHEMA:
        raise StateError(f"{path} was written by a newer version (schema {row[0]}, known here: {SCHEMA}); upgrade")


def _stored(group: str, plural: str, version: int, body: bytes) -> StoredObject:
    return StoredObject(StorageKey(group, plural), version, orjson.loads(body), body)


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a data directory for one process; StateError when another one has it."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(directory / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateError(
                f"{directory} is in use by another process; stop it, or give another --data-dir"
            ) from error
        yield
    finally:
        os.close(descriptor)
