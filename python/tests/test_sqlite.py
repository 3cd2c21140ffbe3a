"""SQLite checkpoints: the log is emptied, or the timely error names the obstacle."""

import os
import shutil
import signal
import sqlite3
import threading
import time

import linkspan
import pytest


def log_of(file):
    return os.path.getsize(f"{file}-wal") if os.path.exists(f"{file}-wal") else 0


@pytest.fixture
def file(tmp_path):
    return tmp_path / "power.db"


@pytest.fixture
def db(file):
    db = sqlite3.connect(file)
    db.execute("pragma journal_mode = wal")
    db.execute("create table power (watts real)")
    db.executemany("insert into power values (?)", [(i,) for i in range(5000)])
    db.commit()
    yield db
    db.close()


def test_file_alone_is_complete_after_a_checkpoint(db, file, tmp_path):
    assert log_of(file) > 0
    assert linkspan.sqlite_checkpoint(db) > 0
    assert log_of(file) == 0
    copy = shutil.copy(file, tmp_path / "copy.db")
    with sqlite3.connect(copy) as other:
        assert other.execute("select count(*) from power").fetchone() == (5000,)
        assert other.execute("pragma integrity_check").fetchone() == ("ok",)
    assert linkspan.sqlite_checkpoint(db) == 0


def test_open_transaction_belongs_to_the_program(db, file):
    db.execute("insert into power values (1)")
    with pytest.raises(linkspan.InvalidState, match="commit"):
        linkspan.sqlite_checkpoint(db)
    db.rollback()
    query = db.execute("select * from power")
    query.fetchone()
    with pytest.raises(linkspan.InvalidState, match="not read to its end"):
        linkspan.sqlite_checkpoint(db)
    query.close()
    linkspan.sqlite_checkpoint(db)
    assert log_of(file) == 0


@pytest.mark.parametrize("patience", [0, 0.25])
def test_checkpoint_reports_a_blocking_reader(db, file, patience):
    db.execute("pragma busy_timeout = 1234")
    reader = sqlite3.connect(file)
    reader.execute("begin")
    assert reader.execute("select count(*) from power").fetchone() == (5000,)
    # Only frames from before its start can move.
    with pytest.raises(linkspan.Stalled, match=r"all \d+ frames are in the file"):
        linkspan.sqlite_checkpoint(db, timeout=patience)
    db.execute("insert into power values (1)")
    db.commit()
    with pytest.raises(linkspan.Stalled, match=r"1 of \d+ frames are left.*power.db|power.db.* 1 of \d+ frames are left"):
        linkspan.sqlite_checkpoint(db, timeout=patience)
    assert db.execute("pragma busy_timeout").fetchone() == (1234,)
    db.execute("insert into power values (2)")
    db.commit()
    assert reader.execute("select count(*) from power").fetchone() == (5000,)
    reader.close()
    assert linkspan.sqlite_checkpoint(db, timeout=patience) > 0
    assert log_of(file) == 0


def test_checkpoint_reports_a_blocking_writer(db, file):
    writer = sqlite3.connect(file, isolation_level=None)
    writer.execute("begin immediate")
    writer.execute("insert into power values (1)")
    with pytest.raises(linkspan.Stalled, match="another connection"):
        linkspan.sqlite_checkpoint(db, timeout=0.1)
    writer.execute("commit")
    writer.close()
    linkspan.sqlite_checkpoint(db)
    assert log_of(file) == 0


def test_checkpoint_waits_for_a_reader_that_ends(db, file):
    reader = sqlite3.connect(file, check_same_thread=False)
    reader.execute("begin")
    reader.execute("select count(*) from power").fetchone()
    end = threading.Timer(0.3, reader.close)
    end.start()
    assert linkspan.sqlite_checkpoint(db, timeout=60) > 0
    end.join()
    assert log_of(file) == 0


def test_signal_ends_the_wait_of_a_checkpoint(file, peer):
    child = peer("""
        import sqlite3
        file = sys.argv[1]
        db = sqlite3.connect(file, isolation_level=None)
        db.execute("pragma journal_mode = wal")
        db.execute("create table power (watts real)")
        reader = sqlite3.connect(file, isolation_level=None)
        reader.execute("begin")
        reader.execute("select * from power").fetchall()
        db.execute("insert into power values (1)")
        try:
            say("waits")
            linkspan.sqlite_checkpoint(db, timeout=1000)
        except KeyboardInterrupt:
            say("ended", db.execute("pragma busy_timeout").fetchone())
    """, file)
    assert child.line() == "waits"
    # Probably in the wait by now; an earlier signal also ends it.
    time.sleep(0.3)
    child.signal(signal.SIGINT)
    assert child.line() == "ended (5000,)"
    assert child.end()[0] == 0


def test_checkpoint_of_a_database_without_a_log_does_nothing(tmp_path):
    assert linkspan.sqlite_checkpoint(sqlite3.connect(":memory:")) == 0
    db = sqlite3.connect(tmp_path / "plain.db")
    db.execute("create table power (watts real)")
    assert linkspan.sqlite_checkpoint(db) == 0
    assert db.execute("pragma journal_mode").fetchone() == ("delete",)


def test_attached_databases_and_other_rows(db, file, tmp_path):
    other = tmp_path / "other.db"
    db.row_factory = sqlite3.Row
    db.execute("attach ? as 'an\"other'", (str(other),))
    db.execute('pragma "an""other".journal_mode = wal')
    db.execute('create table "an""other".more (x)')
    db.commit()
    assert log_of(other) > 0
    linkspan.sqlite_checkpoint(db)
    assert log_of(other) == log_of(file) == 0


def test_invalid_times_are_refused(db):
    for patience in (-1, float("nan")):
        with pytest.raises(linkspan.OutOfRange):
            linkspan.sqlite_checkpoint(db, timeout=patience)


@pytest.mark.parametrize("factory", [bytes, lambda text: [text], lambda text: 1 / 0])
def test_what_a_program_makes_of_texts_is_not_for_names(db, file, tmp_path, factory):
    db.execute("attach ? as other", (str(tmp_path / "café.db"),))
    db.text_factory = factory
    assert log_of(file) > 0
    assert linkspan.sqlite_checkpoint(db) > 0
    assert log_of(file) == 0 and db.text_factory is factory


def test_what_is_no_connection_is_refused_by_name():
    with pytest.raises(linkspan.WrongType, match="^db=None: give the connection"):
        linkspan.sqlite_checkpoint(None)
