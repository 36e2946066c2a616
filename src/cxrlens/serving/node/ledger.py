"""The queue's database: a row for every image that was accepted, by a keyed hash of its UID; no patient data.

SQLite in WAL mode with ``synchronous=FULL``: a transaction that has ended is on the disk (https://sqlite.org/pragma.html).
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from cxrlens.serving.node.errors import NodeError

DATABASE = "queue.sqlite3"
FORMAT = 1
STATES: tuple[str, ...] = ("received", "judged", "delivered", "failed")
"""``received``: on disk, waits to be judged. ``judged``: its results are on disk and wait for the archive.
``delivered``: the archive has its report. ``failed``: it never will, and the row says why."""

_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE images (
    number INTEGER PRIMARY KEY,          -- the order in which they came
    key BLOB NOT NULL UNIQUE,            -- keyed hash of the SOP Instance UID
    digest BLOB NOT NULL,                -- SHA-256 of the bytes
    state TEXT NOT NULL CHECK (state IN ('received', 'judged', 'delivered', 'failed')),
    file TEXT,                           -- its name in incoming/, later the beginning of those in results/
    bytes INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, -- how often judging it began
    model BLOB,                          -- identity of the model that judged it
    taken INTEGER NOT NULL DEFAULT 0,    -- results that the archive has
    lost INTEGER NOT NULL DEFAULT 0,     -- whether it refused the report
    note TEXT NOT NULL DEFAULT '',
    since REAL NOT NULL,                 -- when it came into this state, seconds since 1970
    due REAL NOT NULL DEFAULT 0          -- not to be delivered before
);
CREATE INDEX by_state ON images (state, number);
CREATE TABLE results (image INTEGER NOT NULL, part INTEGER NOT NULL, PRIMARY KEY (image, part)) WITHOUT ROWID;
"""


class Ledger:
    """A connection that threads share, one transaction at a time.

    Args:
        folder: the queue's; the database is made where there is none.

    Raises:
        NodeError: a database that is torn or of another version.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / DATABASE
        self._lock = RLock()
        try:
            self._connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
            self._path.chmod(0o600)
            self._prepare()
        except sqlite3.Error as error:
            raise NodeError(
                self._path, f"cannot be used ({error})", "move it away, or choose another --queue"
            ) from error

    def _prepare(self) -> None:
        execute = self._connection.execute
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA synchronous=FULL")
        if not execute("SELECT 1 FROM sqlite_master WHERE name = 'about'").fetchone():
            with self.transaction() as do:
                for statement in _SCHEMA.split(";"):
                    do.execute(statement)
                do.execute("INSERT INTO about VALUES ('format', ?), ('salt', ?)", (FORMAT, secrets.token_bytes(32)))
        version = self.about("format")
        if version != FORMAT:
            fault = f"is a queue of format {version}, this cxrlens reads {FORMAT}"
            raise NodeError(self._path, fault, "empty it with the cxrlens that wrote it, or choose another --queue")

    def about(self, name: str) -> Any:
        """What the database says of itself."""
        row = self.read("SELECT value FROM about WHERE name = ?", name)
        return row[0][0] if row else None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing; on the disk when it ends."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of one query."""
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def close(self) -> None:
        """Fold the log into the database and let go of it."""
        with self._lock:
            self._connection.close()


def count_states(folder: Path) -> dict[str, int]:
    """Images by state, also while a node works on them; the states of :data:`STATES`, in order.

    Raises:
        NodeError: the folder holds no queue.
    """
    path = folder / DATABASE
    if not path.is_file():
        raise NodeError(folder, f"is no queue (no {DATABASE})", "give the --queue of a node")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            found = dict(connection.execute("SELECT state, COUNT(*) FROM images GROUP BY state"))
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise NodeError(path, f"cannot be read ({error})", "check its permissions") from error
    return {state: int(found.get(state, 0)) for state in STATES}
