"""Checkpoints of SQLite databases, for services that keep data there, before the file is copied."""

from __future__ import annotations

import os
import time
from contextlib import closing
from typing import TYPE_CHECKING

from ._native import wait_seconds
from .errors import InvalidState, Stalled, WrongType, refused
from .options import Seconds

if TYPE_CHECKING:
    import sqlite3

#: The seconds of one wait in SQLite; signals are checked between two waits.
_STRETCH = 0.1


def sqlite_checkpoint(db: sqlite3.Connection, timeout: Seconds = 5.0) -> int:
    """Moves the write-ahead log into the database file and empties it, for all attached databases.

    The .db file is then complete without its log. Returns the number of frames (pages) that the log held; 0 without WAL
    mode.

    `timeout`: seconds to wait for other connections. After that, `Stalled` says how many frames remain in the log, and
    a later call continues. Choose a shorter time than the deadline of the command.

    `InvalidState` inside a transaction of this connection, or while it has an unfinished query: commit first.
    """
    seconds = wait_seconds(timeout)
    if not hasattr(db, "in_transaction"):
        raise refused(WrongType, "db", db, "the connection that sqlite3.connect returned")
    if db.in_transaction:
        raise InvalidState("checkpoint of an SQLite database: its connection is in a transaction; commit it or roll it back first")
    with closing(db.cursor()) as ask:
        ask.row_factory = None
        (patience,) = ask.execute("pragma busy_timeout").fetchone()
        until = float("inf") if seconds is None else time.monotonic() + seconds
        # The program's text factory is not for file names, which need not be UTF-8.
        program_texts, db.text_factory = db.text_factory, os.fsdecode
        try:
            schemas = [(name, file) for _, name, file in ask.execute("pragma database_list").fetchall() if name != "temp"]
            return sum(_checkpoint(ask, name, file or name, until) for name, file in schemas)
        finally:
            db.text_factory = program_texts
            ask.execute(f"pragma busy_timeout = {patience}")


def _checkpoint(ask: sqlite3.Cursor, schema: str, file: str, until: float) -> int:
    """Until this time of the monotonic clock."""
    schema = '"' + schema.replace('"', '""') + '"'
    if ask.execute(f"pragma {schema}.journal_mode").fetchone() != ("wal",):
        return 0
    # This mode moves most frames without blocking other connections, and only it returns their number.
    frames = max(_pragma(ask, schema, "passive", file)[1], 0)
    while True:
        left = min(max(until - time.monotonic(), 0.0), _STRETCH)
        ask.execute(f"pragma busy_timeout = {round(left * 1000)}")
        busy, logged, moved = _pragma(ask, schema, "truncate", file)
        if not busy:
            return frames
        frames = max(frames, logged)
        if time.monotonic() >= until:
            raise Stalled(_held(file, logged, moved))


def _pragma(ask: sqlite3.Cursor, schema: str, how: str, file: str) -> tuple[int, int, int]:
    """Returns whether another connection blocked it, frames in the log, and frames moved into the file."""
    # Imported here: some builds of Python lack it, and programs with a connection have it.
    import sqlite3

    try:
        busy, logged, moved = ask.execute(f"pragma {schema}.wal_checkpoint({how})").fetchone()
        return busy, logged, moved
    except sqlite3.OperationalError as error:
        # SQLITE_LOCKED is a lock of this connection; SQLite waits for locks of others.
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_LOCKED:
            raise
        text = f"checkpoint of {file}: this connection has a query that was not read to its end; fetch its rows or close it"
        raise InvalidState(text) from error


def _held(file: str, logged: int, moved: int) -> str:
    if logged < 0:
        state = "another connection is checkpointing it"
    elif moved < logged:
        state = f"{logged - moved} of {logged} frames are left in its log, because another connection reads or writes there"
    else:
        state = f"all {logged} frames are in the file, but the log cannot be emptied while another connection reads or writes there"
    return f"checkpoint of {file}: {state}; end its transaction, or give more time"
